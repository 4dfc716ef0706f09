/*
 * The relay between front ends and librte_vhost: one thread that reads every message before the library does.
 *
 * Theory of operation
 *   librte_vhost reads its sockets with blocking calls on one thread, keeps descriptors of messages that it
 * does not understand, and takes a second front end for a second device. So it never meets a front end: it
 * listens on a socket that has lost its name, which only the relay can still reach (through /proc/self/fd).
 * The relay listens where the front end expects the switch, takes one connection per port, reads whole
 * messages without ever waiting, asks the gate (gate.h), and hands on what passes. Replies come back the same
 * way. Nothing that a front end does or omits makes librte_vhost's thread wait, and descriptors that arrive
 * are closed here unless they are handed on.
 *
 *       IDLE --front end connects--> OPEN --either side ends, or refused--> ENDING --library is done--> IDLE
 *
 *   A front end that connects while another is OPEN is turned away. One that connects while the old one is
 * ENDING waits in the socket's backlog, so that a guest that restarts quickly finds its port free.
 *
 * Bounds: VH_RELAY_* below. Messages and connections above their rate are read later, not refused.
 *
 * Threads and owners
 *   "vh-relay" owns everything below under one lock, which it gives up only to wait in epoll. The other
 * functions take the lock; none of them, nor the thread, calls librte_vhost or waits for workers while it is
 * held, so any thread may call them with any other lock held.
 */
#ifndef VH_DPDK_PROXY_PROXY_H
#define VH_DPDK_PROXY_PROXY_H

#include "port_owner.h"
#include "ring_record_file.h"
#include "../../virtio/memory/iotlb.h"

/* A message that has begun must be complete within this time. */
#define VH_RELAY_MESSAGE_MS 1000
/* Whoever connects says something within this time, and takes its replies. */
#define VH_RELAY_SILENCE_MS 10000
/* Messages per second and at once: a guest that masks its interrupts all the time stays below. A new memory
 * table counts for many: it unmaps and maps memory, which every CPU of the process feels. */
#define VH_RELAY_MESSAGES 2000
#define VH_RELAY_TABLE_COSTS 20
/* What a microsecond of the relay's time costs, in thousandths of a message: a port may have a tenth of it.
 */
#define VH_RELAY_US_COSTS 20
/* Translations come by the thousand from a guest that maps each buffer anew: so many count for one. */
#define VH_RELAY_IOTLB_SHARE 8
/* Connections per second, and at once: each costs librte_vhost a device, and most a memory table. */
#define VH_RELAY_CONNECTIONS 100
#define VH_RELAY_CONNECTIONS_AT_ONCE 500
/* How long a port stays shut whose front end has kept a worker waiting. */
#define VH_RELAY_SHUT_MS 10000U

struct vh_relay_options {
	uint16_t port; /* device number */
	uint32_t rings;
	uint64_t features, protocol_features; /* offered */
	struct vh_iotlb *iotlb;		      /* whose misses are to be asked for */
	struct vh_records *records;	      /* whose places the front end may be told */
	struct vh_owner owner;		      /* who may be its front end */
	int listen_fd;			      /* front ends connect here; the relay's from now on */
	int library_fd;			      /* O_PATH of librte_vhost's socket; the relay's from now on */
};

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
 * Ends the port's connection for a reason outside of the protocol, as a 'refused' event. `why` must be a
 * constant; shut_ms: how long nobody is let in afterwards. Safe in signal handlers (it only notes the wish).
 */
void vh_relay_condemn(uint16_t port, const char *why, uint32_t shut_ms);

/* Return: why nobody is let in for now, where a front end is to blame for that, or NULL. */
const char *vh_relay_shut(uint16_t port);

uint64_t vh_relay_now(void); /* ms, monotonic */

#endif
