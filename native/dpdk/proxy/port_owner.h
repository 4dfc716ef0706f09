/*
 * Whose a port is: which process may connect to it as its front end.
 *
 * The group that may open the sockets is that of all guests' QEMUs, so a socket's permissions keep no guest
 * off another's port. What the kernel says of the process that connected does (SO_PEERCRED, and SO_PEERPIDFD,
 * which is of that very process, where a number may be another's by now).
 */
#ifndef VH_DPDK_PROXY_PORT_OWNER_H
#define VH_DPDK_PROXY_PORT_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VH_MAX_OWNER_FILE 511
/* A line about two processes, one of them by the path of its file. */
#define VH_MAX_OWNER_WHY 768

/* All zeroes: everybody's who may open the socket. */
struct vh_owner {
	/* The process that it was handed out to (0: none), and when that began (vh_peer_began()). */
	pid_t pid;
	uint64_t began;
	/* Nobody else comes in once that process has ended; else the two below count then. */
	bool only;
	bool by_user; /* whose processes may come in is `uid` */
	uid_t uid;
	/* Holds the number of the process, as libvirt writes one for each domain; "": none. */
	char pid_file[VH_MAX_OWNER_FILE + 1];
	/* A device is in front of the port: its bridge, which runs as root, comes in. */
	bool bridged;
};

/*
 * Whether the process at the other end of `socket` may come in. Without waiting.
 * Return: true; or false with one line in `why`, which names both.
 */
bool vh_owner_admits(const struct vh_owner *o, int socket, char *why, size_t n);

#endif
