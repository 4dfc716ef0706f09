#include "vmdq.h"

#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_vfio.h>

/* How long a frame of ours may take from the card's transmit queue to a receive queue. */
#define PROOF_MS 200
#define LINK_MS 3000
#define PROOF_TYPE 0x88b5 /* local experimental EtherType 1 (IEEE 802) */
#define PROOF_LENGTH 64U
/* Of 12 bits of a multicast address the card makes its filter (82576 datasheet, 8.10.15). */
#define MULTICAST_HASHES 4096

/* Register that loops frames back (82576 datasheet, 8.14: DTXSWC), and its bit for that. */
#define IGB_DTXSWC 0x3500
#define IGB_LOOPBACK (1U << 31)
#define IGB_BAR_BYTES 0x20000

/*
 * Drivers whose pools are used: pool k has queue k, and the VLAN table has so many entries. Others have pools
 * as well; none is added without a card to prove it on.
 */
static const struct known {
	const char *driver;
	uint16_t filters;
} known[] = {{.driver = "net_e1000_igb", .filters = 32}};

static const struct known *find(const char *driver)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].driver, driver) == 0)
			return &known[i];
	return NULL;
}

uint16_t vh_vmdq_pools(const struct rte_eth_dev_info *info)
{
	/* One size that all of these cards have; also as many queues as a port has room for. */
	return info->max_vmdq_pools >= RTE_ETH_8_POOLS && info->max_rx_queues >= RTE_ETH_8_POOLS &&
			       find(info->driver_name) != NULL
		       ? RTE_ETH_8_POOLS
		       : 0;
}

void vh_vmdq_configure(struct rte_eth_conf *conf, uint16_t pools)
{
	struct rte_eth_vmdq_rx_conf *c = &conf->rx_adv_conf.vmdq_rx_conf;

	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_VMDQ_ONLY;
	c->nb_queue_pools = (enum rte_eth_nb_pools)pools;
	c->enable_default_pool = 1;
	c->default_pool = 0;
	/* Untagged frames are group frames of other modes, or strays: pool 0 needs the first, and has the
	 * second. */
	c->rx_mode = RTE_ETH_VMDQ_ACCEPT_BROADCAST | RTE_ETH_VMDQ_ACCEPT_MULTICAST |
		     RTE_ETH_VMDQ_ACCEPT_HASH_MC | RTE_ETH_VMDQ_ACCEPT_UNTAG;
	/* Group frames with a tag that is in no entry are lost in the card, so the rest of them are pool 0's.
	 */
	c->nb_pool_maps = known[0].filters;
	for (uint32_t i = 0; i < c->nb_pool_maps; i++) {
		c->pool_map[i].vlan_id = (uint16_t)(VH_VLAN_TAG_BASE + i);
		c->pool_map[i].pools = i + 1 < pools ? 1ULL << (i + 1) : 1;
	}
}

static struct rte_ether_addr proof_address(uint16_t pool)
{
	return (struct rte_ether_addr){{2, 'v', 'h', 'o', 's', (uint8_t)pool}};
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
	uint16_t n = rte_eth_rx_burst(u->eth, queue, m, VH_BATCH);
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

#define SYSFS_PCI "/sys/bus/pci/devices"

/* The card's registers, by a way of our own to the device: drivers keep theirs to themselves. */
struct registers {
	int fd;
	volatile uint32_t *at; /* NULL: they cannot be reached */
};

static struct registers map_registers(const char *pci)
{
	struct vfio_device_info device = {.argsz = sizeof(device)};
	struct vfio_region_info bar = {.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX};
	struct registers r = {.fd = -1};
	void *p;

	if (rte_vfio_setup_device(SYSFS_PCI, pci, &r.fd, &device) != 0)
		return r;
	if (ioctl(r.fd, VFIO_DEVICE_GET_REGION_INFO, &bar) == 0 && bar.size >= IGB_BAR_BYTES) {
		p = mmap(NULL, IGB_BAR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, (off_t)bar.offset);
		r.at = p == MAP_FAILED ? NULL : p;
	}
	if (r.at == NULL)
		rte_vfio_release_device(SYSFS_PCI, pci, r.fd);
	return r;
}

static void unmap_registers(struct registers *r, const char *pci)
{
	munmap((void *)(uintptr_t)r->at, IGB_BAR_BYTES);
	rte_vfio_release_device(SYSFS_PCI, pci, r->fd);
}

/* Every hash there is, so that all multicast frames come; DPDK's own "all multicast" does not reach pools. */
static bool let_multicast_in(const struct vh_uplink *u)
{
	static struct rte_ether_addr all[MULTICAST_HASHES];

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

	for (uint16_t pool = 1; pool < u->port.pairs && ok; pool++) {
		struct rte_ether_addr mac = proof_address(pool);

		ok = rte_eth_dev_mac_addr_add(u->eth, &mac, pool) == 0;
		if (!ok)
			snprintf(error, n, "it takes no address for pool %u", pool);
		ok = ok && prove_pool(u, pool, error, n);
		(void)rte_eth_dev_mac_addr_remove(u->eth, &mac);
	}
	return ok;
}

bool vh_vmdq_prove(struct vh_uplink *u, char *error, size_t n)
{
	char pci[RTE_ETH_NAME_MAX_LEN];
	struct registers r;
	uint32_t before;
	bool ok;

	if (!wait_for_link(u)) {
		snprintf(error, n, "it has no link, so that it cannot be tried out");
		return false;
	}
	snprintf(pci, sizeof(pci), "%.*s", (int)strcspn(u->device, ","), u->device);
	r = map_registers(pci);
	if (r.at == NULL) {
		snprintf(error, n, "its registers, with which it is tried out, cannot be reached by vfio");
		return false;
	}
	before = r.at[IGB_DTXSWC / 4];
	r.at[IGB_DTXSWC / 4] = before | IGB_LOOPBACK;
	ok = prove_pools(u, error, n);
	r.at[IGB_DTXSWC / 4] = before;
	unmap_registers(&r, pci);
	if (ok && !let_multicast_in(u)) {
		snprintf(error, n, "it cannot be told to let all multicast in");
		return false;
	}
	return ok;
}

static struct rte_ether_addr address_of(uint64_t key)
{
	struct rte_ether_addr mac;
	uint16_t vlan;

	vh_mac_key_bytes(key, mac.addr_bytes, &vlan);
	return mac;
}

bool vh_vmdq_bind(struct vh_uplink *u, uint16_t pool, uint64_t key)
{
	struct rte_ether_addr own, mac;

	if (u->pool_key[pool] == key)
		return false;
	if (u->pool_key[pool] != 0) {
		mac = address_of(u->pool_key[pool]);
		(void)rte_eth_dev_mac_addr_remove(u->eth, &mac);
		u->pool_key[pool] = 0;
		if (key == 0)
			return true;
	}
	mac = address_of(key);
	/* The card's own address cannot be taken away from it again. */
	if ((rte_eth_macaddr_get(u->eth, &own) == 0 && rte_is_same_ether_addr(&own, &mac)) ||
		rte_eth_dev_mac_addr_add(u->eth, &mac, pool) != 0)
		return false;
	u->pool_key[pool] = key;
	return true;
}
