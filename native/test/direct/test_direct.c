/*
 * Zero copy, native/dpdk/uplink/zc_tx.c and guest_dma.c, towards a device that keeps what it is sent until it
 * is told to let go (net_ring): who has a frame and when, and what is left when its guest goes. EAL starts
 * without hugepages.
 */
#include "../../dpdk/uplink/zc_tx.h"
#include "../../dpdk/runtime/events.h"
#include "../../dpdk/uplink/zc_rx.h"
#include "../../dpdk/uplink/guest_dma.h"
#include "../../dpdk/runtime/sigbus.h"
#include "../../dpdk/uplink/uplink_rxtx.h"
#include "../../dpdk/uplink/vmdq.h"
#include "../rig/rig.h"
#include "../eal/eal.h"
#include "../eal/shared_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#define RING 128U
#define LONG 1200U /* longer than what is copied */
#define HEAD 64U

/* What the code under test says, and which of its mappings it has registered. */
static char said[VH_EVENT_TEXT];
static uint32_t times_said;
static uint8_t *registered[VH_MAX_REGIONS];

void vh_events_say(enum vh_event_type type, uint16_t port, const char *format, ...)
{
	va_list args;

	(void)type, (void)port;
	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	times_said++;
}

void vh_sigbus_loan(uint16_t port, uint32_t i, void *start, size_t size)
{
	REQUIRE(port == 0 && i < VH_MAX_REGIONS);
	registered[i] = size == 0 ? NULL : start;
}

/* Uplinks here have no feeds. */
uint16_t vh_feed_receive(struct vh_feed *feed, struct rte_mbuf **m, uint16_t *landed, struct vh_counters *own)
{
	(void)feed, (void)m, (void)landed, (void)own;
	REQUIRE(false);
	return 0;
}

bool vh_vmdq_is_ours(const uint8_t *frame)
{
	(void)frame;
	return false;
}

/* Reasons are counted where they are tested. */
void note_drops(const struct vh_counters *c)
{
	(void)c;
}

static struct rte_ring *wire[2]; /* of each uplink, what it has sent */
static struct vh_uplink *uplink[2];
static struct rig *rig;
static struct rte_vhost_memory *table;

