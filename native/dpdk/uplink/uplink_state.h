/*
 * Internal to native/dpdk/uplink: an uplink as its parts know it. Each part has its fields; uplink.h is what
 * others see.
 */
#ifndef VH_DPDK_UPLINK_UPLINK_STATE_H
#define VH_DPDK_UPLINK_UPLINK_STATE_H

#include "vmdq_layout.h"
#include "../../switch/switch.h"

/* A device's name and its arguments. */
#define VH_MAX_DEVICE 512
#define VH_MAX_REMARK 192

struct rte_device;
struct rte_mempool;
struct vh_feed;

enum vh_uplink_state { VH_UPLINK_DOWN, VH_UPLINK_UP, VH_UPLINK_GONE };

/* What the device does of itself (uplink_offload.h). */
struct vh_uplink_offloads {
	bool tx_csum, tso, vlan_insert, rx_csum;
};

struct vh_uplink {
	struct vh_port port;					 /* first: operations find the uplink by it */
	struct vh_vq rx[VH_UPLINK_QUEUES], tx[VH_UPLINK_QUEUES]; /* the port's */
	char name[VH_MAX_NAME];
	char device[VH_MAX_DEVICE]; /* as it was asked for */
	uint16_t eth;		    /* DPDK's number of it */
	uint16_t queue_worker[VH_UPLINK_QUEUES];
	uint32_t longest; /* frame that it sends */
	struct vh_uplink_offloads offloads;
	char remark[VH_MAX_REMARK]; /* of its interface (uplink_netdev.h), or "" */
	unsigned int interface;	    /* index of the kernel's interface behind it, or 0 */
	struct rte_mempool *pool;
	struct rte_device *backing;
	uint16_t queue[VH_UPLINK_QUEUES]; /* the device's, by the port's pair */
	/* VMDq (vmdq.h): device numbers below this have a pool each, or 0; the address that each pool has, or
	 * 0. */
	uint16_t guests;
	struct vh_pool_layout layout;
	uint64_t pool_key[VH_UPLINK_QUEUES];
	/* Zero copy (zc_tx.h): buffers for what is not copied, or NULL; frames sent so, by worker. */
	struct rte_mempool *pieces, *tickets;
	bool loaned;		 /* it reaches only memory that it was given, and is asked what it has sent */
	uint16_t tx_descriptors; /* of its transmit queue */
	uint64_t lent[VH_MAX_WORKERS + 1];
	/* And from network to guest (zc_rx.h): of each pool, or NULL; frames that have landed, by worker. */
	struct vh_feed *feed[VH_POOLS];
	uint64_t landed[VH_MAX_WORKERS + 1];
	bool loops;		      /* the card loops frames back all the time */
	volatile uint32_t *registers; /* of a card that is told so by register (igb_loopback.h), or NULL */
};

/* The device number whose tag is a pool's (pool > 0). */
static inline uint16_t vh_vmdq_guest(uint16_t pool)
{
	return (uint16_t)(pool - 1);
}

#endif
