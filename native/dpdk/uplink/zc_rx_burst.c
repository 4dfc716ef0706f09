/* Frames of a feed's queue: those that have landed are judged and handed to the guest at once, others are the
 * caller's. Runs of either kind stay in order. */
#include "zc_rx_priv.h"
#include "uplink_offload.h"
#include "vmdq.h"
#include "../runtime/worker.h"
#include "../../switch/zc_rx_classify.h"

#include <rte_ethdev.h>

/* What a driver says of a frame that has landed. Return: what it is for its guest. */
static struct vh_landing judge(
	const struct vh_feed *f, struct rte_mbuf *m, uint32_t now, struct vh_landed *frame)
{
	struct vh_landing l = {.drop = VH_DROP_TX_TOO_LONG};

	*frame = (struct vh_landed){.from = &f->uplink->port,
		.to = f->to,
		.data = rte_pktmbuf_mtod(m, uint8_t *),
		.len = m->data_len,
		.stripped = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0,
		.tag = m->vlan_tci,
		.now = now};
	if (m->nb_segs != 1 || m->data_len > f->uplink->longest)
		return l;
	/* Two tags beside the frame: no guest's own one alone. */
	l.drop = VH_DROP_TX_UNKNOWN_UNICAST;
	if ((m->ol_flags & (RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED)) != 0)
		return l;
	l.drop = VH_DROP_TX_RUNT;
	return m->data_len < VH_MIN_FRAME ? l : vh_landed_judge(f->sw, frame);
}

/* Takes one that has landed. Return: whether it is the guest's; *fill is what becomes of its chain then. */
static bool land(
	struct vh_feed *f, struct rte_mbuf *m, uint32_t now, struct vh_fill *fill, struct vh_counters *own)
{
	struct vh_berth *b = vh_berth_of(m);
	struct vh_landed frame;
	struct vh_landing l;

	if (m->data_len >= VH_MIN_FRAME && vh_vmdq_is_ours(rte_pktmbuf_mtod(m, uint8_t *)))
		return false;
	if (!vh_berth_is_current(f, b)) {
		vh_count(&own->drops[VH_DROP_TX_UNKNOWN_UNICAST], 1);
		return false;
	}
	l = judge(f, m, now, &frame);
	if (l.drop != VH_DROP_COUNT) {
		if (!l.copy)
			vh_count(&own->drops[l.drop], 1);
		return false;
	}
	fill->chain = b->chain;
	fill->checked = f->uplink->offloads.rx_csum && vh_uplink_checked(m, frame.data, frame.len);
	fill->len = vh_landed_shape(&frame, &l, b->chain.card + f->vq->hdr_len);
	b->owed = false;
	vh_feed_home(m);
	return true;
}

/* Takes a run of frames that have landed. */
static void land_all(struct vh_feed *f, struct rte_mbuf **m, uint16_t n, struct vh_counters *own)
{
	uint16_t worker = (uint16_t)(own - f->uplink->port.counters);
	struct vh_fill fill[VH_BATCH];
	uint32_t now = vh_workers_now();
	struct vh_counters *receiver;
	uint64_t bytes = 0;
	uint32_t got = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (!land(f, m[i], now, &fill[got], own))
			continue;
		bytes += fill[got].len;
		got++;
	}
	if (got == 0)
		return;
	receiver = &f->to->counters[worker];
	vh_rxq_fill(f->vq, fill, got, receiver);
	vh_count(&own->tx_packets, got);
	vh_count(&own->tx_bytes, bytes);
	vh_count(&receiver->rx_packets, got);
	vh_count(&receiver->rx_bytes, bytes);
	vh_count(&f->uplink->landed[worker], got);
}

/* Moves frames of one kind from the front of the stash behind m[0, n). Return: how many m has then. */
static uint16_t move_run(struct vh_feed *f, struct rte_mbuf **m, uint16_t n, bool landed)
{
	while (f->at < f->n && (vh_berth_of(f->stash[f->at])->loan != NULL) == landed)
		m[n++] = f->stash[f->at++];
	return n;
}

uint16_t vh_feed_receive(struct vh_feed *f, struct rte_mbuf **m, uint16_t *landed, struct vh_counters *own)
{
	if (f->at == f->n) {
		f->at = 0;
		f->walked = 0;
		f->n = rte_eth_rx_burst(f->uplink->eth, f->uplink->queue[f->pool], f->stash, VH_BATCH);
	}
	*landed = move_run(f, m, 0, true);
	if (*landed > 0)
		land_all(f, m, *landed, own);
	return move_run(f, m, *landed, false);
}
