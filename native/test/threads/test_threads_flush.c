/*
 * The control thread stops transmit queues whose rounds wait, ends those rounds and starts the queues again,
 * while workers go on: nothing is lost, doubled or out of order but what is counted.
 */
#include "../rig/rig.h"
#include "../tests.h"

#include <pthread.h>
#include <sched.h>

#define FRAMES 3000
#define SENDERS 2
#define TO SENDERS

static struct rig *shared;
static uint32_t workers_left, flushes;
/* Grows whenever that worker holds nothing of the switch. */
static uint64_t quiescent[SENDERS];

/* Plays the driver of guest `i`, which only sends, and the worker that polls it. */
static void *sender(void *arg)
{
	uint32_t i = (uint32_t)(uintptr_t)arg, sent = 0, back = 0;
	struct vh_port *port = shared->port[i];

	while (back < FRAMES) {
		for (uint32_t k = 0; k < 20 && sent < FRAMES; k++, sent++)
			if (!rig_send(shared, i, TO, i << 24 | sent, 64, LAYOUT_SINGLE))
				break;
		shared->lane[i]->ticks++;
		if (vh_vq_is_live(&port->tx[0]))
			vh_switch_poll(shared->sw, shared->lane[i], port, 0);
		__atomic_add_fetch(&quiescent[i], 1, __ATOMIC_RELEASE);
		/* What a flush has given back counts too. */
		back += guest_reap(shared->guest[i], 0);
		sched_yield();
	}
	__atomic_sub_fetch(&workers_left, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Takes frames, and offers few buffers: senders wait most of the time. Before the first flush it offers none.
 */
static void *receiver(void *arg)
{
	int64_t last[SENDERS] = {-1, -1}, seq;
	uint64_t n = 0;

	(void)arg;
	for (;;) {
		bool done = __atomic_load_n(&workers_left, __ATOMIC_ACQUIRE) == 0;
		uint64_t before = n;

		while ((seq = rig_receive(shared, TO, NULL)) >= 0) {
			REQUIRE(seq >> 24 < SENDERS && last[seq >> 24] < seq);
			last[seq >> 24] = seq;
			n++;
		}
		if (done && n == before)
			return (void *)(uintptr_t)n;
		if (__atomic_load_n(&flushes, __ATOMIC_ACQUIRE) > 0)
			for (uint32_t k = 0; k < 5; k++)
				guest_post(shared->guest[TO], 0, 200, LAYOUT_SINGLE);
		sched_yield();
	}
}

static void stop_flush_start(uint32_t i)
{
	struct vh_vq *vq = &shared->port[i]->tx[0];
	uint64_t seen;

	vh_vq_stop(vq);
	/* Two steps: the first may have begun before the stop. */
	seen = __atomic_load_n(&quiescent[i], __ATOMIC_ACQUIRE);
	while (__atomic_load_n(&quiescent[i], __ATOMIC_ACQUIRE) < seen + 2 &&
		__atomic_load_n(&workers_left, __ATOMIC_ACQUIRE) == SENDERS)
		sched_yield();
	if (__atomic_load_n(&workers_left, __ATOMIC_ACQUIRE) == SENDERS)
		vh_switch_flush(shared->sw, shared->port[i], 0);
	vh_vq_start(vq);
}

void test_threads_flush(void)
{
	pthread_t thread[SENDERS], taker;
	struct vh_counters c;
	void *got;

	shared = rig_new();
	for (uint32_t i = 0; i <= SENDERS; i++)
		rig_add(shared, &(struct guest_config){.features = VH_F_VERSION_1 | VH_F_EVENT_IDX,
					.start = 65000,
					.rx_size = odd_size(64)});
	guest_post_all(shared->guest[TO], 0, 200, LAYOUT_SINGLE);
	rig_learn_all(shared);
	rig_retry(shared, 1000000000, 1);
	workers_left = SENDERS;
	for (uintptr_t i = 0; i < SENDERS; i++)
		REQUIRE_EQ(pthread_create(&thread[i], NULL, sender, (void *)i), 0);
	REQUIRE_EQ(pthread_create(&taker, NULL, receiver, NULL), 0);
	for (uint32_t i = 0; __atomic_load_n(&workers_left, __ATOMIC_ACQUIRE) == SENDERS; i++) {
		if (__atomic_load_n(&shared->lane[i % SENDERS]->parked, __ATOMIC_ACQUIRE) > 0) {
			stop_flush_start(i % SENDERS);
			__atomic_add_fetch(&flushes, 1, __ATOMIC_RELEASE);
		}
		/* Mostly they wait until they are served. */
		for (uint32_t k = 0; k < 200; k++)
			sched_yield();
	}
	for (uint32_t i = 0; i < SENDERS; i++)
		pthread_join(thread[i], NULL);
	pthread_join(taker, &got);
	c = rig_counters(shared, TO);
	REQUIRE(flushes > 0 && c.drops[VH_DROP_RX_RING_FULL] > 0);
	REQUIRE_EQ(c.rx_packets, (uintptr_t)got);
	REQUIRE_EQ(c.rx_packets + c.drops[VH_DROP_RX_RING_FULL], SENDERS * FRAMES);
	rig_require_balance(shared);
	rig_free(shared);
}
