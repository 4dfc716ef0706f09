/* A switch with mock guests on its ports, for tests. Everything in it is gone with rig_free(). */
#ifndef VH_TEST_RIG_RIG_H
#define VH_TEST_RIG_RIG_H

#include "../../switch/fastpath_select.h"
#include "../../switch/switch.h"
#include "guest.h"

#define RIG_GUESTS 8
#define RIG_LANES 4

struct rig {
	struct vh_switch *sw;
	vh_poll_function poll; /* vh_switch_poll(), or another build of it */
	struct vh_port_list *list;
	struct vh_lane *lane[RIG_LANES];
	uint32_t n;
	struct guest *guest[RIG_GUESTS];
	struct vh_port *port[RIG_GUESTS];
};

struct rig *rig_new(void);
/* Adds up which drop reasons fired, for the last test, and frees all. */
void rig_free(struct rig *r);
/* Connects a guest as the next port, its queues live. Return: its number. */
uint32_t rig_add(struct rig *r, const struct guest_config *config);
/* A rig of `n` guests that have exactly these features, and buffers of 2000 bytes posted. */
struct rig *rig_guests(uint64_t features, uint32_t n);
/* Sets one port's queues up anew on the guest's current indexes. */
void rig_attach(struct rig *r, uint32_t i);

/* Has the first `live` receive queues of a port take frames. */
void rig_steer(struct vh_port *port, uint16_t live);
/* Polls a port's transmit queue until it is empty or `rounds` are over. Return: chains taken. */
uint32_t rig_poll(struct rig *r, uint32_t i, uint32_t rounds);

/* One poll of queue `pair` by lane 0. Return: chains completed. */
uint32_t rig_poll_pair(struct rig *r, uint32_t i, uint32_t pair);
/* Retries full receivers from now on; the rig's ticks stand still but for rig_tick(). */
void rig_retry(struct rig *r, uint32_t times, uint64_t delay);
void rig_tick(struct rig *r, uint64_t ticks);

struct vh_counters rig_counters(const struct rig *r, uint32_t i);
uint64_t rig_drops(const struct rig *r, uint32_t i, enum vh_drop reason);
uint64_t rig_all_drops(const struct rig *r, uint32_t i);
/* tx = rx + drops over all ports, where no frame was flooded to several. */
void rig_require_balance(const struct rig *r);

/* A ring size near `n`: packed rings need not be a power of two long, so here they are not. */
uint32_t odd_size(uint32_t n);
static inline bool on_packed(void)
{
	return (test_ring & VH_F_RING_PACKED) != 0;
}

/* Notes that a reason fired; rig_free() does that for all of its ports. */
void note_drops(const struct vh_counters *c);

/* Test frames: the address of guest i is 02:00:00:00:00:i+1. */
#define FRAME_MIN 22U
#define UNTAGGED 0xffffU
void frame_mac(uint8_t mac[6], uint32_t i);
/* Headers plus a payload that follows from `seq` and the length; needs len >= FRAME_MIN. */
void frame_make(uint8_t *f, const uint8_t dst[6], const uint8_t src[6], uint32_t seq, uint32_t len);
/* Checks every byte of the payload. Return: the frame's seq. */
uint32_t frame_check(const uint8_t *f, uint32_t len);
/* Puts an 802.1Q tag into a frame of at least FRAME_MIN bytes (over its payload: for header tests). */
void frame_tag(uint8_t *f, uint16_t type, uint16_t tci);
/* Sends a frame from one guest to another by address. */
bool rig_send(
	struct rig *r, uint32_t from, uint32_t to, uint32_t seq, uint32_t len, enum guest_layout layout);
/* Receives a frame and checks it. Return: its seq, or GUEST_NOTHING / GUEST_EMPTY. */
int64_t rig_receive(struct rig *r, uint32_t i, uint32_t *len);
/* Learns every guest's address, as if each had sent a frame. */
void rig_learn_all(struct rig *r);

#endif
