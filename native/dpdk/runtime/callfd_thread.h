/*
 * Waking guests whose interrupts are too dear for a worker, on a thread of its own: "vh-calls".
 *
 * A queue that is due is written to once, however often its interrupt was asked for, and not again within
 * VH_CALL_SPACE_US: what network cards call interrupt moderation. After a write a port rests for VH_CALL_REST
 * times what that took. What its writes take beyond honest ones has a budget, VH_CALL_SHARE as with workers;
 * a port that uses it up has its connection ended, for waking its guest costs more than any
 * guest may.
 *
 * Threads: any thread may call, but for the writes themselves; the lock is held over one write, which
 * vh-guard ends if it does not return.
 */
#ifndef VH_DPDK_RUNTIME_CALLFD_THREAD_H
#define VH_DPDK_RUNTIME_CALLFD_THREAD_H

#include "../../virtio/call.h"

#define VH_CALL_SPACE_US 100
#define VH_CALL_REST 20

/* `end_connection` is told the port and a constant reason. Return: 0, or a negative errno. */
int vh_call_apart_start(void (*end_connection)(uint16_t port, const char *why));
void vh_call_apart_stop(void);

/* Nobody asks for this line any more: it is left alone from now on. */
void vh_call_apart_forget(struct vh_line *line);

#endif
