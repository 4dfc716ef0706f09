#include "uplink.h"
#include "zc_tx.h"
#include "../runtime/eal.h"
#include "../runtime/events.h"
#include "zc_rx.h"
#include "uplink_netdev.h"
#include "uplink_offload.h"
#include "uplink_rxtx.h"
#include "vmdq.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

/* Of the device's rings, where the driver has no preference of its own: as DPDK's own programs take. */
#define RING 512
/* Buffers that each worker keeps at hand. */
#define CACHE 128
/* Two VLAN tags beside the Ethernet header. */
#define AROUND_MTU (RTE_ETHER_HDR_LEN + 8)

/* Why an open failed: the reason, and what the driver had to say about it. */
static int failed(int result, char *error, size_t n, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int failed(int result, char *error, size_t n, const char *format, ...)
{
	char what[256];
	const char *said = vh_eal_first_error();
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	/* Many drivers give -1 for any reason, which is not "operation not permitted". */
	if (result == -1 && said[0] != '\0')
		snprintf(error, n, "%s: %s", what, said);
	else
		snprintf(error, n, "%s: %s%s%s", what, rte_strerror(-result), said[0] != '\0' ? "; " : "",
			said);
	return result;
}

/* Attaches the device and finds its number. Return: 0, or a negative errno with the reason. */
static int attach(struct vh_uplink *u, char *error, size_t n)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_devargs args = {0};
	struct rte_eth_dev_info info;
	int result;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(u->device, ","), u->device);
	if (rte_eth_dev_get_port_by_name(name, &u->eth) == 0) {
		snprintf(error, n, "device %s is an uplink already", name);
		return -EEXIST;
	}
	if (rte_devargs_parse(&args, u->device) != 0) {
		snprintf(error, n, "no driver plug-in of DPDK's that is installed knows device %s", name);
		return -ENODEV;
	}
	/* As rte_devargs_reset(), which is no part of the stable interface yet (24.11). */
	free(args.data);
	vh_eal_forget_errors();
	result = rte_dev_probe(u->device);
	if (result < 0)
		return failed(result, error, n, "device %s cannot be attached", name);
	if (rte_eth_dev_get_port_by_name(name, &u->eth) != 0)
		return failed(-ENODEV, error, n, "device %s is no Ethernet device", name);
	result = rte_eth_dev_info_get(u->eth, &info);
	if (result != 0)
		return failed(result, error, n, "device %s tells nothing about itself", name);
	u->backing = info.device;
	u->interface = info.if_index;
	return 0;
}

struct ring_sizes {
	uint16_t rx, tx, least_rx;
};

/* Configures the device and chooses its rings' sizes. Return: 0, or a negative errno with the reason. */
static int configure(struct vh_uplink *u, const struct vh_uplink_options *o, struct ring_sizes *size,
	char *error, size_t n)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int result = rte_eth_dev_info_get(u->eth, &info);

	if (result == 0 && (o->queues > info.max_rx_queues || o->queues > info.max_tx_queues)) {
		snprintf(error, n, "%u queues asked for, its device has %u", o->queues,
			RTE_MIN(info.max_rx_queues, info.max_tx_queues));
		return -EINVAL;
	}
	if (result == 0 && u->guests > 0) {
		vh_vmdq_configure(&conf, u->guests, o->loops);
	} else if (result == 0 && o->queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) & info.flow_type_rss_offloads;
	}
	size->rx = info.default_rxportconf.ring_size != 0 ? info.default_rxportconf.ring_size : RING;
	size->tx = info.default_txportconf.ring_size != 0 ? info.default_txportconf.ring_size : RING;
	/* Some devices (net_tap) have queues in pairs only; what is lent is asked for at one. */
	u->port.outs = u->guests > 0 || vh_direct_is_on() ? 1 : o->queues;
	if (result == 0 && !vh_interface_has_mtu(info.driver_name))
		conf.rxmode.mtu = o->mtu;
	if (result == 0 && (result = vh_direct_configure(&conf, &info, &size->rx, &size->tx, error, n)) != 0)
		return result;
	if (result == 0) {
		vh_uplink_choose_offloads(u, &info, &conf);
		result = rte_eth_dev_configure(u->eth, o->queues, u->port.outs, &conf);
	}
	if (result != 0)
		return failed(result, error, n, "its device cannot be configured");
	rte_eth_dev_adjust_nb_rx_tx_desc(u->eth, &size->rx, &size->tx);
	size->least_rx = 1;
	rte_eth_dev_adjust_nb_rx_tx_desc(u->eth, &size->least_rx, &size->tx);
	return 0;
}

