/* What is timed: rounds of polling, and of copying the same bytes. */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ordered on both sides: what is timed neither starts before nor ends behind. */
static inline uint64_t cycles(void)
{
#if defined(__x86_64__)
	uint64_t t;

	__builtin_ia32_lfence();
	t = __builtin_ia32_rdtsc();
	__builtin_ia32_lfence();
	return t;
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *v, uint32_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void note_round(struct bench *b, uint64_t spent, uint32_t frames)
{
	spent = spent > b->overhead ? spent - b->overhead : 0;
	if (b->rounds < ROUNDS)
		b->round[b->rounds++] = (double)spent / frames;
}

uint64_t bench_overhead(void)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		uint64_t t = cycles();

		t = cycles() - t;
		best = t < best ? t : best;
	}
	return best;
}

/* One poll; noted where it took anything. Return: frames. */
static uint32_t timed_poll(struct bench *b)
{
	uint64_t start = cycles();
	uint32_t taken = vh_switch_poll(b->r->sw, b->r->lane[0], b->r->port[0], 0);
	uint64_t end = cycles();

	if (taken > 0)
		note_round(b, end - start, taken);
	return taken;
}

double bench_poll(struct bench *b, uint32_t frames, double *batch)
{
	b->rounds = 0;
	for (uint32_t done = 0; done < frames; done += b->c.batch) {
		bench_offer(b, b->c.batch);
		REQUIRE_EQ(timed_poll(b), b->c.batch);
		bench_take(b);
	}
	*batch = b->c.batch;
	return median(b->round, b->rounds);
}

static void *guests(void *arg)
{
	struct bench *b = arg;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		/* So few that the receiver never runs out of buffers: what is measured is delivery, not
		 * dropping. */
		uint32_t most = b->c.ring / bench_buffers(&b->c);

		if (b->sent - b->reaped < most)
			bench_offer(b, most - (b->sent - b->reaped) < 32 ? most - (b->sent - b->reaped) : 32);
		bench_take(b);
	}
	return NULL;
}

double bench_poll_against(struct bench *b, uint32_t frames, bool touch, double *batch)
{
	uint32_t done = 0, rounds = 0, taken;
	pthread_t thread;

	b->touch = touch;
	b->stop = false;
	b->rounds = 0;
	REQUIRE_EQ(pthread_create(&thread, NULL, guests, b), 0);
	while (done < frames) {
		taken = timed_poll(b);
		done += taken;
		rounds += taken > 0;
	}
	__atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	/* What is still under way belongs to no run. */
	while (b->sent != b->reaped) {
		timed_poll(b);
		bench_take(b);
	}
	b->touch = false;
	*batch = (double)done / rounds;
	return median(b->round, b->rounds);
}

/* Copies frame `i` into the receiver's buffers from number `at` on. Return: the number behind the last. */
static uint32_t copy_frame(struct bench *b, uint32_t i, uint32_t at)
{
	const struct place *from = &b->frame[i];

	for (uint32_t done = 0; done < from->len; at++) {
		const struct place *to = &b->room[b->rx->in_flight[at % b->c.ring].id];
		uint32_t n = to->len < from->len - done ? to->len : from->len - done;

		memcpy(to->p, from->p + done, n);
		done += n;
	}
	return at;
}

double bench_memcpy(struct bench *b, uint32_t frames)
{
	uint32_t at = 0;

	b->rounds = 0;
	for (uint32_t done = 0; done < frames; done += b->c.batch) {
		uint64_t start = cycles();

		for (uint32_t i = 0; i < b->c.batch; i++)
			at = copy_frame(b, (done + i) % b->c.ring, at);
		note_round(b, cycles() - start, b->c.batch);
	}
	return median(b->round, b->rounds);
}
