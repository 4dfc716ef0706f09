#include "vmdq.h"
#include "igb_loopback.h"
#include "uplink_txq.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

/* How long a frame of ours may take from the card's transmit queue to a receive queue. */
#define PROOF_MS 200
#define LINK_MS 3000
/* How long what was sent is waited for, before the card stops to loop it back. */
#define SENT_MS 20
#define SENT_STEP_US 50
#define PROOF_TYPE 0x88b5 /* local experimental EtherType 1 (IEEE 802) */
#define PROOF_LENGTH 64U
/* Of 12 bits of a multicast address the card makes its filter (82576 datasheet, 8.10.15). */
#define MULTICAST_HASHES 4096

struct vh_pool_layout vh_vmdq_layout(const struct rte_eth_dev_info *info)
{
	return vh_pool_layout(info->driver_name, info->max_vmdq_pools, info->max_rx_queues);
}

void vh_vmdq_configure(struct rte_eth_conf *conf, uint16_t guests, bool loops)
{
	struct rte_eth_vmdq_rx_conf *c = &conf->rx_adv_conf.vmdq_rx_conf;

	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_VMDQ_ONLY;
	c->nb_queue_pools = (enum rte_eth_nb_pools)VH_POOLS;
	c->enable_loop_back = loops;
	c->enable_default_pool = 1;
	c->default_pool = 0;
	/* Untagged frames are group frames of other modes, or unknown unicast: pool 0 needs the first, and
	 * has the second. */
	c->rx_mode = RTE_ETH_VMDQ_ACCEPT_BROADCAST | RTE_ETH_VMDQ_ACCEPT_MULTICAST |
		     RTE_ETH_VMDQ_ACCEPT_HASH_MC | RTE_ETH_VMDQ_ACCEPT_UNTAG;
	/* Group frames with a tag that is in no entry are lost in the card, so the rest of them are pool 0's.
	 */
	c->nb_pool_maps = VH_POOL_TAGS;
	for (uint32_t i = 0; i < c->nb_pool_maps; i++) {
		c->pool_map[i].vlan_id = (uint16_t)(VH_VLAN_TAG_BASE + i);
		c->pool_map[i].pools = i < guests ? 1ULL << (i + 1) : 1;
	}
}

static struct rte_ether_addr proof_address(uint16_t pool)
{
	return (struct rte_ether_addr){{2, 'v', 'h', 'o', 's', (uint8_t)pool}};
}

bool vh_vmdq_is_ours(const uint8_t *frame)
{
	struct rte_ether_addr to = proof_address(frame[5]);

	return frame[5] > 0 && frame[5] < VH_POOLS && memcmp(frame, &to, sizeof(to)) == 0;
}

/* Sends pool `pool` a frame. Return: whether the card took it. */
static bool send_proof(const struct vh_uplink *u, uint16_t pool)
{
	struct rte_ether_addr to = proof_address(pool), from = proof_address(0);
	uint16_t tag = (uint16_t)(VH_VLAN_TAG_BASE + vh_vmdq_guest(pool));
	struct rte_mbuf *m = rte_pktmbuf_alloc(u->pool);
	uint8_t *p = m == NULL ? NULL : (uint8_t *)rte_pktmbuf_append(m, PROOF_LENGTH);

	if (p == NULL)
		return false;
	memset(p, 0, PROOF_LENGTH);
	memcpy(p, &to, 6);
	memcpy(p + 6, &from, 6);
	memcpy(p + 12,
		(const uint8_t[]){
			0x81, 0, (uint8_t)(tag >> 8), (uint8_t)tag, PROOF_TYPE >> 8, PROOF_TYPE & 0xff},
		6);
	if (rte_eth_tx_burst(u->eth, 0, &m, 1) == 1)
		return true;
	rte_pktmbuf_free(m);
	return false;
}

/* Takes what has come by a queue. Return: whether the frame for `pool` was among it. */
static bool came(const struct vh_uplink *u, uint16_t queue, uint16_t pool)
{
	struct rte_ether_addr to = proof_address(pool);
	struct rte_mbuf *m[VH_BATCH];
	uint16_t n = rte_eth_rx_burst(u->eth, u->queue[queue], m, VH_BATCH);
	bool found = false;

	for (uint16_t i = 0; i < n; i++)
		found |= m[i]->data_len >= VH_MIN_FRAME &&
			 memcmp(rte_pktmbuf_mtod(m[i], void *), &to, sizeof(to)) == 0;
	rte_pktmbuf_free_bulk(m, n);
	return found;
}

/* The queues by which the frame for a pool has come, as bits. */
static uint32_t queues_of(const struct vh_uplink *u, uint16_t pool)
{
	uint32_t queues = 0;

	for (uint16_t queue = 0; queue < u->port.pairs; queue++)
		queues |= (uint32_t)came(u, queue, pool) << queue;
	return queues;
}

/* Return: whether a frame for the pool comes by its queue and no other. */
static bool prove_pool(const struct vh_uplink *u, uint16_t pool, char *error, size_t n)
{
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / 1000 * PROOF_MS;
	uint32_t queues = 0;

	if (!send_proof(u, pool)) {
		snprintf(error, n, "it takes no frames");
		return false;
	}
	while (queues == 0 && rte_rdtsc() < end)
		queues = queues_of(u, pool);
	/* Once more, for copies that were on their way. */
	queues |= queues_of(u, pool);
	if (queues == 1U << pool)
		return true;
	snprintf(error, n, "the frame for pool %u comes by queues %#x (as bits) instead of %u", pool, queues,
		pool);
	return false;
}

