/*
 * Finishes frames for receivers that do not take offloads: checksums, and segments by librte_gso.
 *
 * Every worker has memory of its own (about 200 KiB: a copy of the frame at hand, buffers for the segments of
 * one batch), so workers never meet here. It is made when the first port with offloads is added, on the
 * control thread, and stays until the engine stops.
 */
#ifndef VH_DPDK_RUNTIME_SW_OFFLOAD_H
#define VH_DPDK_RUNTIME_SW_OFFLOAD_H

#include "../../switch/switch.h"

/*
 * Makes the memory for `workers` workers where there is none yet, and the hook. Control thread.
 * Return: 0, or -ENOMEM with the reason in `error`.
 */
int vh_soften_start(uint32_t workers, struct vh_soften *out, char *error, size_t n);

/* Frees it; no worker runs any more. */
void vh_soften_stop(void);

#endif
