/*
 * Where a packed ring is, for a switch that takes the ring over from one that died.
 *
 * Theory of operation
 *   A split ring's used index lies in guest memory. In a packed ring nobody but the device knows how far it
 * is: a used entry stands for as many entries as its chain had, and overwrites what said how many
 * (virtio 1.2, 2.8). A front end that lost its back end says the place at which the ring was last started. So
 * each queue of a packed ring keeps a record in memory that outlives the process, written by whoever owns the
 * queue:
 *
 *     was[k] = what entry k + 1 of the round overwrites, before it is written; nobody sees it yet
 *     last   = from, to: right before the round's first entry is written, which shows them all
 *
 * or, for a round whose frames have all been sent and whose chains have one entry each, so that the ring
 * itself says what is to be written (the buffer's id stays where it is), only
 *
 *     last   = from, to, VH_RECORD_SENT: before any of the round's entries is written
 *
 *   A process that is killed leaves a prefix of its stores. So whoever reads the record later finds one of
 *
 *     last says      entry `from`       then
 *     from == to     -                  the queue is at `to`, where it started
 *     from != to     as it was offered  the round was not shown: the queue is at `from`; after
 *                                       VH_RECORD_SENT it is written and shown now: the queue is at `to`
 *     from != to     anything else      it was: the queue is at `to`
 *
 * and, from that place on, entries of a round that was never shown, which get back what they were; their
 * chains are taken again. What comes to entry `from` once it was shown, the driver's next offer and even that
 * one's used entry, has the wrap counter of the next lap. So no chain is lost and none comes back twice;
 * frames of a round that was not completed are delivered again.
 *
 *   This needs that chains come back in the order in which they were taken.
 *
 * Whether a record is that of the ring which a front end offers
 *   It is in force from the start of the ring until the front end was told the ring's place (GET_VRING_BASE),
 * and for a ring of the same size at the same addresses that the front end says to be where it said when the
 * record began. A driver that starts anew clears its ring: a ring that was ever served has words in the
 * device's event suppression area (vh_vq_start(), vh_txq_discard()), a new one has none. In all other cases
 * the front end knows better.
 *
 * Trust: the record is the switch's own. The ring is the guest's; whatever it says, a place is within the
 * ring and entries get back only what stood in this ring.
 */
#ifndef VH_VIRTIO_RING_RECORD_H
#define VH_VIRTIO_RING_RECORD_H

#include "virtq_state.h"

/* Bytes of a record that a ring of this size uses. */
uint64_t vh_ring_record_bytes(uint32_t size);

/* The front end has been told the ring's place. Any thread. */
void vh_ring_record_void(struct vh_ring_record *r);

/*
 * Brings the record up to date for a paused queue that was just set up from `c` (addresses checked), and the
 * queue's place with it: c->rejoin decides who knows it. Return: NULL, or why the place is not known.
 */
const char *vh_ring_record_settle(struct vh_vq *vq, const struct vh_vq_config *c);

#endif
