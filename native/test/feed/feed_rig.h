/*
 * A guest with a pool of a card's, for tests of feeds. The card is played: it has a ring of packet buffers
 * that it takes and fills as DPDK's igb driver does, hands over by net_ring, and writes to guest memory only
 * where an IOMMU, which is played too, lets it.
 */
#ifndef VH_TEST_FEED_RIG_H
#define VH_TEST_FEED_RIG_H

#include "../../dpdk/uplink/zc_rx_priv.h"
#include "../eal/shared_memory.h"
#include "../rig/rig.h"

#define CARD_RING 32U
#define TAG 1000U

extern struct rig *rig;
extern struct vh_uplink *uplink;
extern struct vh_feed *feed;
extern struct rte_vhost_memory *table;

/* What the code under test has said last. */
extern char said[];
/* Whether the card gives back what it has when it is asked to, with frames of ours. */
extern bool card_answers;
extern uint32_t card_lost; /* frames that the IOMMU has kept out of guest memory */

/* Once: the uplink and its feed. */
void card_make(void);
void card_close(void);

/* A guest that has offered `n` buffers of `size` bytes, whose memory is on loan; its feed is not started. */
void guest_enters(uint64_t features, uint32_t n, uint32_t size, enum guest_layout layout, bool keep_tag);
/* Its feed is stopped and ended, as a session does, and its memory given back; it is gone with leave(). */
void guest_stops(void);
void guest_leaves(void);

/* A frame for the guest from outside; stripped: without its tag, which is told beside it. */
void card_receives(const uint8_t *frame, uint32_t len, bool stripped, uint16_t tag);
/* Where in the guest's memory the next frame will be, with its virtio header. */
const uint8_t *card_next(void);
/* One turn of the worker. Return: frames that it had. */
uint32_t worker_turn(void);
/* Frame `seq` for the guest comes, and the worker takes it. */
void deliver(uint32_t seq, uint32_t len);
/* Home buffers go through the card until all it has is the guest's, if it offers so many. */
void fill_card(void);
/* Packet buffers that are in guest memory. */
uint32_t posted(void);
/* Frames that have landed. */
uint64_t landed(void);

#endif
