/*
 * Uplinks: DPDK's Ethernet devices as ports of the switch.
 *
 * Theory of operation
 *   A device is attached to a bus of EAL's by name (a PCI address, or a virtual device with its arguments),
 * configured, and started; its port is then one of the switch's, with operations where a guest has rings
 * (struct vh_uplink_ops). Each receive queue belongs to one worker, as a guest's transmit queue does; frames
 * stay in the driver's buffers until every receiver has them. There are as many transmit queues
 * as receive queues (one, where those are VMDq's), each for the flows that hash to it; a worker sends by one
 * under the lock of that rx[], into buffers of the uplink's own pool. A full device is not waited for.
 *
 *   Pool: as many buffers as the device's rings, a round in work and the parked ones can hold, and what the
 * workers' caches may keep; each has room for the longest frame that the MTU allows, so that no frame is ever
 * spread over several. It is there only as long as the uplink is.
 *
 * Threads: all functions are for the control thread; the operations are the workers'. An uplink is closed
 * when no worker knows its port any more.
 */
#ifndef VH_DPDK_UPLINK_UPLINK_H
#define VH_DPDK_UPLINK_UPLINK_H

#include "vmdq_layout.h"
#include "../vhost/session.h"

/* A device's name and its arguments. */
#define VH_MAX_DEVICE 512
#define VH_MAX_REMARK 192

struct rte_device;
struct rte_mempool;
struct vh_feed;

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
	char remark[VH_MAX_REMARK]; /* of its interface (uplink_interface.h), or "" */
	unsigned int interface;	    /* index of the kernel's interface behind it, or 0 */
	struct rte_mempool *pool;
	struct rte_device *backing;
	uint16_t queue[VH_UPLINK_QUEUES]; /* the device's, by the port's pair */
	/* VMDq (vmdq.h): device numbers below this have a pool each, or 0; the address that each pool has, or
	 * 0. */
	uint16_t guests;
	struct vh_pool_layout layout;
	uint64_t pool_key[VH_UPLINK_QUEUES];
	/* Zero copy (direct.h): buffers for what is not copied, or NULL; frames sent so, by worker. */
	struct rte_mempool *pieces, *tickets;
	bool loaned;		 /* it reaches only memory that it was given, and is asked what it has sent */
	uint16_t tx_descriptors; /* of its transmit queue */
	uint64_t lent[VH_MAX_WORKERS + 1];
	/* And from network to guest (feed.h): of each pool, or NULL; frames that have landed, by worker. */
	struct vh_feed *feed[VH_POOLS];
	uint64_t landed[VH_MAX_WORKERS + 1];
	bool loops;		      /* the card loops frames back all the time */
	volatile uint32_t *registers; /* of a card that is told so by register (igb_loop.h), or NULL */
};

/* The device number whose tag is a pool's (pool > 0). */
static inline uint16_t vh_vmdq_guest(uint16_t pool)
{
	return (uint16_t)(pool - 1);
}

struct vh_uplink_options {
	const char *name, *device;
	uint16_t queues;
	uint32_t mtu;	  /* 0: the device's own */
	uint32_t buffers; /* of the pool; 0: as many as needed */
	uint32_t workers;
	bool flood_strays;
	bool forward_reserved;
	uint16_t pools; /* VMDq, where the device has it, for so many guests at most; 0: not at all */
	bool loops;	/* the card switches between guests, or the uplink is refused */
};

enum vh_uplink_state { VH_UPLINK_DOWN, VH_UPLINK_UP, VH_UPLINK_GONE };

struct vh_uplink_info {
	uint16_t id;
	const char *name, *device, *driver, *remark; /* valid until the uplink is removed */
	enum vh_uplink_state state;
	uint8_t mac[6];
	uint32_t speed_mbps; /* 0: unknown */
	uint32_t mtu;
	uint16_t queues;
	struct vh_uplink_offloads offloads;
	uint16_t queue_worker[VH_UPLINK_QUEUES];
	uint32_t buffers, buffers_free;
	uint16_t guests; /* device numbers below this have a pool each; 0: all is sorted in software */
	uint64_t pool_key[VH_UPLINK_QUEUES];
	bool zero_copy;
	uint64_t lent, landed; /* frames sent and received without a copy */
	/* The device's own counters. */
	uint64_t rx_missed, rx_errors, rx_no_buffer, tx_errors;
	struct vh_counters counters;
};

/*
 * Attaches and starts the device; frames are moved only after vh_uplink_start() on its port, which is the
 * caller's. Return: NULL with a negative errno in *result and the reason in `error`.
 */
struct vh_uplink *vh_uplink_open(
	const struct vh_uplink_options *o, uint16_t id, int *result, char *error, size_t n);

/* The longest frame that it sends with one VLAN tag, that included. */
uint32_t vh_uplink_longest_tagged(const struct vh_uplink *u);

/* Stops and detaches the device, and frees everything. */
void vh_uplink_close(struct vh_uplink *u);

/* Whether there is still a device behind it, and whether that has a link. */
enum vh_uplink_state vh_uplink_state(const struct vh_uplink *u);

void vh_uplink_look(const struct vh_uplink *u, struct vh_uplink_info *out);

#endif
