/* How a feed gets its guest's buffers back, whatever the card does. */
#include "zc_rx_priv.h"
#include "../runtime/events.h"
#include "vmdq.h"
#include "../runtime/worker.h"

#include <unistd.h>
#include <rte_cycles.h>
#include <rte_log.h>
#include <rte_mempool.h>

/* A card fills a whole ring in less than a millisecond, an emulated one in some ten where it has the
 * processor. */
#define END_MS 1000
/* The same where it is asked again, once a second, by the thread that serves the control API. */
#define ASK_MS 100
/* After this long it gets more frames: those it got may have been too few. */
#define AGAIN_MS 20
#define STEP_US 50

static struct {
	struct vh_feed *of[VH_MAX_PORTS]; /* live, or stopped and not yet ended; under the session's lock */
} feeds;

void vh_feed_enter(struct vh_feed *f)
{
	feeds.of[f->to->id] = f;
	__atomic_store_n(&f->live, 1, __ATOMIC_RELEASE);
}

void vh_feed_stop(uint16_t port)
{
	if (feeds.of[port] != NULL)
		__atomic_store_n(&feeds.of[port]->live, 0, __ATOMIC_SEQ_CST);
}

static uint32_t posted(const struct vh_feed *f)
{
	return __atomic_load_n(&f->loan->posted, __ATOMIC_ACQUIRE);
}

static uint64_t in_ms(uint64_t ms)
{
	return rte_rdtsc() + rte_get_tsc_hz() / 1000 * ms;
}

/* Has the card fill what it has, for at most `ms`. Return: whether nothing of it is left. */
static bool recall(struct vh_feed *f, uint64_t ms)
{
	uint64_t end = in_ms(ms), again = 0;

	if (!vh_vmdq_loop_begin(f->uplink))
		return false;
	while (posted(f) > 0 && rte_rdtsc() < end) {
		if (rte_rdtsc() >= again) {
			vh_vmdq_flush(f->uplink, f->pool, posted(f));
			vh_workers_wake(f->uplink->queue_worker[f->pool]);
			again = in_ms(AGAIN_MS);
		}
		usleep(STEP_US);
	}
	vh_vmdq_loop_end(f->uplink);
	return posted(f) == 0;
}

/* Chains that were never filled. */
struct unused {
	struct vh_feed *feed;
	uint32_t n;
	struct vh_fill fill[VH_BATCH];
};

static void give_back(struct unused *u)
{
	vh_rxq_fill(u->feed->vq, u->fill, u->n, &u->feed->to->counters[VH_CONTROL_COUNTERS]);
	u->n = 0;
}

static void find_unused(struct rte_mempool *buffers, void *context, void *m, unsigned int i)
{
	struct vh_berth *b = vh_berth_of(m);
	struct unused *u = context;

	(void)buffers, (void)i;
	if (!b->owed)
		return;
	b->owed = false;
	u->fill[u->n++] = (struct vh_fill){.chain = b->chain};
	if (u->n == VH_BATCH)
		give_back(u);
}

void vh_feed_end(uint16_t port, bool answers)
{
	struct vh_feed *f = feeds.of[port];
	struct unused unused = {.feed = f};

	if (f == NULL)
		return;
	feeds.of[port] = NULL;
	vh_feed_sweep(f);
	if (posted(f) > 0 && (!answers || !recall(f, END_MS))) {
		vh_loan_revoke(port);
		vh_events_say(VH_EVENT_LOG, RTE_LOG_WARNING,
			"device %u: uplink %s does not give %u of its buffers back; its memory is taken from "
			"the card",
			port, f->uplink->name, posted(f));
	}
	rte_mempool_obj_iter(f->buffers, find_unused, &unused);
	give_back(&unused);
}

bool vh_feed_is_clear(struct vh_feed *f, bool answers)
{
	if (f->loan == NULL || vh_feed_is_live(f) || posted(f) == 0)
		return true;
	return answers && recall(f, ASK_MS);
}
