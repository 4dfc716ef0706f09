/*
 * Keeps a front end from stopping a thread of ours with its call eventfd (virtio/call.h says how it could).
 *
 * Theory of operation
 *   "vh-guard" looks at what threads have published: one that is in the same write as at the last look, and
 * asleep, stands still, for an honest write does not sleep. One that merely has no processor is not asleep.
 * The port is muted, so that nobody writes for it any more, its connection is ended and it stays shut; the
 * thread is interrupted by a signal at every look until it moves. Nothing of that asks what the front end
 * did, or undid meanwhile.
 *
 *   A look is taken every VH_CALL_GUARD_MS while anybody writes, and every VH_CALL_GUARD_IDLE_MS while nobody
 * does, for then nobody waits who could be kept waiting. So an attack costs a pause of about two looks, and
 * the next one waits for VH_SHUT_MS, twice as long each time (up to 64 times).
 *
 * Threads: any thread may call. The lock here is held over no system call that could wait.
 */
#ifndef VH_DPDK_RUNTIME_CALLFD_GUARD_H
#define VH_DPDK_RUNTIME_CALLFD_GUARD_H

#include "disconnect.h"
#include "../../virtio/call.h"

#define VH_CALL_GUARD_MS 10
#define VH_CALL_GUARD_IDLE_MS 100

/* Installs the signal's handler and starts the threads; ticks: of virtio/call.h's clock per second;
 * `disconnect` ends the connection of a port whose interrupts do harm. Return: 0, or a negative errno. */
int vh_call_guard_start(uint64_t ticks, vh_disconnect_function disconnect);
void vh_call_guard_stop(void);

/* A descriptor goes into use at a port. Return: what to write to it by, or NULL where there is no memory. */
struct vh_line *vh_call_guard_add(uint16_t port, int fd);

/* Nobody uses the line any more: it is freed, and its descriptor may be closed. NULL: nothing happens. */
void vh_call_guard_remove(struct vh_line *line);

/* How many interrupts of the port the thread for them has sent. */
uint64_t vh_call_guard_sent_apart(uint16_t port);

/* A port that is new; a front end comes to it. */
void vh_call_guard_open(uint16_t port);
void vh_call_guard_welcome(uint16_t port);

/* What a thread of ours does, as proc(5) says it in "stat": 'R' it has or wants a processor, 'S' and 'D' it
 * sleeps;
 * '?' where that cannot be read, '\0' where there is no such thread. */
char vh_call_guard_state(int32_t tid);

#endif
