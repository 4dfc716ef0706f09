/*
 * vhost-user sessions: librte_vhost speaks the protocol and maps the guest's memory; the rings are ours.
 *
 * Theory of operation
 *   A session is a port's side towards librte_vhost. The library's thread ("vhost-events") tells it about
 * connections, messages and rings. Whenever a message may move rings, memory or descriptors, the session is
 * paused before the library acts (queues stopped, workers quiescent, ring positions handed back to the
 * library) and resumed afterwards from what the library then says. librte_vhost 22.11 unmaps the memory of a
 * running device on a new memory table without calling destroy_device: the pause is what keeps workers off
 * it.
 *
 *   The session holds duplicates of the call and kick eventfds, so that no worker ever uses a descriptor that
 * the library has closed (and that the kernel may have given to somebody else).
 *
 *   librte_vhost trusts its front end, so it never meets one: a relay (proxy.h) reads the messages, and only
 * those that pass a gate (msg_filter.h) reach the library's own socket.
 *
 *       idle --connection--> connected --a ring each way is served--> ready
 *
 *   Each ring is served as soon as it is started and enabled, whatever the others do: a driver starts with
 * one pair (virtio 1.2, 5.1.6.5.5) and may never use more. librte_vhost's own idea of a device that is ready
 * wants all rings, so its callbacks about that are not used. A message about one ring stops that ring alone.
 *
 * Threads
 *   Callbacks run on the library's thread, or on the control thread inside rte_vhost_driver_unregister().
 * They take the session's lock and wait for workers; workers never take it. The control thread holds no
 * session lock while it calls the library, which would wait for a callback that waits for the lock.
 */
#ifndef VH_DPDK_VHOST_SESSION_H
#define VH_DPDK_VHOST_SESSION_H

#include "session_state.h"
#include "../proxy/port_owner.h"

struct vh_session_options {
	const char *name, *path;
	const char *records; /* the file for positions of packed rings */
	uint16_t pairs;
	bool mergeable;	       /* offer mergeable receive buffers */
	bool offloads;	       /* offer checksum and TSO */
	bool forward_reserved; /* vh_port.forward_reserved */
	uint16_t mac_limit;    /* vh_mac_limit() */
	struct vh_vlan vlan;
	unsigned int socket_mode;
	int socket_gid;
	struct vh_owner owner; /* who may connect */
};

/*
 * Registers the socket and starts to listen. The session and its port must stay where they are until
 * vh_session_close() returns. Return: 0, or a negative errno with the reason in `error`.
 */
int vh_session_open(struct vh_session *s, const struct vh_session_options *o, char *error, size_t n);

/*
 * Makes a socket by the session's name where that is gone, with owner and mode as before; a connected front
 * end notices nothing. Return: 0, or a negative errno (-EADDRINUSE: somebody else's file has the name).
 */
int vh_session_listen_again(struct vh_session *s);

/* Ends the connection, removes the socket, but not what somebody else has put in its place. Afterwards no
 * callback uses the session. */
void vh_session_close(struct vh_session *s);

/* Finds the session of a socket path; given by the owner of the port table, callable from any thread. */
struct vh_session *vh_session_by_path(const char *path);

#endif
