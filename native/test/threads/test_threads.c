/*
 * Several workers at once, each with its own lane: into one receive ring, and all to all. The guests' drivers
 * run in threads too, so that ThreadSanitizer sees every access to the rings that both sides share.
 */
#include "../rig/rig.h"
#include "../tests.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#define FRAMES 6000
#define FEATURES (VH_F_VERSION_1 | VH_F_MRG_RXBUF | VH_F_EVENT_IDX)

static struct rig *shared;
static uint32_t workers_left;

/* The frame's seq carries its sender, so that the receiver can follow each sender's order. */
static uint32_t seq_of(uint32_t sender, uint32_t n)
{
	return sender << 24 | n;
}

/* Plays the driver of guest `i`, which only sends, and the worker that polls it. */
static void send_and_poll(uint32_t i, uint32_t to)
{
	struct rng rng = rng_of(i + 1);
	uint32_t sent = 0, polled = 0;

	while (polled < FRAMES) {
		for (uint32_t k = rng_below(&rng, 40); k > 0 && sent < FRAMES; k--, sent++) {
			uint32_t dst = to == UINT32_MAX ? (i + 1 + sent % (shared->n - 1)) % shared->n : to;

			if (!rig_send(shared, i, dst, seq_of(i, sent), 64 + sent % 200, LAYOUT_SINGLE))
				break;
		}
		shared->lane[i]->ticks++;
		polled += vh_switch_poll(shared->sw, shared->lane[i], shared->port[i], 0);
		guest_reap(shared->guest[i], 0);
		/* With fewer CPUs than threads the receiver would see little but full rings. */
		sched_yield();
	}
	__atomic_sub_fetch(&workers_left, 1, __ATOMIC_RELEASE);
}

/* Takes what has come for guest `i`. Return: how many frames. */
static uint32_t receive_some(uint32_t i, int64_t last[])
{
	uint32_t n = 0;
	int64_t seq;

	while ((seq = rig_receive(shared, i, NULL)) >= 0) {
		REQUIRE(last[seq >> 24] < seq);
		last[seq >> 24] = seq;
		n++;
	}
	guest_post_all(shared->guest[i], 0, 200, LAYOUT_SINGLE);
	return n;
}

/* Guest `i` receives until all workers are done and its ring is empty. Return: how many frames. */
static uint64_t receive_until_done(uint32_t i)
{
	int64_t last[RIG_GUESTS];
	uint64_t n = 0;

	memset(last, 0xff, sizeof(last));
	for (;;) {
		/* Looked at before the ring: what is not in it then never comes. */
		bool done = __atomic_load_n(&workers_left, __ATOMIC_ACQUIRE) == 0;
		uint32_t got = receive_some(i, last);

		n += got;
		if (done && got == 0)
			return n;
		if (got == 0)
			sched_yield();
	}
}

static void *sender_to_one(void *arg)
{
	send_and_poll((uint32_t)(uintptr_t)arg, 3);
	return NULL;
}

static void *sender_to_all(void *arg)
{
	send_and_poll((uint32_t)(uintptr_t)arg, UINT32_MAX);
	return NULL;
}

static void *receiver(void *arg)
{
	return (void *)(uintptr_t)receive_until_done((uint32_t)(uintptr_t)arg);
}

/* Half of the runs wait for full receivers. */
static void open_rig(uint32_t n, bool retry)
{
	shared = rig_new();
	rig_retry(shared, retry ? 4 : 0, 2);
	for (uint32_t i = 0; i < n; i++) {
		rig_add(shared, &(struct guest_config){
					.features = FEATURES, .start = 65000, .rx_size = odd_size(128)});
		guest_post_all(shared->guest[i], 0, 200, LAYOUT_SINGLE);
	}
	rig_learn_all(shared);
}

static void into_one_ring(bool retry)
{
	pthread_t thread[3];
	struct vh_counters c;
	uint64_t got;

	open_rig(4, retry);
	workers_left = 3;
	for (uintptr_t i = 0; i < 3; i++)
		REQUIRE_EQ(pthread_create(&thread[i], NULL, sender_to_one, (void *)i), 0);
	got = receive_until_done(3);
	for (uint32_t i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	c = rig_counters(shared, 3);
	REQUIRE_EQ(c.rx_packets, got);
	REQUIRE_EQ(got + c.drops[VH_DROP_RX_RING_FULL], 3 * FRAMES);
	/* What was posted before the first frame came, at the very least. */
	REQUIRE(got >= odd_size(128));
	rig_require_balance(shared);
	rig_free(shared);
}

static void all_to_all(bool retry)
{
	pthread_t sender[3], taker[3];
	void *got;

	open_rig(3, retry);
	workers_left = 3;
	for (uintptr_t i = 0; i < 3; i++) {
		REQUIRE_EQ(pthread_create(&sender[i], NULL, sender_to_all, (void *)i), 0);
		REQUIRE_EQ(pthread_create(&taker[i], NULL, receiver, (void *)i), 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		pthread_join(sender[i], NULL);
		pthread_join(taker[i], &got);
		REQUIRE_EQ(rig_counters(shared, i).rx_packets, (uintptr_t)got);
	}
	rig_require_balance(shared);
	rig_free(shared);
}

void test_threads_into_one_ring(void)
{
	into_one_ring(false);
	into_one_ring(true);
}

void test_threads_all_to_all(void)
{
	all_to_all(false);
	all_to_all(true);
}
