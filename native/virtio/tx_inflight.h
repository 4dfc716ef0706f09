/*
 * Chains of a transmit queue that somebody still reads when their round is over: an uplink that sends guests'
 * frames from where they are (zero copy).
 *
 * Theory of operation
 *   A queue with a hold keeps its chains in a list, in ring order. Whoever delivers a frame marks the chain
 * as out and, from any thread, as back again; the queue's worker hands chains to the guest from the front of
 * the list as far as none is out. So the guest gets its buffers in the order in which it offered them,
 * whatever order the card sends in. A full list makes its queue rest.
 *
 *       taken (collect) --delivered by copying------------------------> returned, once all before it are
 *             \--vh_held_lend()--> out --vh_held_back(), any thread--/
 *
 * Threads: a hold belongs to whoever owns its queue (virtq.h). Others only ever touch vh_held.out.
 */
#ifndef VH_VIRTIO_TX_INFLIGHT_H
#define VH_VIRTIO_TX_INFLIGHT_H

#include "virtq.h"

struct vh_held {
	uint32_t out; /* atomic; not 0: somebody reads the frame */
	uint16_t id, descs;
};

struct vh_hold {
	uint32_t head, tail; /* free-running */
	uint32_t mask;
	/* Asks those who have frames to give back what they can; called when the first chain is out. */
	void (*tidy)(void *context);
	void *context;
	struct vh_held *chain; /* [mask + 1] */
};

/* Places that a hold of a ring of this size needs: a power of two. */
uint32_t vh_hold_places(uint32_t ring_size);

/* Of a round that is being delivered: the number of its frame's chain in vh_hold.chain. */
uint32_t vh_hold_place(const struct vh_batch *b, uint32_t frame);

/* Return: whether the chain is the caller's to lend; a frame that goes to several is lent to one of them. */
static inline bool vh_held_lend(struct vh_held *h)
{
	/* Acquire: what belongs to the chain's last loan is over. */
	if (__atomic_load_n(&h->out, __ATOMIC_ACQUIRE) != 0)
		return false;
	__atomic_store_n(&h->out, 1, __ATOMIC_RELAXED);
	return true;
}

static inline void vh_held_back(struct vh_held *h)
{
	/* Release: all reading was before. */
	__atomic_store_n(&h->out, 0, __ATOMIC_RELEASE);
}

/* Takes the chains of a round over, instead of vh_txq_complete(), and returns what can be returned. */
void vh_hold_complete(struct vh_vq *vq, const struct vh_batch *b, struct vh_counters *own);

/* Returns what has come back. Return: whether there is room for another round. */
bool vh_hold_tend(struct vh_vq *vq, struct vh_counters *own);

/* Whether every chain is with the guest again. */
static inline bool vh_hold_is_empty(const struct vh_hold *h)
{
	return h->head == h->tail;
}

/*
 * Returns all chains, out or not: the guest may then change what is still being sent. For queues that must
 * stop and cannot wait any longer; the hold's memory, and the guest's, must stay until nothing is out.
 */
void vh_hold_surrender(struct vh_vq *vq, struct vh_counters *own);

/* Whether a chain is out; those that were surrendered count. */
bool vh_hold_lends(const struct vh_hold *h);

#endif