/* net_af_packet's own buffers, where its arguments say so: it wants ours to be as large. 0: they do not. */
static uint32_t frame_size(const char *device)
{
	static const char argument[] = ",framesz=";
	const char *found = strstr(device, argument);
	unsigned long bytes = found == NULL ? 0 : strtoul(found + sizeof(argument) - 1, NULL, 10);

	return bytes <= UINT16_MAX - RTE_PKTMBUF_HEADROOM ? (uint32_t)bytes : 0;
}

/* Return: 0, or a negative errno. */
static int set_mtu(const struct vh_uplink *u, uint32_t mtu)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(u->eth, &info) == 0 && vh_interface_has_mtu(info.driver_name))
		return vh_interface_set_mtu(u->interface, mtu);
	return rte_eth_dev_set_mtu(u->eth, (uint16_t)mtu);
}

/* Makes the buffers. Return: 0, or a negative errno with the reason. */
static int make_pool(
	struct vh_uplink *u, const struct vh_uplink_options *o, uint32_t rings, char *error, size_t n)
{
	uint32_t need = rings + o->queues * VH_BATCH + o->workers * (2 * CACHE + 2 * VH_BATCH);
	uint32_t least = RTE_MAX((uint32_t)RTE_MBUF_DEFAULT_DATAROOM, frame_size(u->device));
	uint32_t room = RTE_MAX(u->longest, least) + RTE_PKTMBUF_HEADROOM;
	char name[RTE_MEMPOOL_NAMESIZE];

	if (o->buffers != 0 && o->buffers < need) {
		snprintf(error, n, "%u packet buffers asked for, it needs %u", o->buffers, need);
		return -EINVAL;
	}
	if (o->buffers != 0)
		need = o->buffers;
	snprintf(name, sizeof(name), "vh-uplink-%u", u->port.id - VH_MAX_PORTS);
	u->pool =
		rte_pktmbuf_pool_create(name, need, CACHE, 0, (uint16_t)room, rte_eth_dev_socket_id(u->eth));
	if (u->pool != NULL)
		return 0;
	snprintf(error, n, "no memory for %u packet buffers of %u bytes; give the switch more (memoryMb)",
		need, room);
	return -ENOMEM;
}

