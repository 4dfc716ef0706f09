#include "uplink_offload.h"
#include "../../switch/parse_l4.h"

#include <string.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#define TX_CSUM (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
/* Segments are given new IP headers, and long frames come in many buffers. */
#define TX_TSO (RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
#define RX_CSUM (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
/* Buffers of the longest frame, at the size that they have at least. */
#define MOST_BUFFERS (VH_MAX_FRAME / RTE_MBUF_DEFAULT_DATAROOM + 1)

/* Devices that do all this in software as well, and less of it: 22.11's net_tap cuts no IPv6. */
static const char *const in_software[] = {"net_tap"};

static bool is_card(const char *driver)
{
	for (size_t i = 0; i < sizeof(in_software) / sizeof(in_software[0]); i++)
		if (strcmp(in_software[i], driver) == 0)
			return false;
	return true;
}

void vh_uplink_choose_offloads(
	struct vh_uplink *u, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t tx = 0, rx = 0;
	uint16_t taken_on = 0, most = info->tx_desc_lim.nb_seg_max;

	if (is_card(info->driver_name)) {
		if ((info->tx_offload_capa & TX_CSUM) == TX_CSUM)
			tx = TX_CSUM | (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT);
		/* Some do not say how many buffers they take: then it is as many as there may be. */
		if (tx != 0 && (info->tx_offload_capa & TX_TSO) == TX_TSO &&
			(most == 0 || most >= MOST_BUFFERS))
			tx |= TX_TSO;
		if ((info->rx_offload_capa & RX_CSUM) == RX_CSUM)
			rx = RX_CSUM | (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM);
	}
	conf->txmode.offloads |= tx;
	conf->rxmode.offloads |= rx;
	u->offloads = (struct vh_uplink_offloads){.tx_csum = tx != 0,
		.tso = (tx & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0,
		.vlan_insert = (tx & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0,
		.rx_csum = rx != 0};
	if (u->offloads.tx_csum)
		taken_on |= VH_F_GUEST_CSUM;
	/* Not ECN: what becomes of the flag in the segments is each card's own idea. */
	if (u->offloads.tso)
		taken_on |= VH_F_GUEST_TSO4 | VH_F_GUEST_TSO6;
	for (uint16_t out = 0; out < VH_UPLINK_QUEUES; out++)
		u->port.rx[out].rx_offloads = taken_on;
}

/* Whether what the guest asks for is the checksum of just this header. */
static bool is_its_checksum(const struct vh_offload *o, const struct vh_layers *at)
{
	return o->needs_csum && o->csum_start == at->l2 + at->l3 && o->csum_offset == (at->tcp ? 16 : 6);
}

bool vh_uplink_takes(const struct vh_port *port, const struct vh_batch *b, uint8_t frame)
{
	const struct vh_uplink *u = (const struct vh_uplink *)(const void *)port;
	const struct vh_offload *o = &b->offload[frame];
	const struct vh_frame *f = &b->frame[frame];
	uint8_t front[VH_LAYERS_BYTES];
	struct vh_layers at;

	if (!vh_layers_find(front, vh_frame_read(b, f, 0, front, sizeof(front)), &at) ||
		!is_its_checksum(o, &at))
		return false;
	if (o->gso_type == VH_GSO_NONE)
		return true;
	/* Segments that are too long are cut all the same, and then counted as what they are. */
	return at.tcp && o->hdr_len + (uint32_t)o->gso_size <= u->longest;
}

/* Takes the tag out of the frame, for the card to put it in. */
static void put_tag_beside(struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	m->vlan_tci = (uint16_t)(p[14] << 8 | p[15]);
	m->ol_flags |= RTE_MBUF_F_TX_VLAN;
	memmove(p + 4, p, 12);
	rte_pktmbuf_adj(m, 4);
}

/* Tells the card what is to be done. Return: whether the frame still is what it was, and can be sent so. */
static bool describe(const struct vh_uplink *u, struct rte_mbuf *m, const struct vh_offload *o)
{
	struct vh_layers at;
	bool beside, cut = o->gso_type != VH_GSO_NONE;

	if (!vh_layers_find(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, &at) ||
		!is_its_checksum(o, &at))
		return false;
	/* Of the headers as they are now: they may have grown since the frame was taken. */
	if (cut && (!at.tcp || (uint32_t)at.l2 + at.l3 + at.l4 + o->gso_size > u->longest))
		return false;
	beside = at.tagged && u->offloads.vlan_insert;
	m->tx_offload = rte_mbuf_tx_offload(
		at.l2 - (beside ? 4U : 0U), at.l3, cut ? at.l4 : 0, cut ? o->gso_size : 0, 0, 0, 0);
	m->ol_flags |= at.v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	m->ol_flags |= at.tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (cut)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | (at.v6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM);
	if (beside)
		put_tag_beside(m);
	return true;
}

/* Copies a frame into as many buffers as it takes. Return: the first, or NULL where there are too few. */
static struct rte_mbuf *load(const struct vh_uplink *u, const struct vh_batch *b, const struct vh_frame *f)
{
	uint32_t room = rte_pktmbuf_data_room_size(u->pool) - RTE_PKTMBUF_HEADROOM;
	uint32_t need = (f->total + room - 1) / room, done = 0;
	struct rte_mbuf *m[MOST_BUFFERS];

	if (rte_pktmbuf_alloc_bulk(u->pool, m, need) != 0)
		return NULL;
	for (uint32_t i = 0; i < need; i++) {
		uint32_t take = RTE_MIN(f->total - done, room);

		vh_frame_read(b, f, done, rte_pktmbuf_mtod(m[i], void *), take);
		m[i]->data_len = (uint16_t)take;
		m[i]->next = i + 1 < need ? m[i + 1] : NULL;
		done += take;
	}
	m[0]->pkt_len = f->total;
	m[0]->nb_segs = (uint16_t)need;
	return m[0];
}

/* Frames on their way to the device. */
struct sending {
	struct vh_uplink *u;
	uint16_t queue, n;
	uint32_t buffers;
	struct rte_mbuf *m[VH_BATCH];
	uint32_t len[VH_BATCH];
	struct vh_counters *own;
};

/* Has the driver complete the headers; what it does not accept is counted and freed. */
static void prepare(struct sending *s)
{
	uint16_t good = rte_eth_tx_prepare(s->u->eth, s->queue, s->m, s->n);

	while (good < s->n) {
		/* Drivers refuse lengths: of headers, of segments, of chains of buffers. */
		vh_count(&s->own->drops[VH_DROP_RX_TOO_LONG], 1);
		rte_pktmbuf_free(s->m[good]);
		s->n--;
		memmove(s->m + good, s->m + good + 1, (s->n - good) * sizeof(s->m[0]));
		memmove(s->len + good, s->len + good + 1, (s->n - good) * sizeof(s->len[0]));
		good = (uint16_t)(good + rte_eth_tx_prepare(
						 s->u->eth, s->queue, s->m + good, (uint16_t)(s->n - good)));
	}
}

static void flush(struct sending *s)
{
	uint16_t sent;
	uint64_t bytes = 0;

	prepare(s);
	vh_lock(&s->u->port.rx[s->queue].lock);
	sent = s->n == 0 ? 0 : rte_eth_tx_burst(s->u->eth, s->queue, s->m, s->n);
	vh_unlock(&s->u->port.rx[s->queue].lock);
	for (uint16_t i = 0; i < sent; i++)
		bytes += s->len[i];
	if (sent < s->n)
		rte_pktmbuf_free_bulk(s->m + sent, s->n - sent);
	vh_count(&s->own->rx_packets, sent);
	vh_count(&s->own->rx_bytes, bytes);
	vh_count(&s->own->drops[VH_DROP_RX_RING_FULL], s->n - sent);
	s->n = 0;
	s->buffers = 0;
}

static void add(struct sending *s, const struct vh_batch *b, uint8_t frame)
{
	const struct vh_frame *f = &b->frame[frame];
	const struct vh_offload *o = &b->offload[frame];
	bool is_long = f->total > s->u->longest, unfinished = (f->offload & ~VH_CHECKED) != 0;
	/* Only what the card cuts may be longer than what it sends, and come in several buffers. */
	bool cut = unfinished && o->gso_type != VH_GSO_NONE && s->u->offloads.tso;
	struct rte_mbuf *m;

	if (is_long && !cut) {
		vh_count(&s->own->drops[VH_DROP_RX_TOO_LONG], 1);
		return;
	}
	m = load(s->u, b, f);
	if (m == NULL) {
		vh_count(&s->own->drops[VH_DROP_RX_RING_FULL], 1);
		return;
	}
	if (unfinished && !describe(s->u, m, o) && is_long) {
		vh_count(&s->own->drops[VH_DROP_RX_TOO_LONG], 1);
		rte_pktmbuf_free(m);
		return;
	}
	s->buffers += m->nb_segs;
	s->len[s->n] = f->total;
	s->m[s->n++] = m;
}

void vh_uplink_deliver_unfinished(struct vh_uplink *u, uint16_t queue, const struct vh_batch *b,
	const uint8_t *which, uint32_t n, struct vh_counters *own)
{
	struct sending s = {.u = u, .queue = queue, .own = own};

	for (uint32_t i = 0; i < n; i++) {
		add(&s, b, which[i]);
		/* The pool has no more in reserve than that. */
		if (s.buffers > VH_BATCH)
			flush(&s);
	}
	flush(&s);
}

bool vh_uplink_checked(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len)
{
	uint32_t type = m->packet_type & RTE_PTYPE_L4_MASK;
	struct vh_layers at;

	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return false;
	/* Some drivers call everything good in which their card has found nothing bad, or nothing at all. */
	return (type == RTE_PTYPE_L4_TCP || type == RTE_PTYPE_L4_UDP) && vh_layers_find(frame, len, &at);
}

void vh_uplink_note_verdict(struct vh_batch *b, const struct rte_mbuf *m)
{
	uint16_t last = (uint16_t)(b->frames - 1);
	struct vh_frame *f = &b->frame[last];

	if (!vh_uplink_checked(m, f->data, f->len))
		return;
	f->offload = VH_CHECKED;
	b->offload[last] = (struct vh_offload){.checked = true};
	b->offloads++;
}
