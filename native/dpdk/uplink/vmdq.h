/*
 * VMDq: a card that sorts frames into pools by address and VLAN tag, so that a guest's frames come by a queue
 * of their own, which the worker that serves this guest polls.
 *
 * Theory of operation
 *   Only `auto` guests (base/vlan.h) have a tag that is theirs alone. Pool k > 0 takes tag VH_VLAN_TAG_BASE +
 * k - 1 with the address of that guest, which is added when the switch has learned it and taken away when the
 * guest is gone. Pool 0 is the card's default: all else comes there, and is sorted in software, as without
 * VMDq: unknown unicast, guests beyond the pools, other VLAN modes, a guest's second address.
 *
 *   The card is not trusted with anything: what comes by a guest's pool is sorted by the same rules. Group
 * frames without the pool's tag are copies of what pool 0 got, and are thrown away.
 *
 *   Which queue is a pool's differs from driver to driver (vmdq_layout.h). Each card shows at its start, with
 * frames that it loops back, that it does what is known of its kind. One that does not is used without VMDq.
 * Where the card shall switch between guests (--vm2vm 2, switch/vlan_rules.h), it goes on looping frames
 * back.
 *
 * Threads: the control thread's, but for what is said of a function.
 */
#ifndef VH_DPDK_UPLINK_VMDQ_H
#define VH_DPDK_UPLINK_VMDQ_H

#include "uplink_state.h"

struct rte_eth_conf;
struct rte_eth_dev_info;

/* How a device's pools are to be used. */
struct vh_pool_layout vh_vmdq_layout(const struct rte_eth_dev_info *info);

/* Asks for pools, of which the first `guests` behind the default one are for guests. loops: whether the
 * driver shall let the card loop frames back, if it is one that can. */
void vh_vmdq_configure(struct rte_eth_conf *conf, uint16_t guests, bool loops);

/* Lets the running device take all multicast. Return: whether it does. */
bool vh_vmdq_let_groups_in(const struct vh_uplink *u);

/*
 * Lets every guest's pool have a frame of ours from the running device, and looks where it comes out. loops:
 * the card shall go on looping frames back. Return: whether all is as it should be, or false with the reason.
 */
bool vh_vmdq_prove(struct vh_uplink *u, bool loops, char *error, size_t n);

/* The device is about to be closed, or has shown nothing. */
void vh_vmdq_leave(struct vh_uplink *u);

/*
 * Frames of ours for a pool that has a feed (zc_rx.h), from any thread; between the first and the last of
 * these calls the card loops frames back. Return of the first: whether it can; then the last one must follow.
 */
bool vh_vmdq_loop_begin(const struct vh_uplink *u);
void vh_vmdq_flush(struct vh_uplink *u, uint16_t pool, uint32_t n);
void vh_vmdq_loop_end(struct vh_uplink *u);

/* Whether a frame, of VH_MIN_FRAME bytes at least, is such a one. */
bool vh_vmdq_is_ours(const uint8_t *frame);

/* The address by which a pool is to be reached: the one it has, as long as its guest has that; 0: none. */
uint64_t vh_vmdq_address(
	const struct vh_uplink *u, uint16_t pool, const struct vh_mac_entry *macs, uint32_t n);

/* Gives a pool this address (vh_mac_key()), or none with 0; u->pool_key says what it has then. */
void vh_vmdq_bind(struct vh_uplink *u, uint16_t pool, uint64_t key);

#endif
