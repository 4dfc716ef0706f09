/*
 * VMDq: a card that sorts frames into pools by address and VLAN tag, so that a guest's frames come by a queue
 * of their own, which the worker that serves this guest polls.
 *
 * Theory of operation
 *   Only `auto` guests (core/vlan.h) have a tag that is theirs alone. Pool k > 0 takes tag VH_VLAN_TAG_BASE +
 * k - 1 with the address of that guest, which is added when the switch has learned it and taken away when the
 * guest is gone. Pool 0 is the card's default: all else comes there, and is sorted in software, as without
 * VMDq: strays, guests beyond the pools, other VLAN modes, a guest's second address.
 *
 *   The card is not trusted with anything: what comes by a guest's pool is sorted by the same rules. Group
 * frames without the pool's tag are copies of what pool 0 got, and are thrown away.
 *
 *   Which queue is a pool's differs from driver to driver, and drivers do not tell: there is a table of those
 * that are known, and each card shows at its start, with frames that it loops back, that it does what the
 * table says. One that does not is used without VMDq.
 *
 * Threads: the control thread's.
 */
#ifndef VH_DPDK_VMDQ_H
#define VH_DPDK_VMDQ_H

#include "uplink.h"

struct rte_eth_conf;
struct rte_eth_dev_info;

/* How many pools a device is used with. Return: 0 where it has none, or none that this switch knows to use.
 */
uint16_t vh_vmdq_pools(const struct rte_eth_dev_info *info);

/* Asks for pools, each with one queue. */
void vh_vmdq_configure(struct rte_eth_conf *conf, uint16_t pools);

/*
 * Lets every pool have a frame of ours from the running device, and looks where it comes out; then lets group
 * frames in. Return: whether all is as it should be, or false with the reason.
 */
bool vh_vmdq_prove(struct vh_uplink *u, char *error, size_t n);

/* Gives a pool an address (vh_mac_key()), or takes it away with 0. Return: whether something changed. */
bool vh_vmdq_bind(struct vh_uplink *u, uint16_t pool, uint64_t key);

#endif
