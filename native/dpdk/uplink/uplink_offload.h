/*
 * Checksums, segmentation and VLAN tags that a card takes over.
 *
 * Theory of operation
 *   What a card offers is switched on when it is configured, without being asked for. Towards the network a
 * frame that its guest left unfinished (virtio/offload.h) is described to the card by lengths that we have
 * read ourselves, from our own copy; where the card does not do it, or the frame is none that cards
 * understand (switch/parse_l4.h), it comes here finished in software. A tag goes beside such a frame where
 * the card puts it in itself, since not every card finds headers behind a tag; into other frames it is copied
 * anyway. From the network a card's word that a checksum is right is handed on to guests that want to know.
 *
 * Trust
 *   A guest may change its frame at any time: it is looked at in guest memory to choose the way, and in our
 * copy to describe it. One that is no longer what it was is sent as the bytes that it is, or dropped where
 * that is too long. What is longer than the card was configured to send goes to it only to be cut, into
 * segments that are not.
 */
#ifndef VH_DPDK_UPLINK_UPLINK_OFFLOAD_H
#define VH_DPDK_UPLINK_UPLINK_OFFLOAD_H

#include "uplink_state.h"

struct rte_eth_conf;
struct rte_eth_dev_info;
struct rte_mbuf;

/* Asks for what the device offers, and writes down in the uplink what that is. */
void vh_uplink_choose_offloads(
	struct vh_uplink *u, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);

/* struct vh_uplink_ops: whether the device finishes this frame of a guest's. */
bool vh_uplink_takes(const struct vh_port *port, const struct vh_batch *b, uint8_t frame);

/* As struct vh_uplink_ops deliver(), for batches in which some frames are unfinished. */
void vh_uplink_deliver_unfinished(struct vh_uplink *u, uint16_t queue, const struct vh_batch *b,
	const uint8_t *which, uint32_t n, struct vh_counters *own);

/* Whether the card says of the frame that came in this buffer that its checksums are right, and can know. */
bool vh_uplink_checked(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len);

/* Marks the last frame of the batch as checked where the card says so of the buffer it came in. */
void vh_uplink_note_verdict(struct vh_batch *b, const struct rte_mbuf *m);

#endif
