/*
 * What a well-behaved pair of guests has left of its rate while somebody else is at work; see rate.c for how
 * it is measured.
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* For the burden's own process: where there are fewer processors than threads, it would cost the worker its
 * caches and the pair its time, and neither is the switch's doing. */
#define RATE_NICE 10

/* A process that is a burden until the time is up, and how to turn that on and off. */
struct attacker {
	void (*run)(const struct attacker *self);
	void (*turn)(const struct attacker *self, pid_t child, bool on);
	const char *path, *path_to;
	bool slow;
	uint64_t seed, until;
	uint32_t *shared; /* a word that both processes see */
};

/* Compares the pair's rate with the burden turned on and off and prints one JSON object. Return: exit code.
 */
int rate_compare(
	const char *path_a, const char *path_b, const char *switch_pid, const struct attacker *attacker);

#endif
