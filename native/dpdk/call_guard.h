/*
 * Keeps a front end from putting a worker to sleep with its own call eventfd.
 *
 * Theory of operation
 *   A call eventfd is one open file that the front end shares with us, its O_NONBLOCK flag too. A front end
 * that clears the flag and fills the counter makes the next write() to it wait: the worker's, who would serve
 * nobody any more. Asking poll() first costs a system call for every interrupt and still leaves a gap. So
 * workers write as they are, and the descriptors in use are looked at ten times a second: one without
 * O_NONBLOCK, which we set when we took it, was tampered with. Its connection is ended, its port stays shut
 * for VH_RELAY_SHUT_MS, and threads that may be waiting in the write are interrupted by a signal until the
 * descriptor is out of use. What is left to a hostile front end is one pause of about VH_CALL_GUARD_MS for
 * every VH_RELAY_SHUT_MS: a hundredth.
 *
 * Threads: the list has a lock of its own, held over fcntl() only; any thread may call.
 */
#ifndef VH_DPDK_CALL_GUARD_H
#define VH_DPDK_CALL_GUARD_H

#include "relay.h"

#define VH_CALL_GUARD_MS 100

/* Installs the signal's handler; the caller is the control thread. Return: 0, or a negative errno. */
int vh_call_guard_start(void);
void vh_call_guard_stop(void);

/* A descriptor goes into use at a port, and out of it before it is closed. Return: 0 or -ENOMEM. */
int vh_call_guard_add(uint16_t port, int fd);
void vh_call_guard_remove(int fd);

/* The calling thread is librte_vhost's. */
void vh_call_guard_library(void);

#endif
