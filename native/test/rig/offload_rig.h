/* Unfinished frames for tests, and a stand-in for what finishes them in the switch
 * (native/dpdk/runtime/sw_offload.c). */
#ifndef VH_TEST_RIG_OFFLOAD_RIG_H
#define VH_TEST_RIG_OFFLOAD_RIG_H

#include "rig.h"

#define OFFLOAD_PLAIN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF)
#define OFFLOAD_ON (OFFLOAD_PLAIN | VH_F_SENDER_OFFLOADS | VH_F_RECEIVER_OFFLOADS)

struct offload_frame {
	struct vh_virtio_header header;
	uint32_t len;
	uint8_t data[VH_MAX_FRAME];
};

/*
 * TCP from guest 0 to guest `to` (UINT32_MAX: to all), `payload` bytes of a pattern that follows from seq,
 * with as many VLAN tags; the header asks for segments of gso_size, or of 0 for nothing but the checksum.
 */
void offload_make(struct offload_frame *f, uint32_t to, bool v6, uint32_t tags, uint32_t payload,
	uint32_t seq, uint32_t gso_size);

/* Offers it on queue 0 of guest `from`. */
void offload_send(struct rig *r, uint32_t from, const struct offload_frame *f, enum guest_layout layout);

/*
 * Has the rig "finish" frames: each piece is the frame's first 14 bytes, its seq, the piece's number and
 * nothing else; there are as many as there would be segments. It cannot be done where the seq is `fail`.
 */
void offload_hook(struct rig *r, uint32_t fail);

/* The next frame at guest `i` is piece `n` of the frame with `seq`. */
void offload_require_piece(struct rig *r, uint32_t i, uint32_t seq, uint32_t n);
/* There is no other frame at guest `i`. */
void offload_require_nothing(struct rig *r, uint32_t i);

#endif
