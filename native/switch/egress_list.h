/* Internal to the data path: putting the frames of a round on the lists of the ports that they go to. */
#ifndef VH_SWITCH_EGRESS_LIST_H
#define VH_SWITCH_EGRESS_LIST_H

#include "switch.h"

#include <string.h>

_Static_assert(VH_FRAMES <= UINT8_MAX, "frame numbers are bytes");

/* Up to `most` bytes from the front of a frame whose first segment is shorter than that; zeroes behind it. */
static __attribute__((noinline)) const uint8_t *gather(
	const struct vh_batch *b, const struct vh_frame *f, uint8_t *out, uint32_t most)
{
	uint32_t n = f->len < most ? f->len : most;

	memset(out, 0, most);
	memcpy(out, f->data, n);
	for (uint32_t i = 0; i < f->more && n < most; i++) {
		const struct vh_seg *s = &b->seg[f->first + i];
		uint32_t take = s->len < most - n ? s->len : most - n;

		memcpy(out + n, s->p, take);
		n += take;
	}
	return out;
}

static __attribute__((noinline)) bool learn_slowly(struct vh_switch *sw, const struct vh_lane *lane,
	struct vh_port *port, struct vh_vq *vq, uint64_t key)
{
	enum vh_learned result;

	if (vh_unlikely(vh_source_is_bad(key))) {
		vh_count(&port->counters[lane->worker].drops[VH_DROP_TX_BAD_SOURCE], 1);
		return false;
	}
	result = vh_mac_learn(&sw->macs, key, port->id, lane->now);

	if (vh_unlikely(result == VH_MAC_REFUSED))
		vh_count(&port->counters[lane->worker].unlearned, 1);
	vq->learned_key = key;
	vq->learned_at = lane->now;
	vq->learned_gen = __atomic_load_n(&sw->macs.generation, __ATOMIC_RELAXED);
	/* What there is behind an uplink is nobody's news. */
	if (vh_unlikely((result == VH_MAC_MOVED || (result == VH_MAC_NEW && port->uplink == NULL)) &&
			sw->on_learn != NULL))
		sw->on_learn(sw->hook_context, port->id, key, result == VH_MAC_MOVED);
	return true;
}

/*
 * Learns a source; an address seen a moment ago on this queue costs one compare. Return: false where it is no
 * station's: then the frame has been counted as dropped.
 */
static inline bool learn(struct vh_switch *sw, const struct vh_lane *lane, struct vh_port *port,
	struct vh_vq *vq, uint64_t key)
{
	uint32_t gen = __atomic_load_n(&sw->macs.generation, __ATOMIC_RELAXED);

	if (vh_unlikely(key != vq->learned_key || lane->now != vq->learned_at || gen != vq->learned_gen))
		return learn_slowly(sw, lane, port, vq, key);
	return true;
}

/*
 * The list that frames are being put on. Its length stays in a register while one destination follows the
 * other: a load that waits for the store of the frame before would cost as much as the rest of the sorting.
 */
struct run {
	struct vh_round *r;
	uint8_t *list;
	uint32_t n;
	uint16_t dst;
};

static inline void run_end(struct run *run)
{
	if (run->dst != VH_NO_PORT)
		run->r->count[run->dst] = (uint8_t)run->n;
	run->dst = VH_NO_PORT;
}

static inline void enlist(struct run *run, uint16_t dst, uint16_t frame)
{
	if (vh_unlikely(dst != run->dst)) {
		run_end(run);
		run->dst = dst;
		run->list = run->r->which[dst];
		run->n = run->r->count[dst];
		if (run->n == 0)
			run->r->dst[run->r->n_dst++] = dst;
	}
	run->list[run->n++] = (uint8_t)frame;
}

#endif
