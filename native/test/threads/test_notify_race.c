/*
 * The two moments at which a notification can get lost, over and over with both sides at it at once: the
 * device says "kick me" while the guest offers, and the guest says "interrupt me" while the device hands
 * back. Without a full barrier between saying and looking, each side misses what the other does.
 */
#include "../rig/rig.h"
#include "../tests.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

/* As many turns as fit into this time: with fewer free CPUs than threads every meeting waits for the
 * scheduler. */
#define TURNS 60000
#define NANOSECONDS (test_full() ? 1500000000U : 500000000U)

static struct rig *shared;
static uint32_t arrived;

/* What the two sides found in this turn; read behind the next meeting point. */
static bool kicked, device_saw, idle, over;
static uint64_t interrupts;

/* Waits until both sides have come to their meeting point number `n`. */
static void meet(uint32_t n)
{
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	for (uint32_t spins = 0; __atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 2 * n;) {
		vh_pause();
		if (++spins % 256 == 0)
			sched_yield();
	}
}

/* A little while, different each time, so that the sides meet in every order. */
static void dawdle(struct rng *rng)
{
	for (uint32_t n = rng_below(rng, 16); n > 0; n--)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void *device_side(void *arg)
{
	struct vh_vq *vq = &shared->port[0]->tx[0];
	struct vh_counters *own = &shared->port[0]->counters[0];
	struct vh_batch *batch = &shared->lane[0]->work->batch;
	struct rng rng = rng_of(2);
	uint32_t point = 0;

	for (uint32_t turn = 0;; turn++) {
		uint64_t before = own->interrupts;

		meet(++point);
		if (over)
			return arg;
		dawdle(&rng);
		device_saw = vh_vq_want_kicks(vq, true);
		meet(++point);
		if (!device_saw && !kicked)
			check_failed(__FILE__, __LINE__, "turn %u: a frame without a kick, not seen", turn);
		vh_vq_want_kicks(vq, false);
		vh_txq_collect(vq, batch, own);
		REQUIRE_EQ(batch->chains, 1);
		meet(++point);
		dawdle(&rng);
		vh_txq_complete(vq, batch, own);
		interrupts = own->interrupts - before;
		meet(++point);
	}
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Return: how many turns there were. */
static uint32_t guest_side(void)
{
	struct guest_queue *q = &shared->guest[0]->tx[0];
	struct rng rng = rng_of(1);
	uint32_t point = 0, turn;
	uint64_t end = now() + NANOSECONDS;

	for (turn = 0;; turn++) {
		struct vh_used_elem e;

		over = turn == TURNS || now() > end;
		meet(++point);
		if (over)
			return turn;
		dawdle(&rng);
		/* An empty buffer: what becomes of it is not the point. */
		guest_stage_raw(q, &(struct vh_desc){0}, 1, 0);
		guest_publish(q);
		kicked = guest_should_kick(q);
		meet(++point);
		meet(++point);
		dawdle(&rng);
		guest_want_interrupts(q, true);
		idle = !guest_has_used(q);
		meet(++point);
		if (idle && interrupts == 0)
			check_failed(__FILE__, __LINE__, "turn %u: no interrupt, and nothing seen", turn);
		REQUIRE(guest_used(q, &e));
		guest_want_interrupts(q, false);
	}
}

static void race(uint64_t features)
{
	pthread_t thread;
	uint32_t turns;

	shared = rig_new();
	rig_add(shared, &(struct guest_config){.features = features, .tx_size = odd_size(4), .start = 65000});
	arrived = 0;
	guest_want_interrupts(&shared->guest[0]->tx[0], false);
	vh_vq_want_kicks(&shared->port[0]->tx[0], false);
	REQUIRE_EQ(pthread_create(&thread, NULL, device_side, NULL), 0);
	turns = guest_side();
	pthread_join(thread, NULL);
	REQUIRE_EQ(rig_drops(shared, 0, VH_DROP_TX_RUNT), turns);
	REQUIRE(turns > 0);
	rig_free(shared);
}

void test_notify_race(void)
{
	race(VH_F_VERSION_1);
	race(VH_F_VERSION_1 | VH_F_EVENT_IDX);
}