/* Gives guests' pools packet buffers of their own where zero copy is asked for. Return: 0, or -ENOMEM. */
static int make_feeds(struct vh_uplink *u, uint16_t ring)
{
	struct rte_eth_dev_info info;

	if (!vh_direct_is_on() || rte_eth_dev_info_get(u->eth, &info) != 0 || !vh_feed_is_for(&info))
		return 0;
	for (uint16_t pool = 1; pool <= u->guests; pool++) {
		u->feed[pool] = vh_feed_make(u, pool, ring);
		if (u->feed[pool] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void free_feeds(struct vh_uplink *u)
{
	for (uint16_t pool = 0; pool < VH_POOLS; pool++) {
		vh_feed_free(u->feed[pool]);
		u->feed[pool] = NULL;
	}
}

/* The buffers for what comes by a queue of the device's. */
static struct rte_mempool *buffers_of(const struct vh_uplink *u, uint16_t queue)
{
	for (uint16_t pool = 1; pool <= u->guests; pool++)
		if (u->queue[pool] == queue && u->feed[pool] != NULL)
			return vh_feed_pool(u->feed[pool]);
	return u->pool;
}

static int set_up_queues(
	struct vh_uplink *u, const struct vh_uplink_options *o, const struct ring_sizes *size)
{
	unsigned int socket = (unsigned int)rte_eth_dev_socket_id(u->eth);
	struct rte_eth_dev_info info;
	struct rte_eth_rxconf rx;
	int result = rte_eth_dev_info_get(u->eth, &info);

	for (uint16_t q = 0; q < u->port.outs && result == 0; q++)
		result = rte_eth_tx_queue_setup(u->eth, q, size->tx, socket, NULL);
	if (result == 0)
		result = make_feeds(u, size->rx);
	for (uint16_t q = 0; q < o->queues && result == 0; q++) {
		/* Drivers want the queues between those of pools as well, where nothing comes. */
		bool used = u->guests == 0 || vh_pool_has_queue(&u->layout, q);

		rx = info.default_rxconf;
		/* igb's own preference, 32, is never reached in a ring of 32, whose card then gets no more
		 * buffers.
		 */
		if (rx.rx_free_thresh > size->rx / 4)
			rx.rx_free_thresh = size->rx / 4;
		result = rte_eth_rx_queue_setup(
			u->eth, q, used ? size->rx : size->least_rx, socket, &rx, buffers_of(u, q));
	}
	return result;
}

/* Return: 0, or a negative errno with the reason in `error`. */
static int start_device(struct vh_uplink *u, const struct vh_uplink_options *o, char *error, size_t n)
{
	struct ring_sizes size;
	uint16_t mtu = 0;
	int result = configure(u, o, &size, error, n);

	if (result != 0)
		return result;
	if (o->mtu != 0)
		result = set_mtu(u, o->mtu);
	if (result != 0 && result != -ENOTSUP)
		return failed(result, error, n, "its device takes no MTU of %u", o->mtu);
	if (o->mtu != 0 && result == 0)
		mtu = (uint16_t)o->mtu;
	else if (rte_eth_dev_get_mtu(u->eth, &mtu) != 0 || mtu == 0)
		mtu = RTE_ETHER_MTU;
	u->longest = mtu + AROUND_MTU;
	result = make_pool(u, o, (uint32_t)size.rx * o->queues + (uint32_t)size.tx * u->port.outs, error, n);
	if (result != 0)
		return result;
	result = set_up_queues(u, o, &size);
	if (result != 0)
		return failed(result, error, n, "its device's queues cannot be set up");
	result = rte_eth_dev_start(u->eth);
	if (result != 0)
		return failed(result, error, n, "its device does not start");
	/* Guests' addresses are not the device's; what has no address filter takes everything anyway. */
	rte_eth_promiscuous_enable(u->eth);
	return 0;
}

static void stop_device(struct vh_uplink *u)
{
	(void)rte_eth_dev_stop(u->eth);
	vh_vmdq_leave(u);
	free_feeds(u);
	rte_mempool_free(u->pool);
	u->pool = NULL;
}

/* Return: whether it runs with pools, or false with the reason. */
static bool start_pools(struct vh_uplink *u, const struct vh_uplink_options *o, char *error, size_t n)
{
	if (start_device(u, o, error, n) != 0)
		return false;
	if (vh_vmdq_let_groups_in(u))
		return true;
	snprintf(error, n, "it cannot receive all multicast");
	return false;
}

/* Starts it with pools where it has them and proves to. Return: whether it runs that way, or false with the
 * reason; u->guests is 0 then where nothing else was to be expected. */
static bool start_with_pools(struct vh_uplink *u, const struct vh_uplink_options *o, char *why, size_t n)
{
	struct vh_uplink_options with = *o;
	struct rte_eth_dev_info info;
	bool ok;

	/* Whoever asks for several queues wants flows spread, not guests. */
	if (o->pools == 0 || o->queues != 1 || rte_eth_dev_info_get(u->eth, &info) != 0) {
		snprintf(why, n, "its queues are not to be guests'");
		return false;
	}
	u->layout = vh_vmdq_layout(&info);
	if (u->layout.pools == 0) {
		snprintf(why, n, "of %s no VMDq is known to this switch", info.driver_name);
		return false;
	}
	u->guests = o->pools < u->layout.pools ? o->pools : u->layout.pools - 1;
	u->port.pairs = u->layout.pools;
	memcpy(u->queue, u->layout.queue, sizeof(u->layout.queue));
	with.queues = u->layout.queues;
	with.loops = true;
	ok = start_pools(u, &with, why, n) && vh_vmdq_prove(u, o->loops, why, n);
	if (ok && !o->loops && u->layout.loop == VH_LOOP_BY_DRIVER) {
		stop_device(u);
		with.loops = false;
		ok = start_pools(u, &with, why, n);
	}
	return ok;
}

/* Without pools: the port's pairs are the device's queues. */
static void forget_pools(struct vh_uplink *u, uint16_t queues)
{
	u->guests = 0;
	u->port.pairs = queues;
	for (uint16_t q = 0; q < VH_UPLINK_QUEUES; q++)
		u->queue[q] = q;
}

/* Starts the device in the best way that it can. Return: 0, or a negative errno with the reason. */
static int start_best(struct vh_uplink *u, const struct vh_uplink_options *o, char *error, size_t n)
{
	char why[VH_EVENT_TEXT / 2];

	if (start_with_pools(u, o, why, sizeof(why)))
		return 0;
	if (o->loops) {
		snprintf(error, n, "its device cannot switch between guests (--vm2vm 2): %s", why);
		return -ENOTSUP;
	}
	if (u->guests > 0) {
		vh_events_say(VH_EVENT_LOG, RTE_LOG_NOTICE,
			"uplink %s: VMDq is not used, frames are sorted in software: %s", u->name, why);
		stop_device(u);
	}
	forget_pools(u, o->queues);
	return start_device(u, o, error, n);
}

struct vh_uplink *vh_uplink_open(
	const struct vh_uplink_options *o, uint16_t id, int *result, char *error, size_t n)
{
	size_t size = (sizeof(struct vh_uplink) + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE;
	struct vh_uplink *u = aligned_alloc(VH_CACHE_LINE, size);

	*result = -ENOMEM;
	if (u == NULL) {
		snprintf(error, n, "out of memory");
		return NULL;
	}
	memset(u, 0, size);
	u->port.rx = u->rx;
	u->port.tx = u->tx;
	u->port.id = id;
	u->port.flood_unknown_unicast = o->flood_unknown_unicast;
	u->port.forward_reserved = o->forward_reserved;
	u->port.uplink = &vh_uplink_ops;
	snprintf(u->name, sizeof(u->name), "%s", o->name);
	snprintf(u->device, sizeof(u->device), "%s", o->device);
	vh_eal_forget_errors();
	*result = attach(u, error, n);
	if (*result == 0)
		*result = start_best(u, o, error, n);
	if (*result == 0)
		*result = vh_direct_join(u, error, n);
	if (*result == 0) {
		if (vh_interface_remark(u->interface, u->remark, sizeof(u->remark)))
			vh_events_say(VH_EVENT_LOG, RTE_LOG_NOTICE, "uplink %s: %s", u->name, u->remark);
		return u;
	}
	vh_uplink_close(u);
	return NULL;
}

uint32_t vh_uplink_longest_tagged(const struct vh_uplink *u)
{
	return u->longest - AROUND_MTU + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
}

void vh_uplink_close(struct vh_uplink *u)
{
	if (u->backing != NULL) {
		/* The driver may be unable to tell any more; whatever it says, it is let go of. */
		vh_direct_drain(u);
		vh_vmdq_leave(u);
		(void)rte_eth_dev_stop(u->eth);
		vh_direct_close(u);
		(void)rte_eth_dev_close(u->eth);
		(void)rte_dev_remove(u->backing);
	}
	free_feeds(u);
	rte_mempool_free(u->pool);
	free(u);
}

enum vh_uplink_state vh_uplink_state(const struct vh_uplink *u)
{
	struct rte_eth_link link = {0};

	if (u->interface != 0)
		return vh_interface_state(u->interface);
	if (rte_eth_dev_is_removed(u->eth))
		return VH_UPLINK_GONE;
	return rte_eth_link_get_nowait(u->eth, &link) == 0 && link.link_status == RTE_ETH_LINK_UP
		       ? VH_UPLINK_UP
		       : VH_UPLINK_DOWN;
}

void vh_uplink_look(const struct vh_uplink *u, struct vh_uplink_info *out)
{
	struct rte_eth_dev_info info = {0};
	struct rte_ether_addr mac = {0};
	struct rte_eth_stats stats = {0};
	struct rte_eth_link link = {0};

	*out = (struct vh_uplink_info){.id = u->port.id,
		.name = u->name,
		.device = u->device,
		.driver = "",
		.state = vh_uplink_state(u),
		.queues = u->port.pairs,
		.mtu = u->longest - AROUND_MTU,
		.buffers = u->pool->size,
		.buffers_free = rte_mempool_avail_count(u->pool),
		.offloads = u->offloads,
		.remark = u->remark,
		.guests = u->guests};
	out->zero_copy = u->pieces != NULL;
	for (uint32_t w = 0; w <= VH_MAX_WORKERS; w++) {
		out->lent += __atomic_load_n(&u->lent[w], __ATOMIC_RELAXED);
		out->landed += __atomic_load_n(&u->landed[w], __ATOMIC_RELAXED);
	}
	memcpy(out->pool_key, u->pool_key, sizeof(out->pool_key));
	memcpy(out->queue_worker, u->queue_worker, sizeof(out->queue_worker));
	if (rte_eth_dev_info_get(u->eth, &info) == 0)
		out->driver = info.driver_name;
	if (rte_eth_macaddr_get(u->eth, &mac) == 0)
		memcpy(out->mac, mac.addr_bytes, sizeof(out->mac));
	if (rte_eth_link_get_nowait(u->eth, &link) == 0 && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		out->speed_mbps = link.link_speed;
	if (rte_eth_stats_get(u->eth, &stats) == 0) {
		out->rx_missed = stats.imissed;
		out->rx_errors = stats.ierrors;
		out->rx_no_buffer = stats.rx_nombuf;
		out->tx_errors = stats.oerrors;
	}
	vh_port_counters(&u->port, &out->counters);
}
