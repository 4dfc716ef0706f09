/*
 * Waking librte_vhost's thread.
 *
 * Theory of operation
 *   The thread ("vhost-events") polls those sockets that it knew when it last began to, for up to a second,
 * and a socket that is registered meanwhile does not interrupt it: the first front end of a new port would
 * wait. So the library gets one connection whose other end is ours, and what is said there wakes it.
 */
#ifndef VH_DPDK_VHOST_FDSET_WAKEUP_H
#define VH_DPDK_VHOST_FDSET_WAKEUP_H

/*
 * Makes the library connect to a socket, unless it has done so before. fd: the socket, bound to `path`; both
 * stay the caller's. A failure costs front ends that wait, and nothing else: none is told.
 */
void vh_wake_open(int fd, const char *path);

/* The thread looks at all sockets that the library has by now. */
void vh_wake(void);

/* Ends the connection. */
void vh_wake_close(void);

#endif
