/*
 * Zero copy, network to guest: where a queue of a card belongs to one guest (VMDq, vmdq.h), the card is given
 * that guest's buffers.
 *
 * Theory of operation
 *   Drivers fill a receive queue up from a packet buffer pool whenever a frame has come, and DPDK has no
 * other way to say where the next frame shall go. So each pool of the card has a pool of packet buffers of
 * its own, a feed, with operations of our own: what is taken from it is repointed, at that moment, to a
 * receive buffer that the guest offers (virtio/rx_post.h), so that the card's bytes end up right behind the
 * virtio header. Where the guest offers none that fits, the packet buffer keeps its own memory, its home, and
 * the frame is copied like any other. What comes from the card in a guest's buffer has landed: it is judged
 * (switch/zc_rx_classify.h), and its chain goes back to the guest at once. A frame that is not the guest's is
 * dropped, and its buffer goes back to the pool as it is, for the next frame.
 *
 *   Only memory on loan (guest_dma.h) is given to a card. Half of a ring is left for deliveries by copying.
 *
 *       home --taken from the pool--> posted --landed--> home
 *                                       \--feed stopped, given back by the driver--> home
 *
 * Taking back
 *   A guest may do what it likes with its memory as soon as its queue has stopped, so by then the card must
 * have none of it. No call of DPDK's takes buffers out of a queue of igb's; but the card gives them back when
 * frames come. So it gets frames of ours, by the loop with which its pools were proved (vmdq.h). A card that
 * does not answer in time, for want of a link, say, loses the guest's memory in the IOMMU instead: what it
 * writes there from then on goes nowhere. Frames for the next guest would be lost by that, so it has no pool
 * before the card, asked again once a second, has given those buffers back as well.
 *
 * Threads: a feed is started on the control thread, under the lock of its guest's session, and ended by
 * whoever has that lock; between stop and end lies a quiescent state of the workers. The pool of packet
 * buffers, and what has landed, are the one worker's that polls the queue.
 */
#ifndef VH_DPDK_UPLINK_ZC_RX_H
#define VH_DPDK_UPLINK_ZC_RX_H

#include "guest_dma.h"
#include "uplink_state.h"

struct rte_eth_dev_info;
struct rte_mbuf;

/* Whether the queues of such a device can have feeds. */
bool vh_feed_is_for(const struct rte_eth_dev_info *info);

/* Makes the packet buffers of a pool's queue, which has `ring` descriptors, as large as those of u->pool.
 * Return: the feed, or NULL: no memory. */
struct vh_feed *vh_feed_make(struct vh_uplink *u, uint16_t pool, uint16_t ring);
struct rte_mempool *vh_feed_pool(const struct vh_feed *feed);

/* The device has closed its queue, or has stopped and gets other queues. */
void vh_feed_free(struct vh_feed *feed);

/* Gives the card buffers of this guest from now on, if that can be; says once why not. */
void vh_feed_start(struct vh_feed *feed, struct vh_switch *sw, struct vh_port *to);

/* No buffer of this guest's is given to a card any more after the next quiescent state. */
void vh_feed_stop(uint16_t port);

/*
 * Then: takes back what the card has, and returns the chains. answers: the card does, as far as is known;
 * otherwise it is not even asked.
 */
void vh_feed_end(uint16_t port, bool answers);

/*
 * Asks the card again, if it answers, for what a guest that has gone left with it; takes at most 100 ms. On
 * the control thread, under the session's lock. Return: whether a new guest may be bound to the pool: nothing
 * is left there, or it is that guest's own.
 */
bool vh_feed_is_clear(struct vh_feed *feed, bool answers);

/*
 * As rte_eth_rx_burst() for the feed's queue, of at most VH_BATCH frames. The first ones, *landed, have been
 * dealt with already and only have to be freed.
 */
uint16_t vh_feed_receive(
	struct vh_feed *feed, struct rte_mbuf **m, uint16_t *landed, struct vh_counters *own);

#endif
