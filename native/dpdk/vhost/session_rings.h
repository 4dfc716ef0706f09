/* Internal to native/dpdk: which of a session's rings are in use, and pausing them and starting them again.
 */
#ifndef VH_DPDK_VHOST_SESSION_RINGS_H
#define VH_DPDK_VHOST_SESSION_RINGS_H

#include "session_state.h"

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
 * Stops a queue, or all of them (VH_VHU_ALL_RINGS): has flows go to the others, waits for the workers, hands
 * the position back to librte_vhost and drops the duplicates of the eventfds. Nothing happens to queues that
 * are stopped already.
 */
void vh_rings_pause(struct vh_session *s, uint32_t ring);

/* Starts every queue that is started, enabled and not in use yet, from the library's present state. */
void vh_rings_resume(struct vh_session *s);

/* Notes what a message has said about rings; while those that it is about are paused, before the resume. */
void vh_rings_note(struct vh_session *s, const struct vh_vhu_msg *msg);

/* Forgets what was said about rings: the front end has gone, or begins anew. All are paused. */
void vh_rings_forget(struct vh_session *s);

/* Gives back what drivers have sent on queues that they have disabled. */
void vh_rings_drain(struct vh_session *s);

/* Says why a ring does not run. Once for each reason: it is tried again at every message. */
void vh_ring_refuse(struct vh_session *s, uint32_t i, const char *why);

/* Finds the ring of a guest behind an IOMMU. Return: whether it can run now. */
bool vh_ring_find(struct vh_session *s, uint32_t i, struct vh_vq_config *c);

/* The front end says a ring's position. */
void vh_rings_base(struct vh_session *s, uint32_t ring);

/*
 * The front end asks for the position of a ring, which is paused. One that was started and never came into
 * use in this connection is found now, if it can be: until then the library has only what the front end said
 * itself.
 */
void vh_rings_asked(struct vh_session *s, uint32_t ring);

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
