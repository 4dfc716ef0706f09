/*
 * The relay between front ends and librte_vhost: one thread that reads every message before the library does.
 *
 * Theory of operation
 *   librte_vhost reads its sockets with blocking calls on one thread, keeps descriptors of messages that it
 * does not understand, and takes a second front end for a second device. So it never meets a front end: it
 * listens on a socket that has lost its name, which only the relay can still reach (through /proc/self/fd).
 * The relay listens where the front end expects the switch, takes one connection per port, reads whole
 * messages without ever waiting, asks the gate (msg_filter.h), and hands on what passes. Replies come back
 * the same way. Nothing that a front end does or omits makes librte_vhost's thread wait, and descriptors that
 * arrive are closed here unless they are handed on.
 *
 *       IDLE --front end connects--> OPEN --either side ends, or refused--> ENDING --library is done--> IDLE
 *
 *   A front end that connects while another is OPEN is turned away. One that connects while the old one is
 * ENDING waits in the socket's backlog, so that a guest that restarts quickly finds its port free.
 *
 * Bounds: VH_RELAY_* in proxy_options.h. Messages and connections above their rate are read later, not
 * refused.
 *
 * Threads and owners
 *   "vh-relay" owns everything below under one lock, which it gives up only to wait in epoll. The other
 * functions take the lock; none of them, nor the thread, calls librte_vhost or waits for workers while it is
 * held, so any thread may call them with any other lock held.
 */
#ifndef VH_DPDK_PROXY_PROXY_H
#define VH_DPDK_PROXY_PROXY_H

#include "proxy_options.h"

/*
 * Starts and ends the thread. What front ends connect with and send gets descriptors below `descriptors`; the
 * rest of what the process may open is kept for the process itself, and a front end that needs more is turned
 * away. The kernel always gives the lowest number that is free, so numbers tell how many are taken.
 * Return: 0, or a negative errno.
 */
int vh_relay_start(int descriptors);
void vh_relay_stop(void);

/* Lets front ends in. Return: 0, or a negative errno (then the descriptors are closed). */
int vh_relay_open(const struct vh_relay_options *o);

/*
 * From now on front ends connect to this socket, the relay's from now on; a connection that there is goes on.
 * Return: 0, or a negative errno (then the descriptor is closed, and everything is as before).
 */
int vh_relay_listen(uint16_t port, int listen_fd);

/*
 * Ends the connection and lets nobody in any more; librte_vhost may still be busy with what it was given.
 * Return: whether the last front end, connected or not, is still there, as far as anybody can tell: one whose
 * connection has ended tries again every now and then.
 */
bool vh_relay_close(uint16_t port);

/* The port is somebody else's from now on. A front end that is not that one's loses its connection. */
void vh_relay_own(uint16_t port, const struct vh_owner *owner);

/* librte_vhost has taken a connection. Return: whether it is one that the relay made. */
bool vh_relay_attached(uint16_t port);

/* librte_vhost has forgotten the connection. */
void vh_relay_detached(uint16_t port);

/*
 * Hands over the file that came with the port's last SET_LOG_BASE, which librte_vhost does not get to see.
 * Return: a descriptor, the caller's, or -1.
 */
int vh_relay_take_log(uint16_t port);

/* Some port's table of translations has a miss to ask for. From any thread, also a worker. */
void vh_relay_ask(void);

/*
 * A vh_disconnect_function (dpdk/runtime/disconnect.h): ends the port's connection for a reason outside of
 * the protocol, as a 'refused' event.
 */
void vh_relay_condemn(uint16_t port, const char *why, uint32_t shut_ms);

/* Return: why nobody is let in for now, where a front end is to blame for that, or NULL. */
const char *vh_relay_shut(uint16_t port);

#endif
