/*
 * What a well-behaved pair of guests has left of its rate while somebody else is at work; see rate.c for how
 * it is measured.
 */
#ifndef RATE_H
#define RATE_H

#include "vu.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* For the burden's own process: where there are fewer processors than threads, it would cost the worker its
 * caches and the pair its time, and neither is the switch's doing. */
#define RATE_NICE 10

/* What the burden's process is told while it runs. */
struct orders {
	uint64_t until; /* ns, as vu_now counts: the end, which may come earlier than it was said first */
	uint32_t on;
};

/* A process that is a burden until the time is up, and how to turn that on and off. */
struct attacker {
	void (*run)(const struct attacker *self);
	/* NULL: by `on` of its orders alone. */
	void (*turn)(pid_t child, bool on);
	const char *path, *path_to;
	bool slow;
	uint64_t seed;
	const struct orders *orders; /* from rate_compare */
};

static inline bool attacker_goes_on(const struct attacker *self)
{
	return vu_now() < __atomic_load_n(&self->orders->until, __ATOMIC_RELAXED);
}

/* Who is compared, by whom, and for how long. */
struct comparison {
	const char *path_a, *path_b; /* sockets of the pair */
	const char *switch_pid;
	const char *seconds; /* of undisturbed windows */
};

/* Compares the pair's rate with the burden turned on and off and prints one JSON object. Return: exit code.
 */
int rate_compare(const struct comparison *of, struct attacker *attacker);

#endif
