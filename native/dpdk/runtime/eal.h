/*
 * DPDK's environment abstraction layer inside a process that is not DPDK's own.
 *
 * EAL starts once per process. Its log goes to the event queue, never to stdout or stderr; the calling thread
 * keeps the CPU affinity that it had (rte_eal_init() pins it to the main lcore).
 */
#ifndef VH_DPDK_RUNTIME_EAL_H
#define VH_DPDK_RUNTIME_EAL_H

#include <stdbool.h>
#include <stddef.h>

struct vh_eal_options {
	bool hugepages;
	bool physical; /* cards are told physical addresses ("IOVA as PA"); needs hugepages */
	unsigned int memory_mb;
	unsigned int channels;	/* of memory; 0: as EAL guesses */
	unsigned int log_level; /* 1 (emergency) to 8 (debug), as RTE_LOG_* */
};

/* Return: 0, or -1 with the reason in `error`. */
int vh_eal_start(const struct vh_eal_options *options, char *error, size_t n);

/*
 * The first thing that DPDK called wrong since the last call of vh_eal_forget_errors(), or "": its error
 * codes alone explain little. Control thread, as long as nothing else can complain.
 */
const char *vh_eal_first_error(void);
void vh_eal_forget_errors(void);

#endif
