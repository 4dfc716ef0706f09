#include "feed_rig.h"
#include "../../dpdk/uplink/zc_tx.h"
#include "../../dpdk/runtime/events.h"
#include "../../dpdk/runtime/sigbus.h"
#include "../../dpdk/uplink/uplink_rxtx.h"
#include "../../dpdk/uplink/vmdq.h"
#include "../../dpdk/runtime/worker.h"
#include "../eal/eal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#define OURS 0x76 /* marks frames of vh_vmdq_flush() */

struct rig *rig;
struct vh_uplink *uplink;
struct vh_feed *feed;
struct rte_vhost_memory *table;
char said[VH_EVENT_TEXT];
bool card_answers;
uint32_t card_lost;

static struct rte_ring *wire;
static struct {
	struct rte_mbuf *m;
	rte_iova_t to; /* read once, when the buffer was given to the card */
} hw[CARD_RING];
static uint32_t head;

/* What the IOMMU lets through. */
static struct {
	uint8_t *at;
	size_t size;
} dma[2 * VH_MAX_REGIONS];

int __wrap_rte_dev_dma_map(struct rte_device *dev, void *at, uint64_t iova, size_t size);
int __wrap_rte_dev_dma_unmap(struct rte_device *dev, void *at, uint64_t iova, size_t size);

int __wrap_rte_dev_dma_map(struct rte_device *dev, void *at, uint64_t iova, size_t size)
{
	uint32_t i = 0;

	(void)dev;
	REQUIRE_EQ((uintptr_t)at, iova);
	while (dma[i].size != 0)
		REQUIRE(++i < 2 * VH_MAX_REGIONS);
	dma[i].at = at;
	dma[i].size = size;
	return 0;
}

int __wrap_rte_dev_dma_unmap(struct rte_device *dev, void *at, uint64_t iova, size_t size)
{
	(void)dev, (void)iova;
	for (uint32_t i = 0; i < 2 * VH_MAX_REGIONS; i++) {
		if (dma[i].at != at || dma[i].size != size)
			continue;
		dma[i].at = NULL;
		dma[i].size = 0;
		return 0;
	}
	REQUIRE(false);
	return -1;
}

static bool may_write(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < 2 * VH_MAX_REGIONS; i++)
		if (p >= dma[i].at && p + len <= dma[i].at + dma[i].size)
			return true;
	return false;
}

void vh_events_say(enum vh_event_type type, uint16_t port, const char *format, ...)
{
	va_list args;

	(void)type, (void)port;
	va_start(args, format);
	vsnprintf(said, VH_EVENT_TEXT, format, args);
	va_end(args);
}

void vh_sigbus_loan(uint16_t port, uint32_t i, void *start, size_t size)
{
	(void)port, (void)i, (void)start, (void)size;
}

uint32_t vh_workers_now(void)
{
	return 1;
}

void vh_workers_wake(uint32_t worker)
{
	(void)worker;
}

void note_drops(const struct vh_counters *c)
{
	(void)c;
}

bool vh_vmdq_is_ours(const uint8_t *frame)
{
	return frame[0] == 2 && frame[1] == OURS;
}

bool vh_vmdq_loop_begin(const struct vh_uplink *u)
{
	REQUIRE(u == uplink);
	return true;
}

void vh_vmdq_flush(struct vh_uplink *u, uint16_t pool, uint32_t n)
{
	const uint8_t frame[60] = {2, OURS};

	REQUIRE(u == uplink && pool == 1);
	for (uint32_t i = 0; card_answers && i < n; i++) {
		card_receives(frame, sizeof(frame), true, TAG);
		worker_turn();
	}
}

void vh_vmdq_loop_end(struct vh_uplink *u)
{
	REQUIRE(u == uplink);
}

static void refill(uint32_t i)
{
	hw[i].m = rte_mbuf_raw_alloc(vh_feed_pool(feed));
	REQUIRE(hw[i].m != NULL);
	hw[i].to = rte_mbuf_data_iova_default(hw[i].m);
}

void card_receives(const uint8_t *frame, uint32_t len, bool stripped, uint16_t tag)
{
	struct rte_mbuf *m = hw[head].m;
	uint8_t *to = (uint8_t *)(uintptr_t)hw[head].to;

	if (vh_berth_of(m)->loan == NULL || may_write(to, len))
		memcpy(to, frame, len);
	else
		card_lost++;
	refill(head);
	head = (head + 1) % CARD_RING;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->nb_segs = 1;
	m->next = NULL;
	m->pkt_len = m->data_len = (uint16_t)len;
	m->ol_flags = stripped ? RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED : 0;
	m->vlan_tci = stripped ? tag : 0;
	REQUIRE(rte_ring_enqueue(wire, m) == 0);
}

const uint8_t *card_next(void)
{
	return vh_berth_of(hw[head].m)->chain.at;
}

uint32_t worker_turn(void)
{
	return rig->poll(rig->sw, rig->lane[0], &uplink->port, 1);
}

