/*
 * What native/dpdk/uplink/uplink_offload.c tells a card of frames that guests left unfinished. The card is
 * net_ring, by which every buffer comes back as it was sent, with all that it says.
 */
#include "../../switch/parse_l4.h"
#include "../../dpdk/uplink/uplink_offload.h"
#include "../rig/check.h"
#include "../eal/eal.h"
#include "device.h"

#include <stdlib.h>
#include <string.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define ALL_TX                                                                                               \
	(RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |       \
		RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_VLAN_INSERT)
#define ALL_RX (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define LONGEST 1522U
#define HAS_SAID                                                                                             \
	(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 |       \
		RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_VLAN)

static struct vh_uplink *u;
static struct vh_batch batch;
static struct vh_counters counters;
static uint8_t frame[VH_MAX_FRAME], got[VH_MAX_FRAME];

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* What a device offers is what is used, as far as it goes together. */
static void choose(uint64_t tx, uint64_t rx, uint16_t buffers, const char *driver)
{
	struct rte_eth_dev_info info = {.driver_name = driver, .tx_offload_capa = tx, .rx_offload_capa = rx};
	struct rte_eth_conf conf = {0};

	info.tx_desc_lim.nb_seg_max = buffers;
	vh_uplink_choose_offloads(u, &info, &conf);
	REQUIRE((conf.txmode.offloads & ~tx) == 0 && (conf.rxmode.offloads & ~rx) == 0);
	REQUIRE_EQ(u->offloads.tso, (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0);
	REQUIRE_EQ(u->offloads.rx_csum, conf.rxmode.offloads != 0);
}

static void test_choice(void)
{
	const uint16_t csum = VH_F_GUEST_CSUM, tso = csum | VH_F_GUEST_TSO4 | VH_F_GUEST_TSO6;

	choose(0, 0, 0, "net_any");
	REQUIRE_EQ(u->port.rx[0].rx_offloads, 0);
	/* A tag beside a frame is of use only where the card does more. */
	choose(RTE_ETH_TX_OFFLOAD_VLAN_INSERT, RTE_ETH_RX_OFFLOAD_TCP_CKSUM, 0, "net_any");
	REQUIRE(!u->offloads.vlan_insert && !u->offloads.rx_csum);
	choose(ALL_TX & ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS, ALL_RX, 0, "net_any");
	REQUIRE_EQ(u->port.rx[0].rx_offloads, csum);
	choose(ALL_TX, ALL_RX, 8, "net_any");
	REQUIRE_EQ(u->port.rx[0].rx_offloads, csum);
	choose(ALL_TX, ALL_RX, 0, "net_tap");
	REQUIRE(u->port.rx[0].rx_offloads == 0 && !u->offloads.rx_csum);
	choose(ALL_TX, ALL_RX, 40, "net_any");
	REQUIRE_EQ(u->port.rx[VH_UPLINK_QUEUES - 1].rx_offloads, tso);
}

struct kind {
	bool tagged, v6, tcp;
	uint32_t payload, gso_size;
};

/* The frame as its guest offers it, in pieces. */
static void make(const struct kind *k)
{
	uint32_t at = 12, ip, l4, len;
	uint16_t cut;

	memset(frame, 0, 100);
	if (k->tagged) {
		put16(frame + at, 0x8100);
		put16(frame + at + 2, 0x6123);
		at += 4;
	}
	put16(frame + at, k->v6 ? 0x86dd : 0x0800);
	ip = at + 2;
	frame[ip] = k->v6 ? 0x60 : 0x45;
	frame[ip + (k->v6 ? 6 : 9)] = k->tcp ? 6 : 17;
	l4 = ip + (k->v6 ? 40 : 20);
	frame[l4 + 12] = 0x50;
	len = l4 + (k->tcp ? 20 : 8);
	for (uint32_t i = 0; i < k->payload; i++)
		frame[len + i] = (uint8_t)rng_next(&test_rng);
	len += k->payload;
	cut = (uint16_t)rng_between(&test_rng, 14, 60);
	batch.frames = batch.chains = batch.offloads = 1;
	batch.segs = 1;
	batch.seg[0] = (struct vh_seg){.p = frame + cut, .len = len - cut};
	batch.frame[0] = (struct vh_frame){.data = frame, .len = cut, .total = len, .more = 1};
	batch.offload[0] = (struct vh_offload){.needs_csum = true,
		.csum_start = (uint16_t)l4,
		.csum_offset = k->tcp ? 16 : 6,
		.gso_type = k->gso_size == 0 ? VH_GSO_NONE
			    : k->v6	     ? VH_GSO_TCPV6
					     : VH_GSO_TCPV4,
		.gso_size = (uint16_t)k->gso_size,
		.hdr_len = k->gso_size == 0 ? 0 : (uint16_t)(l4 + 20)};
	batch.frame[0].offload = vh_offload_needs(&batch.offload[0]);
}

/* Sends it. Return: what the card got, or NULL. */
static struct rte_mbuf *deliver(void)
{
	static const uint8_t which[] = {0};
	struct rte_mbuf *m = NULL;

	vh_uplink_deliver_unfinished(u, 0, &batch, which, 1, &counters);
	return rte_eth_rx_burst(u->eth, 0, &m, 1) == 1 ? m : NULL;
}

/* What goes over the wire before the card does anything else: the bytes, with the tag. Return: how many. */
static uint32_t read_out(struct rte_mbuf *m)
{
	uint32_t len = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(got + len, rte_pktmbuf_mtod(s, void *), s->data_len);
		len += s->data_len;
	}
	REQUIRE_EQ(len, m->pkt_len);
	if ((m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0) {
		memmove(got + 16, got + 12, len - 12);
		put16(got + 12, 0x8100);
		put16(got + 14, m->vlan_tci);
		len += 4;
	}
	return len;
}

static void test_one(const struct kind *k)
{
	const struct vh_offload *o = &batch.offload[0];
	struct rte_mbuf *m;

	make(k);
	REQUIRE(vh_uplink_takes(&u->port, &batch, 0));
	m = deliver();
	REQUIRE(m != NULL);
	REQUIRE_EQ(read_out(m), batch.frame[0].total);
	REQUIRE(memcmp(got, frame, batch.frame[0].total) == 0);
	REQUIRE_EQ((m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0, k->tagged);
	REQUIRE_EQ(m->l2_len, 14);
	REQUIRE_EQ(m->l2_len + m->l3_len, o->csum_start - (k->tagged ? 4 : 0));
	REQUIRE((m->ol_flags & (k->v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4)) != 0);
	REQUIRE((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) ==
		(k->tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM));
	REQUIRE_EQ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0, k->gso_size != 0);
	if (k->gso_size != 0) {
		REQUIRE_EQ(m->tso_segsz, k->gso_size);
		REQUIRE_EQ(m->l4_len, 20);
		REQUIRE_EQ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0, !k->v6);
	}
	rte_pktmbuf_free(m);
}