bool vh_vmdq_let_groups_in(const struct vh_uplink *u)
{
	static struct rte_ether_addr all[MULTICAST_HASHES];

	/* Every hash there is: DPDK's own "all multicast" does not reach pools. */
	/* The hash is cut from the last two bytes, whichever of the four ways the card does it. */
	for (uint32_t i = 0; i < MULTICAST_HASHES; i++)
		all[i] = (struct rte_ether_addr){{1, 0, 0x5e, 0, (uint8_t)(i << 4), (uint8_t)(i >> 4)}};
	return rte_eth_dev_set_mc_addr_list(u->eth, all, MULTICAST_HASHES) == 0;
}

/* Without a link the card does not even loop back. */
static bool wait_for_link(const struct vh_uplink *u)
{
	struct rte_eth_link link = {0};

	for (int ms = 0; ms < LINK_MS; ms += 10) {
		if (rte_eth_link_get_nowait(u->eth, &link) == 0 && link.link_status == RTE_ETH_LINK_UP)
			return true;
		rte_delay_us_sleep(10000);
	}
	return false;
}

/* Every pool but the default one in turn. Return: whether all get what is theirs. */
static bool prove_pools(const struct vh_uplink *u, char *error, size_t n)
{
	bool ok = true;

	for (uint16_t pool = 1; pool <= u->guests && ok; pool++) {
		struct rte_ether_addr mac = proof_address(pool);

		ok = rte_eth_dev_mac_addr_add(u->eth, &mac, pool) == 0;
		if (!ok)
			snprintf(error, n, "it takes no address for pool %u", pool);
		ok = ok && prove_pool(u, pool, error, n);
		/* vh_vmdq_flush() sends to it as long as there is a feed. */
		if (!ok || u->feed[pool] == NULL)
			(void)rte_eth_dev_mac_addr_remove(u->eth, &mac);
	}
	return ok;
}

/* Finds the registers of a card that loops by those. Return: whether it can be told to loop. */
static bool find_registers(struct vh_uplink *u)
{
	char pci[RTE_ETH_NAME_MAX_LEN];

	if (u->layout.loop == VH_LOOP_BY_DRIVER)
		return true;
	snprintf(pci, sizeof(pci), "%.*s", (int)strcspn(u->device, ","), u->device);
	u->registers = vh_igb_open(pci);
	return u->registers != NULL;
}

static void set_loop(const struct vh_uplink *u, bool on)
{
	if (u->registers != NULL)
		vh_igb_loop(u->registers, on);
}

bool vh_vmdq_prove(struct vh_uplink *u, bool loops, char *error, size_t n)
{
	bool ok;

	if (!wait_for_link(u)) {
		snprintf(error, n, "it has no link, so that it cannot be tried out");
		return false;
	}
	if (!find_registers(u)) {
		snprintf(error, n, "its registers, with which it is tried out, cannot be reached by vfio");
		return false;
	}
	set_loop(u, true);
	ok = prove_pools(u, error, n);
	u->loops = ok && loops;
	if (!u->loops)
		set_loop(u, false);
	return ok;
}

void vh_vmdq_leave(struct vh_uplink *u)
{
	vh_igb_close(u->registers);
	u->registers = NULL;
}

/* One guest's buffers are taken back at a time. */
static pthread_mutex_t flushing = PTHREAD_MUTEX_INITIALIZER;

bool vh_vmdq_loop_begin(const struct vh_uplink *u)
{
	if (!u->loops && u->registers == NULL)
		return false;
	pthread_mutex_lock(&flushing);
	if (!u->loops)
		set_loop(u, true);
	return true;
}

void vh_vmdq_flush(struct vh_uplink *u, uint16_t pool, uint32_t n)
{
	bool sent = true;

	vh_lock(&u->port.rx[0].lock);
	while (sent && n-- > 0)
		sent = send_proof(u, pool);
	vh_unlock(&u->port.rx[0].lock);
}

static bool is_sent(struct vh_uplink *u)
{
	bool sent;

	vh_lock(&u->port.rx[0].lock);
	sent = vh_uplink_has_sent(u);
	vh_unlock(&u->port.rx[0].lock);
	return sent;
}

void vh_vmdq_loop_end(struct vh_uplink *u)
{
	/* What is still on its way would go out to the network. */
	for (int us = 0; us < SENT_MS * 1000 && !is_sent(u); us += SENT_STEP_US)
		rte_delay_us_sleep(SENT_STEP_US);
	if (!u->loops)
		set_loop(u, false);
	pthread_mutex_unlock(&flushing);
}

static struct rte_ether_addr address_of(uint64_t key)
{
	struct rte_ether_addr mac;
	uint16_t vlan;

	vh_mac_key_bytes(key, mac.addr_bytes, &vlan);
	return mac;
}

uint64_t vh_vmdq_address(
	const struct vh_uplink *u, uint16_t pool, const struct vh_mac_entry *macs, uint32_t n)
{
	uint64_t found = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (macs[i].port != vh_vmdq_guest(pool))
			continue;
		if (found == 0 || macs[i].key == u->pool_key[pool])
			found = macs[i].key;
	}
	return found;
}

void vh_vmdq_bind(struct vh_uplink *u, uint16_t pool, uint64_t key)
{
	struct rte_ether_addr own, mac;

	if (u->pool_key[pool] == key)
		return;
	if (u->pool_key[pool] != 0) {
		mac = address_of(u->pool_key[pool]);
		(void)rte_eth_dev_mac_addr_remove(u->eth, &mac);
		u->pool_key[pool] = 0;
	}
	if (key == 0)
		return;
	mac = address_of(key);
	/* The card's own address cannot be taken away from it again. */
	if ((rte_eth_macaddr_get(u->eth, &own) != 0 || !rte_is_same_ether_addr(&own, &mac)) &&
		rte_eth_dev_mac_addr_add(u->eth, &mac, pool) == 0)
		u->pool_key[pool] = key;
}
