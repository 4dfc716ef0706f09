/* Internal to native/dpdk: pausing a session's queues and starting them again. */
#ifndef VH_DPDK_RINGS_H
#define VH_DPDK_RINGS_H

#include "session.h"

/* librte_vhost numbers rings as virtio does: even ones the guest receives from, odd ones it transmits to. */
static inline bool vh_ring_is_tx(uint32_t ring)
{
	return ring % 2 == 1;
}

static inline struct vh_vq *vh_ring_queue(const struct vh_session *s, uint32_t ring)
{
	return vh_ring_is_tx(ring) ? &s->port->tx[ring / 2] : &s->port->rx[ring / 2];
}

/* All under the session's lock. */

/*
 * Stops all queues of the session, waits for the workers, hands the ring positions back to librte_vhost and
 * drops the duplicates of its eventfds. Nothing happens to queues that are stopped already.
 */
void vh_rings_pause(struct vh_session *s);

/* Starts every queue that the library says is ready, from the library's present state. */
void vh_rings_resume(struct vh_session *s);

/* The front end says a ring's position. */
void vh_rings_base(struct vh_session *s, uint32_t ring);

/* Starts those of them that do not run, while others may. */
void vh_rings_start(struct vh_session *s);

/*
 * Of a guest behind an IOMMU (session_iommu.h): acts on what its front end says of translations. After an
 * invalidation nothing that it takes away is in use.
 */
void vh_rings_translated(struct vh_session *s, const struct vh_vhu_iotlb *m);

/*
 * Moves a transmit ring to another worker while frames flow. Between the two calls no worker has it and the
 * caller publishes plans that name ring[].worker. Asks nothing of librte_vhost.
 */
void vh_rings_lift(struct vh_session *s, uint32_t ring);
void vh_rings_land(struct vh_session *s, uint32_t ring);

#endif
