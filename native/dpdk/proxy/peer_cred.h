/*
 * Who is at the other end of a connection. Any thread.
 */
#ifndef VH_DPDK_PROXY_PEER_CRED_H
#define VH_DPDK_PROXY_PEER_CRED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The process that connected (SO_PEERCRED); 0 where it is not seen from here, in another PID namespace. */
pid_t vh_peer_of(int socket);

/*
 * Whether the process is still there; one that has ended and was not waited for is not. True where nobody can
 * tell: for 0, for a number that the kernel has given away again, and without pidfd_open().
 */
bool vh_peer_runs(pid_t pid);

/* When the process began, in clock ticks since the boot (/proc/PID/stat, field 22); 0 where nobody can tell.
 */
uint64_t vh_peer_began(pid_t pid);

/* What that says of a process that begins now. */
uint64_t vh_peer_clock(void);

#endif
