/* The clock of deadlines. */
#ifndef VH_BASE_CLOCK_H
#define VH_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Return: milliseconds of CLOCK_MONOTONIC. Safe in signal handlers. */
static inline uint64_t vh_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
