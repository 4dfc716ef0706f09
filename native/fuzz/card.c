/*
 * libFuzzer target over what a card is told of unfinished frames (native/dpdk/uplink/uplink_offload.c):
 * whatever a guest asks for and however it changes its frame meanwhile, each is sent as the bytes that were
 * copied, in bounds that the card was configured for, or is counted. The card is net_ring, by which buffers
 * come back.
 */
#include "../switch/parse_l4.h"
#include "../dpdk/uplink/uplink_offload.h"
#include "../test/card/device.h"
#include "rig/eal.h"
#include "rig/input.h"

#include <stdlib.h>
#include <string.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define LONGEST 1522U
#define TX_CSUM (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define TX_TSO (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

static struct vh_uplink *u;
static struct vh_batch batch;
static uint8_t frame[VH_MAX_FRAME], got[VH_MAX_FRAME + 4];

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* What the device offers, as far as the input says. */
static void configure(uint8_t how)
{
	struct rte_eth_dev_info info = {.driver_name = "net_any",
		.tx_offload_capa = TX_CSUM | ((how & 1) != 0 ? TX_TSO : 0) |
				   ((how & 2) != 0 ? RTE_ETH_TX_OFFLOAD_VLAN_INSERT : 0)};
	struct rte_eth_conf conf = {0};

	vh_uplink_choose_offloads(u, &info, &conf);
}

/* TCP or UDP with up to one tag in front, and what its guest says of it. Return: whether that is taken. */
static bool make(struct input *in, uint8_t how)
{
	bool tagged = (how & 1) != 0, v6 = (how & 2) != 0, tcp = (how & 4) != 0, gso = tcp && (how & 8) != 0;
	uint32_t ip = tagged ? 18 : 14, l4 = ip + (v6 ? 40 : 20), len = in_u16(in), cut;
	/* Segments of about the longest that the card sends, or of any length. */
	uint32_t segment = (how & 64) != 0 ? LONGEST - l4 - 20 - in_u8(in) % 64U : in_u16(in);
	struct vh_virtio_header h = {.flags = VH_HDR_NEEDS_CSUM,
		.gso_type = !gso ? VH_GSO_NONE
			    : v6 ? VH_GSO_TCPV6
				 : VH_GSO_TCPV4,
		.gso_size = gso ? (uint16_t)segment : 0,
		.csum_start = (uint16_t)l4,
		.csum_offset = tcp ? 16 : 6};

	len = (how & 16) != 0 ? len % 2000 : len;
	len = len < VH_MIN_FRAME ? VH_MIN_FRAME : len;
	memset(frame, 0, 128);
	if (tagged)
		memcpy(frame + 12, (uint8_t[]){0x81, 0, 0x61, 0x23}, 4);
	put16(frame + ip - 2, v6 ? 0x86dd : 0x0800);
	frame[ip] = v6 ? 0x60 : 0x45;
	frame[ip + (v6 ? 6 : 9)] = tcp ? 6 : 17;
	frame[l4 + 12] = 0x50;
	for (uint32_t n = in_u8(in) % 3; n > 0; n--) {
		uint32_t at = 12 + in_u8(in) % 100U;

		frame[at] = in_u8(in);
	}
	if ((how & 32) != 0)
		h.csum_start = in_u16(in);
	cut = VH_MIN_FRAME + in_u8(in) % 100U;
	cut = cut < len ? cut : len;
	batch.frames = batch.offloads = 1;
	batch.segs = cut < len;
	batch.seg[0] = (struct vh_seg){.p = frame + cut, .len = len - cut};
	batch.frame[0] = (struct vh_frame){.data = frame, .len = cut, .total = len, .more = cut < len};
	if (!vh_offload_take(VH_F_SENDER_OFFLOADS, &h, &batch, &batch.frame[0], &batch.offload[0]))
		return false;
	batch.frame[0].offload = vh_offload_needs(&batch.offload[0]);
	return (batch.frame[0].offload & ~(uint32_t)u->port.rx[0].rx_offloads) == 0 &&
	       vh_uplink_takes(&u->port, &batch, 0);
}

/* The bytes as they go over the wire, the tag in its place. Return: how many. */
static uint32_t read_out(const struct rte_mbuf *m)
{
	uint32_t len = 0, segs = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, segs++) {
		REQUIRE(len + s->data_len <= sizeof(frame));
		memcpy(got + len, rte_pktmbuf_mtod(s, void *), s->data_len);
		len += s->data_len;
	}
	REQUIRE(len == m->pkt_len && segs == m->nb_segs);
	if ((m->ol_flags & RTE_MBUF_F_TX_VLAN) == 0)
		return len;
	REQUIRE(u->offloads.vlan_insert);
	memmove(got + 16, got + 12, len - 12);
	put16(got + 12, 0x8100);
	put16(got + 14, m->vlan_tci);
	return len + 4;
}

static void look(const struct rte_mbuf *m)
{
	bool cut = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
	bool told = cut || (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0;
	uint32_t len = read_out(m), tag = (m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0 ? 4 : 0;
	struct vh_layers at;

	REQUIRE(len == batch.frame[0].total && memcmp(got, frame, len) == 0);
	/* No card gets more than it was configured for: in length, in buffers, in segments. */
	REQUIRE(cut ? u->offloads.tso : len <= LONGEST && m->nb_segs == 1);
	if (!told)
		return;
	REQUIRE(vh_layers_find(got, len, &at));
	REQUIRE(m->l2_len + tag == at.l2 && m->l3_len == at.l3);
	REQUIRE((uint32_t)m->l2_len + m->l3_len + at.l4 <= m->data_len);
	if (cut)
		REQUIRE(m->l4_len == at.l4 && m->tso_segsz > 0 &&
			(uint32_t)at.l2 + at.l3 + at.l4 + m->tso_segsz <= LONGEST);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_eal(CARD_VDEV);
	u = card_device(LONGEST);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t which[] = {0};
	struct input in = {.p = data, .left = size};
	struct vh_counters own = {0};
	struct rte_mbuf *m = NULL;
	uint16_t n;

	configure(in_u8(&in));
	if (!make(&in, in_u8(&in)))
		return 0;
	/* Looked at; now the guest writes. */
	for (uint32_t k = in_u8(&in) % 4; k > 0; k--) {
		uint8_t where = in_u8(&in);
		/* Now and then how long TCP's header is. */
		uint32_t at = where < 200 ? 12 + where % 100U : batch.offload[0].csum_start % 120U + 12;

		frame[at] = in_u8(&in);
	}
	vh_uplink_deliver_unfinished(u, 0, &batch, which, 1, &own);
	n = rte_eth_rx_burst(u->eth, 0, &m, 1);
	REQUIRE_EQ(own.rx_packets, n);
	REQUIRE_EQ(n + own.drops[VH_DROP_RX_TOO_LONG], 1);
	if (n == 1)
		look(m);
	rte_pktmbuf_free(m);
	REQUIRE_EQ(rte_mempool_in_use_count(u->pool), 0);
	return 0;
}
