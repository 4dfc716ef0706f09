/* What a feed's parts share: its packet buffers (zc_rx.c), frames that have landed (zc_rx_burst.c), and how
 * it ends (zc_rx_drain.c). */
#ifndef VH_DPDK_UPLINK_ZC_RX_PRIV_H
#define VH_DPDK_UPLINK_ZC_RX_PRIV_H

#include "zc_rx.h"
#include "../../virtio/rx_post.h"

#include <rte_mbuf.h>

struct rte_ring;

struct vh_feed {
	/* Constant. */
	struct vh_uplink *uplink;
	struct rte_mempool *buffers;
	/* Those that nobody has: at home, and still in a guest's buffer, which are taken first. */
	struct rte_ring *idle, *ready;
	uint16_t pool;
	bool made;
	/* Constant while it is live. */
	uint32_t live;	     /* atomic */
	uint32_t generation; /* of the guest */
	struct vh_switch *sw;
	struct vh_port *to;
	struct vh_vq *vq; /* rx[0] of that */
	struct vh_loan *loan;
	uint32_t shift; /* bytes between virtio header and frame, for a tag */
	uint32_t need;	/* bytes of a buffer */
	uint32_t most;	/* buffers at a time */
	/* The worker's: frames that have come and not been handed on, because those before were of another
	 * kind.
	 */
	struct rte_mbuf *stash[VH_BATCH];
	uint16_t at, n;
	uint32_t walked; /* descriptors of the guest's, for this burst */
};

/* Whose memory a packet buffer is in; in its private area. */
struct vh_berth {
	struct vh_loan *loan; /* NULL: at home */
	uint32_t generation;
	bool owed; /* the chain has not been returned */
	struct vh_posted chain;
};

static inline struct vh_berth *vh_berth_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

static inline bool vh_feed_is_live(const struct vh_feed *f)
{
	return __atomic_load_n(&f->live, __ATOMIC_ACQUIRE) != 0;
}

/* Whether a packet buffer is in a buffer of the guest that is served now. */
static inline bool vh_berth_is_current(const struct vh_feed *f, const struct vh_berth *b)
{
	return b->loan != NULL && b->generation == f->generation && vh_feed_is_live(f);
}

/* Points a packet buffer back to its own memory. */
void vh_feed_home(struct rte_mbuf *m);

/* Sets it live; all but `live` has been set. */
void vh_feed_enter(struct vh_feed *f);

/* Sends home what lies in the pool. By whoever ends a feed that has stopped. */
void vh_feed_sweep(struct vh_feed *f);

#endif
