#include "switch.h"

#include <string.h>

_Static_assert(VH_BATCH <= UINT8_MAX, "frame numbers are bytes");

void vh_switch_init(struct vh_switch *sw, uint64_t seed)
{
	memset(sw, 0, sizeof(*sw));
	vh_mac_init(&sw->macs, seed);
}

/* Destination, source, EtherType, tag: what forwarding looks at. */
struct header {
	uint64_t dst, src; /* address keys, VLAN included */
	bool group;	   /* broadcast or multicast */
};

/* Up to 18 bytes from the front of a frame whose first segment is shorter than that. */
static const uint8_t *gather(const struct vh_batch *b, const struct vh_frame *f, uint8_t out[18])
{
	uint32_t n = f->len < 18 ? f->len : 18;

	memset(out, 0, 18);
	memcpy(out, f->data, n);
	for (uint32_t i = 0; i < f->more && n < 18; i++) {
		const struct vh_seg *s = &b->seg[f->first + i];
		uint32_t take = s->len < 18 - n ? s->len : 18 - n;

		memcpy(out + n, s->p, take);
		n += take;
	}
	return out;
}

static inline struct header parse(const struct vh_batch *b, const struct vh_frame *f)
{
	uint8_t buf[18];
	const uint8_t *p = vh_likely(f->len >= 18) ? f->data : gather(b, f, buf);
	uint16_t type = (uint16_t)(p[12] << 8 | p[13]);
	uint16_t vlan = 0;

	/* 802.1Q and 802.1ad tags; a priority tag (VLAN 0) counts as untagged. */
	if (vh_unlikely(type == 0x8100 || type == 0x88a8))
		vlan = (uint16_t)((p[14] << 8 | p[15]) & 0xfff);
	return (struct header){
		.dst = vh_mac_key(p, vlan), .src = vh_mac_key(p + 6, vlan), .group = (p[0] & 1) != 0};
}

/* Learns a source; an address seen a moment ago on this queue costs one compare. */
static inline void learn(struct vh_switch *sw, const struct vh_lane *lane, struct vh_port *port,
	struct vh_vq *vq, uint64_t key)
{
	uint32_t gen = __atomic_load_n(&sw->macs.generation, __ATOMIC_RELAXED);
	enum vh_learned result;

	if (vh_likely(key == vq->learned_key && lane->now == vq->learned_at && gen == vq->learned_gen))
		return;
	result = vh_mac_learn(&sw->macs, key, port->id, lane->now);
	vq->learned_key = key;
	vq->learned_at = lane->now;
	vq->learned_gen = __atomic_load_n(&sw->macs.generation, __ATOMIC_RELAXED);
	if (vh_unlikely((result == VH_MAC_NEW || result == VH_MAC_MOVED) && sw->on_learn != NULL))
		sw->on_learn(sw->hook_context, port->id, key, result == VH_MAC_MOVED);
}

static inline void enlist(struct vh_lane *lane, uint16_t dst, uint16_t frame)
{
	uint8_t n = lane->count[dst];

	if (n == 0)
		lane->dst[lane->n_dst++] = dst;
	lane->which[dst][n] = (uint8_t)frame;
	lane->count[dst] = (uint8_t)(n + 1);
}

/* To every other port whose driver is up. Return: how many those were. */
static uint32_t flood(const struct vh_port_list *list, struct vh_lane *lane, uint16_t from, uint16_t frame)
{
	uint32_t n = 0;

	for (uint32_t i = 0; list != NULL && i < list->n; i++) {
		const struct vh_port *p = list->port[i];

		if (p->id == from || __atomic_load_n(&p->rx_live, __ATOMIC_RELAXED) == 0)
			continue;
		enlist(lane, p->id, frame);
		n++;
	}
	return n;
}

/* Puts every frame of the round on its lists. */
static void sort(struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, struct vh_vq *vq)
{
	const struct vh_port_list *list = __atomic_load_n(&sw->list, __ATOMIC_ACQUIRE);
	struct vh_counters *own = &port->counters[lane->worker];

	for (uint16_t i = 0; i < lane->batch.frames; i++) {
		struct header h = parse(&lane->batch, &lane->batch.frame[i]);
		uint16_t dst;

		learn(sw, lane, port, vq, h.src);
		dst = h.group ? VH_NO_PORT : vh_mac_lookup(&sw->macs, h.dst);
		if (vh_unlikely(dst == port->id)) {
			vh_count(&own->drops[VH_DROP_TX_HAIRPIN], 1);
		} else if (vh_likely(dst != VH_NO_PORT)) {
			enlist(lane, dst, i);
		} else if (flood(list, lane, port->id, i) == 0) {
			vh_count(&own->drops[VH_DROP_TX_NO_DESTINATION], 1);
		}
	}
}

static void deliver(
	struct vh_switch *sw, struct vh_lane *lane, struct vh_port *from, uint16_t dst, uint16_t pair)
{
	struct vh_port *port = __atomic_load_n(&sw->port[dst], __ATOMIC_ACQUIRE);
	uint32_t n = lane->count[dst];
	uint16_t live;

	lane->count[dst] = 0;
	if (port == NULL) {
		/* Removed since it was learned or listed: without counters of its own, so the sender's. */
		vh_count(&from->counters[lane->worker].drops[VH_DROP_TX_NO_DESTINATION], n);
		return;
	}
	live = __atomic_load_n(&port->rx_live, __ATOMIC_RELAXED);
	/* A sender's queue always leads to the same receive queue, so a flow stays in order. */
	if (vh_likely(live > 0)) {
		struct vh_vq *vq = &port->rx[pair % live];

		if (vh_likely(vh_vq_is_live(vq))) {
			vh_rxq_deliver(vq, &lane->batch, lane->which[dst], n, &port->counters[lane->worker]);
			return;
		}
	}
	vh_count(&port->counters[lane->worker].drops[VH_DROP_RX_NOT_READY], n);
}

uint32_t vh_switch_poll(struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint16_t pair)
{
	struct vh_vq *vq = &port->tx[pair];
	struct vh_counters *own = &port->counters[lane->worker];

	vh_txq_collect(vq, &lane->batch, own);
	if (lane->batch.chains == 0)
		return 0;
	lane->n_dst = 0;
	sort(sw, lane, port, vq);
	for (uint16_t i = 0; i < lane->n_dst; i++)
		deliver(sw, lane, port, lane->dst[i], pair);
	vh_txq_complete(vq, &lane->batch, own);
	return lane->batch.chains;
}

void vh_port_counters(const struct vh_port *port, struct vh_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int w = 0; w < VH_MAX_WORKERS; w++) {
		/* Counters are nothing but 64-bit words, so they are added as such. */
		const uint64_t *from = (const uint64_t *)(const void *)&port->counters[w];
		uint64_t *to = (uint64_t *)(void *)sum;

		for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
			to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	}
}
