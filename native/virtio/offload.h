/*
 * Offloads between guests: checksums that are still missing, and TCP frames of up to 64 KiB that stand for
 * many.
 *
 * Theory of operation
 *   A guest that negotiated them describes unfinished frames in their virtio-net headers (virtio 1.2, 5.1.6).
 * Such a header is loaded once, checked against its frame, and kept beside the batch; a frame's `offload`
 * names the features its receiver must have for it. A receiver that has them gets the frame as it is, header
 * and all. Any other gets what a hook makes of it (vh_switch.soften): the frame with its checksum, or the
 * segments that it stands for. Ports without offloads never come here.
 *
 * Trust
 *   Of a frame that shall be segmented the protocol headers are read and checked too: its receiver's network
 * stack would have to believe them. The sender may still change them before they are copied; the hook checks
 * its own copy again.
 */
#ifndef VH_VIRTIO_OFFLOAD_H
#define VH_VIRTIO_OFFLOAD_H

#include "virtq_state.h"

/* Virtio feature bits (virtio 1.2, 5.1.3). The host's: what a guest may leave to us; the guest's: we to it.
 */
#define VH_F_CSUM (1U << 0)
#define VH_F_GUEST_CSUM (1U << 1)
#define VH_F_GUEST_TSO4 (1U << 7)
#define VH_F_GUEST_TSO6 (1U << 8)
#define VH_F_GUEST_ECN (1U << 9)
#define VH_F_HOST_TSO4 (1U << 11)
#define VH_F_HOST_TSO6 (1U << 12)
#define VH_F_HOST_ECN (1U << 13)
#define VH_F_SENDER_OFFLOADS (VH_F_CSUM | VH_F_HOST_TSO4 | VH_F_HOST_TSO6 | VH_F_HOST_ECN)
#define VH_F_RECEIVER_OFFLOADS (VH_F_GUEST_CSUM | VH_F_GUEST_TSO4 | VH_F_GUEST_TSO6 | VH_F_GUEST_ECN)

/* Of vh_virtio_header. */
#define VH_HDR_NEEDS_CSUM 1
#define VH_HDR_DATA_VALID 2
#define VH_GSO_NONE 0
#define VH_GSO_TCPV4 1
#define VH_GSO_TCPV6 4
#define VH_GSO_ECN 0x80

/*
 * Of vh_frame.offload, beside the features: a card has found the frame's checksum right. A receiver that took
 * VH_F_GUEST_CSUM on is told so; to others it is a frame like any.
 */
#define VH_CHECKED (1U << 31)

/*
 * Segments that one frame may stand for. 64 KiB in the smallest segments that paths of today have (an MTU of
 * 576, all options in use) are 137; a guest must not make us cut 64 KiB into single bytes.
 */
#define VH_MAX_SEGMENTS 256
/* Ethernet, tags and IP with its options or extension headers, of a frame to be segmented; then comes TCP. */
#define VH_MAX_TCP_START 128U
#define VH_MAX_TCP_HEADER 60U
#define VH_MIN_TCP_HEADER 20U
/* All headers of a frame to be segmented. */
#define VH_MAX_HEADERS (VH_MAX_TCP_START + VH_MAX_TCP_HEADER)

/* As it stands in guest memory, in front of every frame (little endian, like all machines this runs on). */
struct vh_virtio_header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

/* Where the headers of a TCP frame end. */
struct vh_tcp_headers {
	bool v6;
	uint16_t ip, tcp, payload; /* offsets in the frame */
};

/* The offloads among a guest's features; none where the checksum, which all others need, is not among them.
 */
static inline uint16_t vh_offloads_of_sender(uint64_t features)
{
	return (features & VH_F_CSUM) != 0 ? features & VH_F_SENDER_OFFLOADS : 0;
}

static inline uint16_t vh_offloads_of_receiver(uint64_t features)
{
	return (features & VH_F_GUEST_CSUM) != 0 ? features & VH_F_RECEIVER_OFFLOADS : 0;
}

/* Loads the header from the front of a chain; bytes that the chain does not have are zero. */
void vh_virtio_header_load(const struct vh_seg *seg, uint32_t n, struct vh_virtio_header *out);

/*
 * Checks what a header asks for against its frame `f` of the batch and what the sender negotiated.
 * Return: whether it can be done; *out is then what to do, which may be nothing.
 */
bool vh_offload_take(uint16_t negotiated, const struct vh_virtio_header *raw, const struct vh_batch *b,
	const struct vh_frame *f, struct vh_offload *out);

/*
 * What is to be done to the frame when its headers stand `by` bytes further back, because a tag was added or
 * (below 0) taken away, and it is `total` bytes long. Return: whether that still is within the frame and can
 * be said in 16 bits.
 */
bool vh_offload_move(const struct vh_offload *from, int32_t by, uint32_t total, struct vh_offload *to);

/* Return: the features (VH_F_GUEST_*) that a receiver needs to take the frame as it is; 0 for a complete one.
 */
uint32_t vh_offload_needs(const struct vh_offload *o);

/* Writes the first 10 bytes of the header that the receiver gets. */
void vh_offload_put(const struct vh_offload *o, uint8_t *header);

/*
 * Finds TCP over IP in the first `len` bytes of a frame: up to two VLAN tags, IPv4 with options and no
 * fragment, IPv6 with extension headers that may stand before TCP. Return: whether it begins at `tcp` and is
 * whole.
 */
bool vh_tcp_headers_parse(const uint8_t *p, uint32_t len, uint32_t tcp, bool v6, struct vh_tcp_headers *out);

/* Copies up to `len` bytes of a frame, from offset `from`. Return: how many there were. */
uint32_t vh_frame_read(
	const struct vh_batch *b, const struct vh_frame *f, uint32_t from, void *to, uint32_t len);

#endif
