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

#include "uplink_state.h"

struct vh_uplink_options {
	const char *name, *device;
	uint16_t queues;
	uint32_t mtu;	  /* 0: the device's own */
	uint32_t buffers; /* of the pool; 0: as many as needed */
	uint32_t workers;
	bool flood_unknown_unicast;
	bool forward_reserved;
	uint16_t pools; /* VMDq, where the device has it, for so many guests at most; 0: not at all */
	bool loops;	/* the card switches between guests, or the uplink is refused */
};

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
