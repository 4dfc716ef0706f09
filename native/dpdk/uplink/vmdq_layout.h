/*
 * Which cards' VMDq is used, and how their drivers number queues. Pure: no DPDK in here.
 *
 * Theory of operation
 *   DPDK tells how many pools a device has, but not by which queue a pool's frames come; each driver does it
 * as its card does. The table has what the drivers' sources say (DPDK 22.11, drivers/net). It is believed of
 * no card: each shows at its start that it sorts that way (vmdq.h), or is used without VMDq.
 *
 *   Not in it is i40e, whose pools are virtual interfaces beside the port's own. That one has to be
 * promiscuous for unknown unicast and for guests beyond the pools, and then gets copies of what comes from
 * the cable for pools, which frames that the card loops back do not show. Nor bnxt, dpaa, dpaa2 and fm10k,
 * where no source says which queue is whose.
 */
#ifndef VH_DPDK_UPLINK_VMDQ_LAYOUT_H
#define VH_DPDK_UPLINK_VMDQ_LAYOUT_H

#include "../../base/defs.h"

/*
 * VLANs that each of these cards tells apart (82576 datasheet, 8.10.19: VLVF has 32 entries); group frames
 * with others would be lost in it. Devices from this number on do without VMDq.
 */
#define VH_POOL_TAGS 32
/* Pools that are used, the default one included: what the smallest of these cards has. */
#define VH_POOLS 8

_Static_assert(VH_POOLS <= VH_UPLINK_QUEUES, "every pool has a queue of the uplink's port");

/* How a card is made to give frames back that are for one of its pools. */
enum vh_pool_loop {
	VH_LOOP_BY_DRIVER,   /* rte_eth_vmdq_rx_conf.enable_loop_back, before it starts */
	VH_LOOP_BY_REGISTER, /* igb_loopback.h, while it runs */
};

struct vh_pool_layout {
	uint16_t pools;		  /* VH_POOLS, or 0: no VMDq */
	uint16_t queues;	  /* that have to be set up */
	uint16_t queue[VH_POOLS]; /* by which a pool's frames come */
	enum vh_pool_loop loop;
};

/* How a device is used that has so many pools and receive queues at most. */
struct vh_pool_layout vh_pool_layout(const char *driver, uint16_t max_pools, uint16_t max_queues);

/* Whether a queue is some pool's. */
bool vh_pool_has_queue(const struct vh_pool_layout *layout, uint16_t queue);

#endif