void deliver(uint32_t seq, uint32_t len)
{
	uint8_t f[2048], to[6];

	frame_mac(to, 0);
	frame_make(f, to, (uint8_t[]){2, 0, 0, 0, 1, 1}, seq, len);
	card_receives(f, len, true, TAG);
	REQUIRE_EQ(worker_turn(), 1);
}

void fill_card(void)
{
	uint8_t got[2048];

	for (uint32_t i = 0; i < CARD_RING; i++) {
		deliver(i, 100);
		REQUIRE(guest_receive(rig->guest[0], 0, got, sizeof(got)) >= 100);
		guest_post(rig->guest[0], 0, 2000, LAYOUT_SINGLE);
	}
}

uint32_t posted(void)
{
	return __atomic_load_n(&feed->loan->posted, __ATOMIC_RELAXED);
}

uint64_t landed(void)
{
	return uplink->landed[0];
}

void card_make(void)
{
	size_t size = (sizeof(struct vh_uplink) + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE;
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	char error[256];
	int eth;

	vh_direct_start(
		&(struct vh_direct_options){.on = true, .rx_descriptors = 128, .tx_descriptors = 128});
	uplink = aligned_alloc(VH_CACHE_LINE, size);
	REQUIRE(uplink != NULL);
	memset(uplink, 0, size);
	wire = rte_ring_create("wire", 256, SOCKET_ID_ANY, 0);
	eth = rte_eth_from_rings("wire", &wire, 1, &wire, 1, 0);
	REQUIRE(wire != NULL && eth >= 0);
	uplink->eth = (uint16_t)eth;
	uplink->port.rx = uplink->rx;
	uplink->port.tx = uplink->tx;
	uplink->port.id = VH_MAX_PORTS;
	uplink->port.pairs = 2;
	uplink->port.outs = 1;
	uplink->port.uplink = &vh_uplink_ops;
	uplink->longest = 1522;
	uplink->guests = 1;
	uplink->queue[1] = 0;
	snprintf(uplink->name, sizeof(uplink->name), "net");
	uplink->pool = rte_pktmbuf_pool_create("pool", 512, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	REQUIRE(uplink->pool != NULL && rte_eth_dev_info_get(uplink->eth, &info) == 0);
	uplink->backing = info.device;
	REQUIRE(rte_eth_dev_configure(uplink->eth, 1, 1, &conf) == 0 &&
		rte_eth_tx_queue_setup(uplink->eth, 0, 128, ANY_SOCKET, NULL) == 0 &&
		rte_eth_rx_queue_setup(uplink->eth, 0, 128, ANY_SOCKET, NULL, uplink->pool) == 0 &&
		rte_eth_dev_start(uplink->eth) == 0);
	REQUIRE_EQ(vh_loan_to(uplink->backing, error, sizeof(error)), 0);
	feed = uplink->feed[1] = vh_feed_make(uplink, 1, CARD_RING);
	REQUIRE(feed != NULL);
	for (uint32_t i = 0; i < CARD_RING; i++)
		refill(i);
}

void card_close(void)
{
	REQUIRE_EQ(rte_eth_dev_stop(uplink->eth), 0);
	for (uint32_t i = 0; i < CARD_RING; i++)
		rte_pktmbuf_free(hw[i].m);
	vh_loan_from(uplink->backing);
	REQUIRE_EQ(rte_mempool_in_use_count(vh_feed_pool(feed)), 0);
	vh_feed_free(feed);
	REQUIRE_EQ(rte_eth_dev_close(uplink->eth), 0);
	rte_mempool_free(uplink->pool);
	rte_ring_free(wire);
	free(uplink);
}

void guest_enters(uint64_t features, uint32_t n, uint32_t size, enum guest_layout layout, bool keep_tag)
{
	uint8_t mac[6];

	said[0] = '\0';
	card_answers = true;
	card_lost = 0;
	memset(uplink->port.counters, 0, sizeof(uplink->port.counters));
	memset(uplink->landed, 0, sizeof(uplink->landed));
	rig = rig_new();
	rig_add(rig, &(struct guest_config){.features = features | VH_F_VERSION_1});
	rig->guest[0]->rx[0].any_order = true;
	rig->port[0]->vlan.mode = VH_VLAN_AUTO;
	rig->port[0]->vlan.keep_tag = keep_tag;
	rig->sw->rules = 1;
	frame_mac(mac, 0);
	vh_mac_learn(&rig->sw->macs, vh_mac_key(mac, 0), 0, 1);
	table = share_memory(rig->guest[0]);
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(guest_post(rig->guest[0], 0, size, layout));
	vh_uplink_start(&uplink->port);
	rig->list->port[rig->list->n++] = &uplink->port;
	__atomic_store_n(&rig->sw->port[VH_MAX_PORTS], &uplink->port, __ATOMIC_RELEASE);
	vh_loan_open(0, table);
}

void guest_stops(void)
{
	vh_vq_stop(&rig->port[0]->rx[0]);
	vh_feed_stop(0);
	vh_feed_end(0, true);
	vh_loan_close(0);
}

void guest_leaves(void)
{
	unshare_memory(table);
	rig_free(rig);
}