static void test_kinds(void)
{
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t r = (uint32_t)rng_next(&test_rng);
		struct kind k = {.tagged = (r & 1) != 0, .v6 = (r & 2) != 0, .tcp = (r & 4) != 0};

		if (k.tcp && (r & 8) != 0)
			k.gso_size = rng_between(&test_rng, 500, 1400);
		k.payload = rng_between(&test_rng, 1, k.gso_size != 0 ? 65000 : 1400);
		test_one(&k);
	}
	REQUIRE_EQ(counters.rx_packets, 500);
	REQUIRE_EQ(rte_mempool_in_use_count(u->pool), 0);
}

/* Frames that cards are not to be trusted with come finished. */
static void test_not_taken(void)
{
	static const struct kind plain = {.tcp = true, .payload = 100},
				 cut = {.tcp = true, .payload = 9000, .gso_size = 1000};

	make(&plain);
	batch.offload[0].csum_offset = 6;
	REQUIRE(!vh_uplink_takes(&u->port, &batch, 0));
	make(&plain);
	batch.offload[0].csum_start++;
	REQUIRE(!vh_uplink_takes(&u->port, &batch, 0));
	make(&plain);
	frame[20] = 0x20;
	REQUIRE(!vh_uplink_takes(&u->port, &batch, 0));
	make(&cut);
	batch.offload[0].gso_size = LONGEST;
	REQUIRE(!vh_uplink_takes(&u->port, &batch, 0));
}

