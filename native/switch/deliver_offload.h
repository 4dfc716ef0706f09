/*
 * Delivery of rounds in which some frames are unfinished (see offload.h). Part of the data path; forward.c
 * alone uses it.
 */
#ifndef VH_SWITCH_DELIVER_OFFLOAD_H
#define VH_SWITCH_DELIVER_OFFLOAD_H

#include "switch.h"

/* What belongs to one list of a round. */
struct vh_delivery {
	const struct vh_switch *sw;
	uint16_t worker;
	const struct vh_batch *batch;
	struct vh_progress
		*progress; /* of this queue's half-delivered frame; done is 0 where there is none */
	struct vh_port *to;
	struct vh_vq *vq; /* one of its receive queues */
	struct vh_counters *receiver, *sender;
	bool moved; /* set: the queue took something, be it only part of a frame */
};

/*
 * As vh_rxq_deliver(), for a batch that has unfinished frames: hands them on or has them finished, as the
 * receiver negotiated. Of a frame that became many, the ring may take some only: then the frame counts as not
 * dealt with, and the next call goes on behind those. A frame that cannot be finished is dropped at its
 * sender.
 */
uint32_t vh_deliver_unfinished(struct vh_delivery *d, const uint8_t *which, uint32_t n);

/* Delivers to a receive queue of a guest, as vh_rxq_deliver(), or to an uplink. */
static inline uint32_t vh_hand_over(struct vh_port *to, struct vh_vq *vq, const struct vh_batch *batch,
	const uint8_t *which, uint32_t n, struct vh_counters *own)
{
	if (vh_unlikely(to->uplink != NULL))
		return to->uplink->deliver(to, (uint16_t)(vq - to->rx), batch, which, n, own);
	return vh_rxq_deliver(vq, batch, which, n, own);
}

#endif
