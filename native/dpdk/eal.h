/*
 * DPDK's environment abstraction layer inside a process that is not DPDK's own.
 *
 * EAL starts once per process. Its log goes to the event queue, never to stdout or stderr; the calling thread
 * keeps the CPU affinity that it had (rte_eal_init() pins it to the main lcore).
 */
#ifndef VH_DPDK_EAL_H
#define VH_DPDK_EAL_H

#include <stdbool.h>
#include <stddef.h>

struct vh_eal_options {
	bool hugepages;
	unsigned int memory_mb;
	unsigned int log_level; /* 1 (emergency) to 8 (debug), as RTE_LOG_* */
};

/* Return: 0, or -1 with the reason in `error`. */
int vh_eal_start(const struct vh_eal_options *options, char *error, size_t n);

#endif