/* Whatever a frame asks for, it is no longer than the card was configured for, or it is cut to that. */
static void test_too_long(void)
{
	static const struct kind kinds[] = {{.tcp = true}, {.tcp = false}, {.tcp = true, .v6 = true},
		{.tcp = true, .tagged = true}, {.tcp = true, .gso_size = 1000}};
	uint64_t refused = 0;
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < 5 * 2 * 4; i++) {
		struct kind k = kinds[i % 5];
		bool cuts = i / 5 % 2 == 0 && k.gso_size != 0;
		uint32_t longer = (uint32_t[]){0, 1, 4000, 60000}[i / 10];

		choose(i / 5 % 2 == 0 ? ALL_TX : ALL_TX & ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS, ALL_RX, 0,
			"net_any");
		memset(&counters, 0, sizeof(counters));
		make(&k);
		k.payload = LONGEST - batch.frame[0].total + longer;
		make(&k);
		m = deliver();
		REQUIRE_EQ(m != NULL, longer == 0 || cuts);
		REQUIRE_EQ(counters.drops[VH_DROP_RX_TOO_LONG], m == NULL);
		refused += m == NULL;
		REQUIRE(m == NULL || m->nb_segs == 1 || (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
		rte_pktmbuf_free(m);
	}
	REQUIRE(refused > 20);
	choose(ALL_TX, ALL_RX, 0, "net_any");
	/* Its headers have grown since it was taken: now its segments would be too long. */
	make(&(struct kind){.tcp = true, .payload = 9000, .gso_size = LONGEST - 54});
	REQUIRE(vh_uplink_takes(&u->port, &batch, 0));
	frame[34 + 12] = 0xf0;
	REQUIRE(deliver() == NULL);
	REQUIRE_EQ(rte_mempool_in_use_count(u->pool), 0);
}

/* The guest writes into its frame after it was looked at: whatever comes of it, the card is told nothing
 * wrong. */
static void test_changed(void)
{
	memset(&counters, 0, sizeof(counters));
	for (uint32_t i = 0; i < 20000; i++) {
		struct kind k = {.tagged = i % 2 == 0, .v6 = i % 4 < 2, .tcp = i % 3 != 0};
		struct vh_layers at;
		struct rte_mbuf *m;
		uint32_t len;

		k.gso_size = k.tcp && i % 5 < 2 ? 1000 : 0;
		k.payload = rng_between(&test_rng, 1, k.gso_size != 0 ? 20000 : 1400);
		make(&k);
		for (uint32_t n = rng_below(&test_rng, 4); n > 0; n--)
			frame[rng_below(&test_rng, 70)] = (uint8_t)rng_next(&test_rng);
		m = deliver();
		if (m == NULL) {
			REQUIRE(batch.frame[0].total > LONGEST);
			continue;
		}
		len = read_out(m);
		REQUIRE(len == batch.frame[0].total && memcmp(got, frame, len) == 0);
		if ((m->ol_flags & HAS_SAID) == 0) {
			REQUIRE(len <= LONGEST);
		} else {
			REQUIRE(vh_layers_find(got, len, &at));
			REQUIRE_EQ(m->l3_len, at.l3);
			REQUIRE((uint32_t)m->l2_len + m->l3_len + at.l4 <= m->data_len);
		}
		rte_pktmbuf_free(m);
	}
	REQUIRE(counters.drops[VH_DROP_RX_TOO_LONG] > 0 && counters.rx_packets > 10000);
	REQUIRE_EQ(counters.rx_packets + counters.drops[VH_DROP_RX_TOO_LONG], 20000);
	REQUIRE_EQ(rte_mempool_in_use_count(u->pool), 0);
}

/* Only what a card has looked at, and what it can have looked at, is called checked. */
static void test_verdicts(void)
{
	static const struct kind kind = {.tagged = true, .tcp = true, .payload = 100};
	static const struct {
		uint64_t flags;
		uint32_t type, at_20;
		bool checked;
	} cases[] = {{RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_PTYPE_L4_TCP, 0, true},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_PTYPE_L4_UDP, 0, true},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_PTYPE_L4_FRAG, 0, false},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0, 0, false},
		{RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_PTYPE_L4_TCP, 0, false},
		{RTE_MBUF_F_RX_L4_CKSUM_NONE, RTE_PTYPE_L4_TCP, 0, false}, {0, RTE_PTYPE_L4_TCP, 0, false},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_PTYPE_L4_TCP, 0x20, false}};

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rte_mbuf m = {.ol_flags = cases[i].flags, .packet_type = cases[i].type};

		make(&kind);
		batch.offloads = 0;
		frame[24] = (uint8_t)cases[i].at_20;
		batch.frame[0] = (struct vh_frame){.data = frame, .len = 158, .total = 158};
		vh_uplink_note_verdict(&batch, &m);
		REQUIRE_EQ(batch.offloads, cases[i].checked);
		REQUIRE_EQ(batch.frame[0].offload == VH_CHECKED, cases[i].checked);
	}
}

static void test_all_of_it(void)
{
	u = card_device(LONGEST);
	test_choice();
	test_kinds();
	test_not_taken();
	test_too_long();
	test_changed();
	test_verdicts();
	rte_eth_dev_stop(u->eth);
	free(u);
}

int main(int argc, char **argv)
{
	return eal_test("card", "net_ring0", test_all_of_it, argc, argv);
}
