/* Frames between the switch and a device of DPDK's. The hot part of uplink.h. */
#include "uplink_rxtx.h"
#include "zc_tx.h"
#include "zc_rx.h"
#include "uplink_offload.h"
#include "vmdq.h"
#include "../../base/copy.h"

#include <string.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

/* Bytes of the next frame that are fetched while one is copied (measured with 512, 1024 and all of 1500). */
#define FETCH_AHEAD 512U

static struct vh_uplink *uplink_of(struct vh_port *port)
{
	return (struct vh_uplink *)(void *)port;
}

/* Makes a frame of a received buffer, and of those chained to it. Return: whether it is one, or why not. */
static enum vh_drop frame_of(struct vh_batch *b, const struct rte_mbuf *m, uint32_t longest)
{
	struct vh_frame *f = &b->frame[b->frames];
	uint32_t total = m->data_len;
	uint16_t more = 0;

	for (const struct rte_mbuf *s = m->next; s != NULL; s = s->next, more++) {
		if (b->segs + more == VH_BATCH_SEGS)
			return VH_DROP_TX_TOO_LONG;
		b->seg[b->segs + more] =
			(struct vh_seg){.p = rte_pktmbuf_mtod(s, uint8_t *), .len = s->data_len};
		total += s->data_len;
	}
	/* Interfaces of the kernel's hand over what it has joined, cut off where their buffers end. */
	if (total < VH_MIN_FRAME || total > longest)
		return total < VH_MIN_FRAME ? VH_DROP_TX_RUNT : VH_DROP_TX_TOO_LONG;
	*f = (struct vh_frame){.data = rte_pktmbuf_mtod(m, uint8_t *),
		.len = m->data_len,
		.total = total,
		.more = more,
		.first = b->segs};
	b->segs = (uint16_t)(b->segs + more);
	return VH_DROP_COUNT;
}

/* Puts the outer one of two tags back that were both taken off. Return: whether it is there now. */
static bool put_outer_tag_back(struct rte_mbuf *m)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, VH_TAG_BYTES);

	if (p == NULL)
		return false;
	memmove(p, p + VH_TAG_BYTES, VH_MIN_FRAME - 2);
	memcpy(p + VH_MIN_FRAME - 2, (uint8_t[]){0x88, 0xa8}, 2);
	p[VH_MIN_FRAME] = (uint8_t)(m->vlan_tci_outer >> 8);
	p[VH_MIN_FRAME + 1] = (uint8_t)m->vlan_tci_outer;
	return true;
}

/*
 * Drivers may hand tags over beside the frame (rte_mbuf_core.h); here they belong into it, in the order in
 * which they came. Return: whether they are there now.
 */
static bool put_tags_back(struct rte_mbuf **m)
{
	uint64_t flags = (*m)->ol_flags;

	if (vh_likely((flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)) == 0))
		return true;
	/* The inner one alone was taken out: nothing is to be put in front of the outer one. */
	if ((flags & (RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED)) == RTE_MBUF_F_RX_QINQ)
		return false;
	if ((flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && rte_vlan_insert(m) != 0)
		return false;
	return (flags & RTE_MBUF_F_RX_QINQ_STRIPPED) == 0 || put_outer_tag_back(*m);
}

/*
 * Whether a frame that came by a guest's pool is a copy: group frames go to every pool that is not told
 * apart; or one that this switch has sent itself. The tag is looked for in the frame, where it has been put
 * back; cards strip it from some frames only.
 */
static bool is_copy(const struct rte_mbuf *m, uint16_t pool)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t own = (uint16_t)(VH_VLAN_TAG_BASE + vh_vmdq_guest(pool));

	if (m->data_len < VH_MIN_FRAME + 4U)
		return false;
	if ((p[0] & 1) == 0)
		return vh_vmdq_is_ours(p);
	return p[12] != 0x81 || p[13] != 0 || ((p[14] << 8 | p[15]) & 0xfff) != own;
}

static void collect(struct vh_port *port, uint16_t pair, struct vh_batch *b, struct vh_counters *own)
{
	struct rte_mbuf **m = (struct rte_mbuf **)b->buffer;
	const struct vh_uplink *u = uplink_of(port);
	bool by_pool = pair > 0 && u->guests > 0;
	uint16_t landed = 0;
	uint64_t bytes = 0;

	b->frames = b->segs = b->offloads = 0;
	b->walked = 0;
	if (vh_unlikely(by_pool && u->feed[pair] != NULL))
		b->chains = vh_feed_receive(u->feed[pair], m, &landed, own);
	else
		b->chains = rte_eth_rx_burst(u->eth, u->queue[pair], m, VH_BATCH);
	for (uint16_t i = landed; i < b->chains; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint16_t i = landed; i < b->chains; i++) {
		bool whole = put_tags_back(&m[i]);
		enum vh_drop fault;

		if (vh_unlikely(by_pool && is_copy(m[i], pair)))
			continue;
		fault = whole ? frame_of(b, m[i], u->longest) : VH_DROP_TX_BAD_VLAN;
		if (vh_unlikely(fault != VH_DROP_COUNT)) {
			vh_count(&own->drops[fault], 1);
			continue;
		}
		bytes += b->frame[b->frames].total;
		b->frames++;
		if (u->offloads.rx_csum)
			vh_uplink_note_verdict(b, m[i]);
	}
	if (b->frames == 0)
		return;
	vh_count(&own->tx_packets, b->frames);
	vh_count(&own->tx_bytes, bytes);
}

