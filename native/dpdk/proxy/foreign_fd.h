/*
 * Letting go of descriptors that a front end has sent and nobody has use for.
 *
 * close() does what the file's own code does, and that may wait: for the server of a file system in user
 * space (which may be the front end itself), for a terminal or a peer that does not take what it was sent. No
 * signal ends such a wait. So what is known to close at once is closed at once, and everything else on a
 * thread of its own, of which a port has VH_FOREIGN_CLOSING at most: it lets nobody in while it has more.
 */
#ifndef VH_DPDK_PROXY_FOREIGN_FD_H
#define VH_DPDK_PROXY_FOREIGN_FD_H

#include <stdbool.h>
#include <stdint.h>

#define VH_FOREIGN_CLOSING 16

/* Whether it is an eventfd: the one thing whose write() cannot wait once it is non-blocking, and whose
 * close() does not. By the name that the kernel gives it, which no file can have. */
bool vh_foreign_is_eventfd(int fd);

/* Closes a descriptor that came to the port, without waiting. */
void vh_foreign_close(uint16_t port, int fd);

/* Whether the port has as many on their way as it may. */
bool vh_foreign_is_full(uint16_t port);

#endif
