/*
 * Virtqueues as the device sees them: split (virtio 1.2, 2.7) and packed (2.8).
 *
 * Theory of operation
 *   A transmit queue is read in rounds: vh_txq_collect() takes up to VH_BATCH chains and resolves them to
 * frames that point into the sender's memory; the switch copies each frame once, straight into the receivers'
 * buffers (vh_rxq_deliver()); vh_txq_complete() then hands the chains back. Used indexes are published once
 * per round.
 *
 * Trust
 *   Everything in guest memory may change while it is read. A descriptor is loaded once into a local; that
 * copy is checked and only that copy is used. Chains are bounded by the ring size, indirect tables do not
 * nest, and an address is used only after the whole of its range was translated. A malformed chain goes back
 * to its guest with length 0 and is counted; an index outside the ring marks the queue broken until it is set
 * up again.
 *
 * State and owners
 *   paused --vh_vq_start()--> live --vh_vq_stop() + quiescence of all workers--> paused
 *   While paused the control thread owns all fields. While live a transmit queue belongs to the one worker
 * that polls it; a receive queue belongs to whichever worker holds its lock.
 */
#ifndef VH_VIRTIO_VIRTQ_H
#define VH_VIRTIO_VIRTQ_H

#include "call.h"
#include "dirty_log.h"
#include "memory/guest_mem.h"
#include "offload.h"
#include "virtq_state.h"

/* Checks the configuration and makes the queue ready to start. Return: NULL, or why it cannot be used. */
const char *vh_vq_setup(struct vh_vq *vq, const struct vh_vq_config *config);

/* Ring positions as librte_vhost keeps them: packed ones carry their wrap counter in bit 15. */
void vh_vq_positions(const struct vh_vq *vq, uint16_t *last_avail, uint16_t *last_used);

/*
 * Lets workers use the queue, or not any more; after a stop wait until all workers were quiescent once. From
 * the start on the guest need not kick: a worker that sleeps asks for kicks first, so it must be woken after
 * this.
 */
void vh_vq_start(struct vh_vq *vq);
void vh_vq_stop(struct vh_vq *vq);

/*
 * Whether the driver of a live receive queue has offered a buffer since it was at position `began` (as
 * vh_vq_positions() gives it). Control side: a worker may be using the queue.
 */
bool vh_vq_was_filled(const struct vh_vq *vq, uint16_t began);

static inline bool vh_vq_is_live(const struct vh_vq *vq)
{
	return __atomic_load_n(&vq->live, __ATOMIC_ACQUIRE) != 0;
}

/*
 * Asks the guest for kicks (on) or spares it the work (off). Transmit queues, by their worker.
 * Return: with on, whether the guest has made frames available that it may not have kicked for.
 */
bool vh_vq_want_kicks(struct vh_vq *vq, bool on);

/*
 * Of a guest behind an IOMMU, a receive queue that is about to start: asks for the translations of the
 * buffers that it has, so that they are there before the first frame is.
 */
void vh_rxq_ask_ahead(const struct vh_vq *vq);

/* Takes up to VH_BATCH chains. Malformed ones are counted in `own` and are in batch->chains only. */
void vh_txq_collect(struct vh_vq *vq, struct vh_batch *batch, struct vh_counters *own);

/*
 * Hands the chains of a round back to the guest and interrupts it where it asked for that. Of a large round
 * some may linger (VH_LINGER), never one that the driver wants to be interrupted for.
 */
void vh_txq_complete(struct vh_vq *vq, const struct vh_batch *batch, struct vh_counters *own);

/*
 * Gives back what the driver of a queue that no worker uses has sent, up to one ring full of it, without
 * anything becoming of it (a disabled queue: vhost-user protocol, "Ring states"). Counted as tx_disabled.
 * scratch: of the caller's, large. Return: how many chains those were.
 */
uint32_t vh_txq_discard(struct vh_vq *vq, struct vh_batch *scratch, struct vh_counters *own);

/* Shows the driver all that was handed back. By the queue's worker, or while the queue is stopped. */
void vh_txq_settle(struct vh_vq *vq, struct vh_counters *own);

/*
 * Copies the frames batch->frame[which[0..n)] into the receiver's buffers, in order, with the offloads they
 * carry (the caller has looked that the receiver took these on). What cannot be delivered
 * for another reason than a full ring is counted in `own` (the receiver's counters). Takes the queue's lock.
 * Return: how many were dealt with; the rest found the ring full and is the caller's to count or to try
 * again.
 */
uint32_t vh_rxq_deliver(struct vh_vq *vq, const struct vh_batch *batch, const uint8_t *which, uint32_t n,
	struct vh_counters *own);

#endif