static void complete(const struct vh_batch *b)
{
	rte_pktmbuf_free_bulk((struct rte_mbuf **)(uintptr_t)b->buffer, b->chains);
}

static void fill(struct rte_mbuf *m, const struct vh_batch *b, const struct vh_frame *f)
{
	uint8_t *to = rte_pktmbuf_mtod(m, uint8_t *);

	m->data_len = (uint16_t)f->total;
	m->pkt_len = f->total;
	if (vh_likely(f->more == 0))
		vh_copy(to, f->data, f->len);
	else
		vh_frame_read(b, f, 0, to, f->total);
}

/*
 * Begins to fetch what a frame has behind its first line, which collecting it has asked for. How far: what
 * comes behind that, processors foresee by then; further made it slower where the payload lies in a cache.
 */
static inline void fetch_ahead(const struct vh_frame *f)
{
	uint32_t end = f->len < FETCH_AHEAD ? f->len : FETCH_AHEAD;

	for (uint32_t at = VH_CACHE_LINE; at < end; at += VH_CACHE_LINE)
		rte_prefetch0(f->data + at);
}

/* Makes buffers of frames. Return: how many; at[] says which of the list each is, *lent has those not copied.
 */
static uint16_t make(const struct vh_uplink *u, struct rte_mbuf **out, const struct vh_batch *b,
	const uint8_t *which, uint32_t n, uint8_t *at, uint64_t *lent)
{
	uint16_t made = 0;

	*lent = 0;
	fetch_ahead(&b->frame[which[0]]);
	for (uint32_t i = 0; i < n; i++) {
		const struct vh_frame *f = &b->frame[which[i]];

		if (i + 1 < n)
			fetch_ahead(&b->frame[which[i + 1]]);
		if (vh_unlikely(f->total > u->longest))
			continue;
		if (vh_unlikely(b->hold != NULL) && vh_direct_fill(u, out[made], b, which[i]))
			*lent |= 1ULL << made;
		else
			fill(out[made], b, f);
		at[made++] = (uint8_t)i;
	}
	return made;
}

static uint32_t deliver(struct vh_port *port, uint16_t queue, const struct vh_batch *b, const uint8_t *which,
	uint32_t n, struct vh_counters *own)
{
	struct vh_uplink *u = (struct vh_uplink *)(void *)port;
	struct rte_mbuf *out[VH_BATCH];
	uint8_t at[VH_BATCH];
	uint64_t bytes = 0, lent;
	uint16_t made, sent = 0;
	uint32_t done = n;

	if (vh_unlikely(b->offloads != 0)) {
		vh_uplink_deliver_unfinished(u, queue, b, which, n, own);
		return n;
	}
	if (vh_unlikely(rte_pktmbuf_alloc_bulk(u->pool, out, n) != 0)) {
		vh_count(&own->drops[VH_DROP_RX_RING_FULL], n);
		return n;
	}
	made = make(u, out, b, which, n, at, &lent);
	vh_lock(&port->rx[queue].lock);
	if (vh_unlikely(lent != 0))
		vh_direct_sending(u, out, made);
	if (made > 0)
		sent = rte_eth_tx_burst(u->eth, queue, out, made);
	vh_unlock(&port->rx[queue].lock);
	for (uint16_t i = 0; i < sent; i++)
		bytes += b->frame[which[at[i]]].total;
	/* Those behind are the ones that were not needed. */
	if (sent < n)
		rte_pktmbuf_free_bulk(out + sent, n - sent);
	vh_count(&own->rx_packets, sent);
	vh_count(&own->rx_bytes, bytes);
	if (vh_unlikely(b->hold != NULL)) {
		/* Where each frame takes several of few descriptors, a round does not fit. */
		if (sent < made)
			done = at[sent];
		lent &= sent == VH_BATCH ? UINT64_MAX : (1ULL << sent) - 1;
		vh_count(&u->lent[own - port->counters], (uint64_t)__builtin_popcountll(lent));
		vh_count(&own->drops[VH_DROP_RX_TOO_LONG], done - sent);
		return done;
	}
	vh_count(&own->drops[VH_DROP_RX_TOO_LONG], n - made);
	vh_count(&own->drops[VH_DROP_RX_RING_FULL], made - sent);
	return n;
}

const struct vh_uplink_ops vh_uplink_ops = {
	.collect = collect, .complete = complete, .deliver = deliver, .takes = vh_uplink_takes};
