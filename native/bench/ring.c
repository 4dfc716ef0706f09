/*
 * Ring to ring: what the switch's core costs for each frame that goes from one guest to another, beside a
 * plain memcpy of the same bytes between the same buffers.
 *
 * Two mock guests in this process. All descriptors are laid out once; then the same chains are offered again
 * and again in ring order, so that the working set is ring size x (source + destination). Only
 * vh_switch_poll() is timed, in cycles of the time stamp counter (which need not be the core's cycles), less
 * what reading the counter costs; the figure of a run is its median round, so that being interrupted does not
 * count.
 *
 * One thread (--threads 1): the guests' work happens on the same core, between the timings, so buffers and
 * rings are as warm as the caches are large. The cost of code, not of moving cache lines between cores.
 *
 * Two threads (--threads 2): the guests run on another core, as real ones do; in the second row of each pair
 * they also read what they receive and write what they send. Rounds are as large as that core lets them be;
 * the mean is printed. The memcpy beside it is still one core's with warm caches.
 */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS 7

static const uint32_t sizes[] = {64, 256, 1500, 9000};

static void print_row(const struct bench_case *c, const char *where, double core, double copy, double batch)
{
	printf("%-10s %5u  %5u  %5.1f  %-14s %8.1f %8.1f %7.2f %9.1f\n", bench_kind_name(c), c->size, c->ring,
		batch, where, core, copy, core / copy, core - copy);
	fflush(stdout);
}

static void one_thread(const struct bench_case *c, const char *how, uint32_t frames)
{
	double core[RUNS], copy[RUNS], batch = 0;
	struct bench *b = bench_open(c);

	for (uint32_t i = 0; i < RUNS; i++) {
		/* Interleaved, so that a disturbance hits both. */
		core[i] = bench_poll(b, frames, &batch);
		copy[i] = bench_memcpy(b, frames);
	}
	print_row(c, how, median(core, RUNS), median(copy, RUNS), batch);
	bench_close(b);
}

static void two_threads(const struct bench_case *c, uint32_t frames, bool touch)
{
	double core[RUNS], copy[RUNS], batch[RUNS];
	struct bench *b = bench_open(c);

	for (uint32_t i = 0; i < RUNS; i++) {
		core[i] = bench_poll_against(b, frames, touch, &batch[i]);
		copy[i] = bench_memcpy(b, frames);
	}
	print_row(c, touch ? "two, touched" : "two threads", median(core, RUNS), median(copy, RUNS),
		median(batch, RUNS));
	bench_close(b);
}

static uint32_t frames_of(const struct bench_case *c, uint32_t effort)
{
	return effort * (c->size < 1500 ? 64 : c->size < 9000 ? 24 : 8) * 1024;
}

/* Small rings in small rounds, whose buffers fit a core's cache, and large ones, whose buffers do not. */
static void all_sizes(enum bench_kind kind, bool packed, uint32_t threads, uint32_t effort)
{
	for (uint32_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		for (uint32_t large = 0; large < 2; large++) {
			struct bench_case c = {.kind = kind,
				.packed = packed,
				.size = sizes[s],
				.ring = large == 1 ? 1024 : 256,
				.batch = large == 1 ? 64 : 32};

			if (threads == 1)
				one_thread(&c, "one thread", frames_of(&c, effort));
			else
				for (int touch = 0; touch < 2; touch++)
					two_threads(&c, frames_of(&c, effort), touch == 1);
		}
}

static void all(uint32_t threads, uint32_t effort)
{
	printf("%-10s %5s  %5s  %5s  %-14s %8s %8s %7s %9s\n", "rings", "bytes", "ring", "batch", "how",
		"cycles", "memcpy", "ratio", "above it");
	for (int packed = 0; packed < 2; packed++)
		for (uint32_t k = 0; k < BENCH_KINDS; k++)
			all_sizes((enum bench_kind)k, packed == 1, threads, effort);
}

/* The same frames with few and with many addresses learned and looked up: deciding must not get dearer. */
static void addresses(uint32_t effort)
{
	static const uint32_t learned[] = {2, 10, 100, 1000};

	for (uint32_t i = 0; i < 4; i++) {
		struct bench_case c = {.size = 64, .ring = 1024, .batch = 32, .addresses = learned[i]};
		char how[32];

		snprintf(how, sizeof(how), "%u addresses", learned[i]);
		one_thread(&c, how, frames_of(&c, effort));
	}
}

/* One case for a profiler: nothing but polling. */
static void profile(uint32_t kind, uint32_t size, uint32_t effort)
{
	struct bench_case c = {.kind = (enum bench_kind)kind, .size = size, .ring = 256, .batch = 32};
	struct bench *b = bench_open(&c);
	double batch;

	printf("%.1f cycles per frame\n", bench_poll(b, frames_of(&c, effort * 40), &batch));
	bench_close(b);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"threads", required_argument, NULL, 't'},
		{"effort", required_argument, NULL, 'e'}, {"profile", required_argument, NULL, 'p'}, {0}};
	uint32_t threads = 1, effort = 1;
	int option, kind = -1;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 't')
			threads = (uint32_t)atoi(optarg);
		else if (option == 'e')
			effort = (uint32_t)atoi(optarg);
		else if (option == 'p')
			kind = atoi(optarg);
		else
			return 2;
	}
	printf("# " __VERSION__ ", " BENCH_MARCH
	       ", medians of %d runs, cycles of the time stamp counter per frame\n",
		RUNS);
	if (kind >= 0)
		profile((uint32_t)kind, 64, effort);
	else
		all(threads, effort);
	if (kind < 0 && threads == 1)
		addresses(effort);
	return 0;
}
