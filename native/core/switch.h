/*
 * Forwarding between ports: learning, lookup, flooding, and sorting a round of frames by destination.
 *
 * Theory of operation
 *   One call of vh_switch_poll() is one round on one transmit queue: collect frames, learn their sources, put
 *   each frame's number on the list of every port it goes to, deliver list by list, complete. A frame's order
 *   towards one port is the order in which it was sent, whether it was flooded or not.
 *
 * Threads and owners
 *   struct vh_switch and the ports are made, published and freed by the control thread. Workers read the port
 *   list and port pointers, and hold them no longer than one round; the control thread frees what it has
 *   withdrawn only after every worker was quiescent once. A lane belongs to one worker.
 */
#ifndef VH_CORE_SWITCH_H
#define VH_CORE_SWITCH_H

#include "mac_table.h"
#include "virtq.h"

/* The original's scheme: a device's VLAN tag towards the network is 1000 + its number. */
#define VH_VLAN_TAG_BASE 1000

struct vh_port {
	uint16_t id;	  /* device number, index in vh_switch.port */
	uint16_t pairs;	  /* queue pairs it was made with */
	uint16_t rx_live; /* receive queues [0, rx_live) take frames; written by the control thread, atomic */
	struct vh_vq rx[VH_MAX_PAIRS];
	struct vh_vq tx[VH_MAX_PAIRS];
	struct vh_counters counters[VH_MAX_WORKERS];
};

/* The ports that exist, in ascending order; immutable once published. */
struct vh_port_list {
	uint32_t n;
	struct vh_port *port[VH_MAX_PORTS];
};

/* Called by a worker when a port's address was learned or moved; must not block. */
typedef void (*vh_learn_hook)(void *context, uint16_t port, uint64_t key, bool moved);

struct vh_switch {
	const struct vh_port_list *list;    /* atomic; what a flood goes to */
	struct vh_port *port[VH_MAX_PORTS]; /* atomic; NULL = no such port */
	vh_learn_hook on_learn;
	void *hook_context;
	struct vh_mac_table macs;
};

/* A worker's scratch space. */
struct vh_lane {
	uint16_t worker; /* which counter block of a port is ours */
	uint16_t n_dst;
	uint32_t now;			       /* seconds; set by the worker */
	uint16_t dst[VH_MAX_PORTS];	       /* ports with frames on their list this round */
	uint8_t count[VH_MAX_PORTS];	       /* length of each list; all 0 between rounds */
	uint8_t which[VH_MAX_PORTS][VH_BATCH]; /* the lists: frame numbers */
	struct vh_batch batch;
};

/* seed: random, for the address table. */
void vh_switch_init(struct vh_switch *sw, uint64_t seed);

/* One round on transmit queue `pair` of `port` (live, ours). Return: how many chains were taken. */
uint32_t vh_switch_poll(struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint16_t pair);

/* Adds up the counters of all workers. */
void vh_port_counters(const struct vh_port *port, struct vh_counters *sum);

#endif
