/*
 * The smallest test framework that serves: a requirement that ends the test with one line, and random numbers
 * that can be repeated from a printed seed. Every test runs in a process of its own (see main.c), so a failed
 * requirement, a crash and a sanitizer's report all end in the same way and leave nothing behind.
 */
#ifndef VH_TEST_RIG_CHECK_H
#define VH_TEST_RIG_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Prints where and what, and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			check_failed(__FILE__, __LINE__, "%s", #condition);                                  \
	} while (0)

#define REQUIRE_EQ(actual, wanted)                                                                           \
	do {                                                                                                 \
		long long actual_ = (long long)(actual), wanted_ = (long long)(wanted);                      \
		if (actual_ != wanted_)                                                                      \
			check_failed(__FILE__, __LINE__, "%s is %lld, not %s = %lld", #actual, actual_,      \
				#wanted, wanted_);                                                           \
	} while (0)

struct rng {
	uint64_t state;
};

static inline struct rng rng_of(uint64_t seed)
{
	return (struct rng){.state = seed * 0x9e3779b97f4a7c15ULL | 1};
}

static inline uint64_t rng_next(struct rng *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state * 0x2545f4914f6cdd1dULL;
}

/* Return: 0 <= x < n. */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

/* Return: low <= x <= high. */
static inline uint32_t rng_between(struct rng *r, uint32_t low, uint32_t high)
{
	return low + rng_below(r, high - low + 1);
}

/* Whether there is time for the long forms of tests (`npm test -- --full`). */
bool test_full(void);

/*
 * The generator of the running test; its seed is printed when the test fails. Threads besides the first have
 * their own and send LAYOUT_SINGLE only, which needs none.
 */
extern struct rng test_rng;

/* The ring type under test: feature bits that every mock guest gets besides its own. */
extern uint64_t test_ring;

#endif
