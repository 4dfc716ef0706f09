/*
 * Zero copy, guest to network: uplinks send guests' frames from where they are.
 *
 * Theory of operation
 *   The first bytes of a frame, which were looked at or changed, and frames that are short, are copied into
 * the uplink's own buffers. What follows is attached behind them as external buffers of DPDK's, which point
 * into the guest's memory (guest_dma.h); its chain is out (virtio/tx_inflight.h) until the driver has freed
 * them all. A guest that writes to a frame after it was offered changes what it sends itself, behind headers
 * that are ours. What cannot be sent that way (unfinished checksums, scattered buffers, memory that the card
 * does not reach, a second uplink) is copied.
 *
 *   Drivers free what was sent only when they need the room, and how they are to be asked before differs:
 * igb's rte_eth_tx_done_cleanup() makes it take frames of several pieces for unsent ones for good (22.11). So
 * the worker of a queue whose first chain is out looks whether the newest descriptor is done, and with it all
 * before; then the chains are back, whenever the driver frees its buffers. Between a chain and the buffers
 * stands a ticket, which outlives either. Only drivers that are known to tell the truth there are taken.
 *
 *   A queue that stops waits for its frames, some time; then it returns its chains whatever the card does,
 * and what is out keeps the loan.
 *
 * Threads: vh_direct_fill() and the hold's tidy() are the workers'; the rest as guest_dma.h.
 */
#ifndef VH_DPDK_UPLINK_ZC_TX_H
#define VH_DPDK_UPLINK_ZC_TX_H

#include "uplink_state.h"

struct rte_eth_conf;
struct rte_eth_dev_info;
struct rte_mbuf;

/* --zero-copy, --rx-desc-num and --tx-desc-num. */
struct vh_direct_options {
	bool on;
	uint16_t rx_descriptors, tx_descriptors; /* of each queue of an uplink */
};

/* Once, before there are ports and uplinks. */
void vh_direct_start(const struct vh_direct_options *options);
bool vh_direct_is_on(void);

/* Gives a transmit queue that is about to start a hold, if the port's memory is on loan. */
void vh_direct_begin(uint16_t port, struct vh_vq *vq);

/* When queues that stop now have waited for long enough. */
uint64_t vh_direct_deadline(void);

/* Takes the hold from a queue that no worker uses any more, when nothing is out or at the deadline. */
void vh_direct_end(struct vh_vq *vq, struct vh_counters *own, uint64_t deadline);

/* Sets what a device must be told before it starts. Return: 0, or a negative errno with the reason. */
int vh_direct_configure(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, uint16_t *rx,
	uint16_t *tx, char *error, size_t n);

/* Of an uplink whose device has started. Return: 0, or a negative errno with the reason. */
int vh_direct_join(struct vh_uplink *u, char *error, size_t n);

/* It sends nothing any more: no worker asks for its frames after the next quiescent state. */
void vh_direct_leave(struct vh_uplink *u);

/* Its device has vanished, perhaps for good: what it was to send is given back. */
void vh_direct_halt(struct vh_uplink *u);

/* What its device has sent back to itself and nobody takes any more is given back; before the device stops.
 */
void vh_direct_drain(const struct vh_uplink *u);

/* Its device has stopped and given everything back. */
void vh_direct_close(struct vh_uplink *u);

/* The caller is about to give these to the device, under the lock of the uplink's rx[0]. */
void vh_direct_sending(const struct vh_uplink *u, struct rte_mbuf *const *m, uint16_t n);

/*
 * Makes the frame in `m`, an empty buffer of the uplink's, and buffers chained to it, for a batch with a
 * hold. Return: false where it must be copied; then nothing has changed.
 */
bool vh_direct_fill(const struct vh_uplink *u, struct rte_mbuf *m, const struct vh_batch *b, uint8_t which);

#endif