static struct vh_uplink *make_uplink(uint16_t i)
{
	size_t size = (sizeof(struct vh_uplink) + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE;
	struct vh_uplink *u = aligned_alloc(VH_CACHE_LINE, size);
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint16_t rx, tx;
	char name[16], error[256] = "";
	int eth;

	REQUIRE(u != NULL);
	memset(u, 0, size);
	snprintf(name, sizeof(name), "wire%u", i);
	wire[i] = rte_ring_create(name, RING, SOCKET_ID_ANY, 0);
	REQUIRE(wire[i] != NULL);
	eth = rte_eth_from_rings(name, &wire[i], 1, &wire[i], 1, 0);
	REQUIRE(eth >= 0);
	u->eth = (uint16_t)eth;
	u->port.rx = u->rx;
	u->port.tx = u->tx;
	u->port.id = (uint16_t)(VH_MAX_PORTS + i);
	u->port.pairs = u->port.outs = 1;
	u->port.uplink = &vh_uplink_ops;
	u->longest = 1540;
	snprintf(name, sizeof(name), "pool%u", i);
	u->pool = rte_pktmbuf_pool_create(name, 1024, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	REQUIRE(u->pool != NULL && rte_eth_dev_info_get(u->eth, &info) == 0);
	u->backing = info.device;
	REQUIRE_EQ(vh_direct_configure(&conf, &info, &rx, &tx, error, sizeof(error)), 0);
	REQUIRE_EQ(tx, RING);
	REQUIRE(rte_eth_dev_configure(u->eth, 1, 1, &conf) == 0 &&
		rte_eth_tx_queue_setup(u->eth, 0, tx, ANY_SOCKET, NULL) == 0 &&
		rte_eth_rx_queue_setup(u->eth, 0, rx, ANY_SOCKET, NULL, u->pool) == 0 &&
		rte_eth_dev_start(u->eth) == 0);
	REQUIRE_EQ(vh_direct_join(u, error, sizeof(error)), 0);
	return u;
}

static void close_uplink(uint16_t i)
{
	struct vh_uplink *u = uplink[i];

	vh_direct_leave(u);
	vh_direct_drain(u);
	(void)rte_eth_dev_stop(u->eth);
	REQUIRE_EQ(rte_mempool_in_use_count(u->pool), 0);
	REQUIRE_EQ(rte_mempool_in_use_count(u->pieces), 0);
	REQUIRE_EQ(rte_mempool_in_use_count(u->tickets), 0);
	vh_direct_close(u);
	REQUIRE_EQ(rte_eth_dev_close(u->eth), 0);
	rte_mempool_free(u->pool);
	rte_ring_free(wire[i]);
	free(u);
}

static void connect_uplink(uint16_t i)
{
	vh_uplink_start(&uplink[i]->port);
	rig->list->port[rig->list->n++] = &uplink[i]->port;
	__atomic_store_n(&rig->sw->port[VH_MAX_PORTS + i], &uplink[i]->port, __ATOMIC_RELEASE);
}

/* A guest whose memory is on loan, and `uplinks` uplinks. */
static void begin(uint64_t features, uint16_t uplinks, enum vh_vlan_mode vlan)
{
	said[0] = '\0';
	times_said = 0;
	rig = rig_new();
	rig_add(rig, &(struct guest_config){.features = features | VH_F_VERSION_1});
	rig->port[0]->vlan.mode = vlan;
	rig->sw->isolate = true;
	rig->sw->rules = 1;
	table = share_memory(rig->guest[0]);
	vh_loan_open(0, table);
	vh_direct_begin(0, &rig->port[0]->tx[0]);
	REQUIRE(rig->port[0]->tx[0].hold != NULL);
	for (uint16_t i = 0; i < uplinks; i++)
		connect_uplink(i);
}

static void stop_queue(uint64_t deadline)
{
	struct vh_vq *vq = &rig->port[0]->tx[0];

	vh_vq_stop(vq);
	vh_direct_end(vq, &rig->port[0]->counters[VH_CONTROL_COUNTERS], deadline);
	REQUIRE(vq->hold == NULL);
}

static void finish(void)
{
	stop_queue(vh_direct_deadline());
	vh_loan_close(0);
	for (uint32_t i = 0; i < VH_MAX_REGIONS; i++)
		REQUIRE(registered[i] == NULL);
	unshare_memory(table);
	rig_free(rig);
}

static void settle(void)
{
	for (int i = 0; i < 8; i++)
		rig_poll_pair(rig, 0, 0);
}

static struct rte_mbuf *take(uint16_t i)
{
	struct rte_mbuf *m = NULL;

	return rte_ring_dequeue(wire[i], (void **)&m) == 0 ? m : NULL;
}

static uint32_t flat(const struct rte_mbuf *m, uint8_t *out)
{
	uint32_t n = 0;

	for (; m != NULL; m = m->next) {
		memcpy(out + n, rte_pktmbuf_mtod(m, void *), m->data_len);
		n += m->data_len;
	}
	return n;
}

/* Every length and layout: what arrives is what was sent, and long frames are not copied. */
static void test_content(uint64_t features)
{
	static const enum guest_layout layouts[] = {
		LAYOUT_SINGLE, LAYOUT_HEADER_APART, LAYOUT_SEGMENTS, LAYOUT_EDGE};
	uint64_t before = uplink[0]->lent[0];
	uint8_t f[2048];
	uint32_t lent = 0;

	begin(features, 1, VH_VLAN_NONE);
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t length = rng_between(&test_rng, FRAME_MIN, 1514);
		struct rte_mbuf *m;

		REQUIRE(rig_send(rig, 0, 1, i, length, layouts[i % 4]));
		settle();
		m = take(0);
		REQUIRE(m != NULL && take(0) == NULL);
		REQUIRE_EQ(flat(m, f), length);
		REQUIRE_EQ(rte_pktmbuf_pkt_len(m), length);
		REQUIRE_EQ(frame_check(f, length), i);
		/* What is copied is back at once. */
		REQUIRE_EQ(guest_reap(rig->guest[0], 0), m->nb_segs == 1);
		REQUIRE(m->nb_segs == 1 || m->data_len == HEAD);
		lent += m->nb_segs > 1;
		rte_pktmbuf_free(m);
		settle();
		guest_reap(rig->guest[0], 0);
	}
	REQUIRE(lent > 100 && lent < 400);
	REQUIRE_EQ(uplink[0]->lent[0] - before, lent);
	finish();
}

/* A card that sends out of order: buffers come back in order. */
static void test_order(uint64_t features)
{
	struct rte_mbuf *m[20];
	uint32_t back = 0;

	begin(features, 1, VH_VLAN_NONE);
	for (uint32_t i = 0; i < 20; i++)
		REQUIRE(rig_send(rig, 0, 1, i, LONG, LAYOUT_SINGLE));
	settle();
	for (uint32_t i = 0; i < 20; i++)
		REQUIRE((m[i] = take(0)) != NULL);
	for (uint32_t i = 19; i > 0; i--) {
		rte_pktmbuf_free(m[i]);
		settle();
		REQUIRE_EQ(guest_reap(rig->guest[0], 0), 0);
	}
	rte_pktmbuf_free(m[0]);
	settle();
	back = guest_reap(rig->guest[0], 0);
	REQUIRE_EQ(back, 20);
	finish();
}

/* A guest that rewrites a frame which the card has: the headers and the tag stay what they were. */
static void test_rewritten(uint64_t features)
{
	uint8_t sent[LONG], got[2048];
	struct rte_mbuf *m;

	begin(features, 1, VH_VLAN_AUTO);
	frame_make(sent, (uint8_t[]){2, 0, 0, 0, 0, 2}, (uint8_t[]){2, 0, 0, 0, 0, 1}, 7, LONG);
	REQUIRE(guest_send(rig->guest[0], 0, sent, LONG, LAYOUT_SINGLE));
	settle();
	m = take(0);
	REQUIRE(m != NULL && m->nb_segs == 2);
	/* All of its memory, the rings apart. */
	for (uint32_t i = 0; i < GUEST_REGIONS; i++)
		memset(rig->guest[0]->region[i] + GUEST_REGION_SIZE / 2, 0xee, GUEST_REGION_SIZE / 2);
	memset(rig->guest[0]->region[1] + GUEST_EDGE, 0xee, GUEST_REGION_SIZE - GUEST_EDGE);
	REQUIRE_EQ(flat(m, got), LONG + 4);
	REQUIRE(memcmp(got, sent, 12) == 0);
	REQUIRE(memcmp(got + 12, (const uint8_t[]){0x81, 0, 1000 >> 8, 1000 & 0xff, 0x88, 0xb5}, 6) == 0);
	REQUIRE(memcmp(got + 18, sent + 14, HEAD - 18) == 0);
	for (uint32_t i = HEAD; i < LONG + 4; i++)
		REQUIRE_EQ(got[i], 0xee);
	rte_pktmbuf_free(m);
	settle();
	REQUIRE_EQ(guest_reap(rig->guest[0], 0), 1);
	finish();
}

/* A guest that is gone, with its memory unmapped, while the card has its frames; and the one after it. */
static void test_gone(uint64_t features)
{
	uint8_t f[2048], *loaned;
	struct rte_mbuf *m[3];

	begin(features, 1, VH_VLAN_NONE);
	for (uint32_t i = 0; i < 3; i++)
		REQUIRE(rig_send(rig, 0, 1, i, LONG, LAYOUT_SINGLE));
	settle();
	for (uint32_t i = 0; i < 3; i++)
		REQUIRE((m[i] = take(0)) != NULL && m[i]->nb_segs == 2);
	loaned = rte_pktmbuf_mtod(m[0]->next, uint8_t *);
	REQUIRE(!vh_guest_mem_holds(&rig->guest[0]->mem, loaned, 1));
	/* The card does not hurry: the chains go back all the same, but nothing else goes. */
	stop_queue(0);
	REQUIRE_EQ(guest_reap(rig->guest[0], 0), 3);
	vh_loan_close(0);
	/* Its successor is sent with copies, which is said once. */
	vh_loan_open(0, table);
	vh_loan_open(0, table);
	REQUIRE_EQ(times_said, 1);
	REQUIRE(strstr(said, "device 0: its frames are sent with copies: the card still has frames") != NULL);
	vh_direct_begin(0, &rig->port[0]->tx[0]);
	REQUIRE(rig->port[0]->tx[0].hold == NULL);
	unshare_memory(table);
	rig_free(rig);
	for (uint32_t i = 0; i < 3; i++) {
		vh_loan_reap();
		REQUIRE(!is_unmapped(loaned));
		REQUIRE_EQ(flat(m[i], f), LONG);
		REQUIRE_EQ(frame_check(f, LONG), i);
		rte_pktmbuf_free(m[i]);
	}
	vh_loan_close(0);
	REQUIRE(is_unmapped(loaned));
}

/* A queue that stops waits for what the card still has, which another thread gives back. */
static void *free_soon(void *m)
{
	usleep(20000);
	rte_pktmbuf_free(m);
	return NULL;
}

static void test_waits(uint64_t features)
{
	pthread_t thread;
	struct rte_mbuf *m;
	uint8_t *loaned;

	begin(features, 1, VH_VLAN_NONE);
	REQUIRE(rig_send(rig, 0, 1, 0, LONG, LAYOUT_SINGLE));
	settle();
	m = take(0);
	REQUIRE(m != NULL && m->nb_segs == 2);
	loaned = rte_pktmbuf_mtod(m->next, uint8_t *);
	REQUIRE(pthread_create(&thread, NULL, free_soon, m) == 0);
	/* No deadline: without the other thread this would not end. */
	stop_queue(UINT64_MAX);
	pthread_join(thread, NULL);
	REQUIRE_EQ(guest_reap(rig->guest[0], 0), 1);
	vh_loan_close(0);
	REQUIRE(is_unmapped(loaned));
	unshare_memory(table);
	rig_free(rig);
}

/* Two uplinks: one gets the guest's bytes, the other a copy; both get all of them. */
static void test_two_uplinks(uint64_t features)
{
	uint8_t f[2048];
	struct rte_mbuf *m[2];

	begin(features, 2, VH_VLAN_NONE);
	REQUIRE(rig_send(rig, 0, 1, 5, LONG, LAYOUT_SINGLE));
	settle();
	for (uint16_t i = 0; i < 2; i++) {
		m[i] = take(i);
		REQUIRE(m[i] != NULL);
		REQUIRE_EQ(flat(m[i], f), LONG);
		REQUIRE_EQ(frame_check(f, LONG), 5);
	}
	REQUIRE_EQ(m[0]->nb_segs + m[1]->nb_segs, 3);
	for (uint16_t i = 0; i < 2; i++)
		rte_pktmbuf_free(m[i]);
	settle();
	REQUIRE_EQ(guest_reap(rig->guest[0], 0), 1);
	finish();
}

/* A full card: the round waits, nothing is lost or sent twice; without retries the rest is dropped. */
static void full_ring(uint64_t features, bool retry)
{
	uint32_t got = 0, dropped;
	struct rte_mbuf *m;
	uint8_t f[2048];

	begin(features, 1, VH_VLAN_NONE);
	rig_retry(rig, retry ? 4 : 0, 10);
	for (uint32_t i = 0; i < 200; i++)
		REQUIRE(rig_send(rig, 0, 1, i, LONG, LAYOUT_SINGLE));
	for (uint32_t turn = 0; turn < 400; turn++) {
		rig_poll_pair(rig, 0, 0);
		rig_tick(rig, 10);
		if (turn < 10 || (m = take(0)) == NULL)
			continue;
		REQUIRE_EQ(flat(m, f), LONG);
		if (!retry || got < RING - 1)
			REQUIRE(frame_check(f, LONG) >= got);
		got++;
		rte_pktmbuf_free(m);
	}
	settle();
	dropped = (uint32_t)__atomic_load_n(
		&uplink[0]->port.counters[0].drops[VH_DROP_RX_RING_FULL], __ATOMIC_RELAXED);
	uplink[0]->port.counters[0].drops[VH_DROP_RX_RING_FULL] = 0;
	REQUIRE_EQ(got + dropped, 200);
	REQUIRE_EQ(guest_reap(rig->guest[0], 0), 200);
	uplink[0]->port.rx[0].stalled = 0;
	finish();
}

static void test_all(uint64_t features)
{
	test_content(features);
	test_order(features);
	test_rewritten(features);
	test_gone(features);
	test_waits(features);
	test_two_uplinks(features);
	full_ring(features, true);
	full_ring(features, false);
}

/* Memory that cannot be mapped a second time as it is. */
static void test_odd_memory(void)
{
	begin(0, 0, VH_VLAN_NONE);
	stop_queue(0);
	vh_loan_close(0);
	table->regions[1].size -= 100;
	times_said = 0;
	vh_loan_open(0, table);
	REQUIRE_EQ(times_said, 1);
	REQUIRE(strstr(said, "does not begin or end with a page") != NULL);
	vh_direct_begin(0, &rig->port[0]->tx[0]);
	finish();
}

/* Counts that the device does not take. */
static void test_counts(void)
{
	struct rte_eth_dev_info info = {.rx_desc_lim = {.nb_max = 4096, .nb_min = 32, .nb_align = 8},
		.tx_desc_lim = {.nb_max = 64, .nb_min = 32, .nb_align = 8}};
	struct rte_eth_conf conf = {0};
	char error[256] = "";
	uint16_t rx, tx;

	REQUIRE_EQ(vh_direct_configure(&conf, &info, &rx, &tx, error, sizeof(error)), -EINVAL);
	REQUIRE(strcmp(error, "128 transmit descriptors asked for, its device takes 32 to 64") == 0);
}

/* Frames that are in the device when it goes: none is lost. */
static void test_uplink_goes(void)
{
	begin(0, 1, VH_VLAN_NONE);
	for (uint32_t i = 0; i < 10; i++)
		REQUIRE(rig_send(rig, 0, 1, i, LONG, LAYOUT_SINGLE));
	settle();
	REQUIRE_EQ(guest_reap(rig->guest[0], 0), 0);
	__atomic_store_n(&rig->sw->port[VH_MAX_PORTS], NULL, __ATOMIC_RELEASE);
	rig->list->n--;
	close_uplink(0);
	settle();
	REQUIRE_EQ(guest_reap(rig->guest[0], 0), 10);
	finish();
}

/* Tags that the device has taken off stand in the frame again, in their order, or there is no frame. */
static void test_stripped(void)
{
	static const struct {
		uint64_t flags;
		const char *front; /* what the guest finds: o outer, i inner; NULL: nothing */
	} cases[] = {
		{0, ""},
		{RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, "i"},
		{RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ |
				RTE_MBUF_F_RX_QINQ_STRIPPED,
			"oi"},
		{RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED, "o"},
		{RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ, NULL},
	};
	uint8_t f[64], got[2048];

	begin(0, 1, VH_VLAN_NONE);
	guest_post_all(rig->guest[0], 0, 2000, LAYOUT_SINGLE);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(uplink[0]->pool);
		uint32_t at = 12;

		REQUIRE(m != NULL);
		frame_make(f, (uint8_t[]){255, 255, 255, 255, 255, 255}, (uint8_t[]){2, 0, 0, 0, 1, 1}, i,
			sizeof(f));
		memcpy(rte_pktmbuf_append(m, sizeof(f)), f, sizeof(f));
		m->ol_flags = cases[i].flags;
		m->vlan_tci = 0x2014;
		m->vlan_tci_outer = 0x400a;
		REQUIRE_EQ(rte_ring_enqueue(wire[0], m), 0);
		REQUIRE_EQ(rig->poll(rig->sw, rig->lane[0], &uplink[0]->port, 0), 1);
		if (cases[i].front == NULL) {
			REQUIRE_EQ(guest_receive(rig->guest[0], 0, got, sizeof(got)), GUEST_NOTHING);
			continue;
		}
		REQUIRE_EQ(guest_receive(rig->guest[0], 0, got, sizeof(got)),
			sizeof(f) + 4 * strlen(cases[i].front));
		for (const char *tag = cases[i].front; *tag != '\0'; tag++, at += 4)
			REQUIRE(memcmp(got + at, *tag == 'o' ? "\x88\xa8\x40\x0a" : "\x81\0\x20\x14", 4) ==
				0);
		REQUIRE(memcmp(got, f, 12) == 0 && memcmp(got + at, f + 12, sizeof(f) - 12) == 0);
	}
	finish();
}

static void test_all_of_it(void)
{
	vh_direct_start(
		&(struct vh_direct_options){.on = true, .rx_descriptors = RING, .tx_descriptors = RING});
	uplink[0] = make_uplink(0);
	uplink[1] = make_uplink(1);
	test_counts();
	test_stripped();
	test_all(0);
	test_all(VH_F_RING_PACKED);
	test_odd_memory();
	test_uplink_goes();
	close_uplink(1);
}

int main(int argc, char **argv)
{
	return eal_test("direct", NULL, test_all_of_it, argc, argv);
}
