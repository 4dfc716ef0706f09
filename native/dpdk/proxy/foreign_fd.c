#include "foreign_fd.h"
#include "memfd_check.h"
#include "../../base/defs.h"
#include "../../base/eventfd_name.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t closing[VH_MAX_PORTS]; /* atomic */

bool vh_foreign_is_eventfd(int fd)
{
	return vh_check_eventfd(0, fd) == 0;
}

static bool is_local_socket(int fd)
{
	socklen_t n = sizeof(int);
	int domain = -1;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX;
}

static bool is_pipe(int fd)
{
	/* Asks no file system. */
	return fcntl(fd, F_GETPIPE_SZ) > 0;
}

static void *run(void *arg)
{
	uint64_t packed = (uint64_t)(uintptr_t)arg; /* the descriptor, and 16 bits of port */

	close((int)(packed >> 16));
	__atomic_fetch_sub(&closing[packed & 0xffff], 1, __ATOMIC_RELAXED);
	return NULL;
}

void vh_foreign_close(uint16_t port, int fd)
{
	uint64_t packed = (uint64_t)fd << 16 | port;
	pthread_attr_t attr;
	pthread_t thread;

	if (vh_foreign_is_eventfd(fd) || is_local_socket(fd) || vh_memfile_is_memory(fd) || is_pipe(fd)) {
		close(fd);
		return;
	}
	__atomic_fetch_add(&closing[port], 1, __ATOMIC_RELAXED);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Without a thread it stays open, and counts: better than to wait. */
	(void)pthread_create(&thread, &attr, run, (void *)(uintptr_t)packed);
	pthread_attr_destroy(&attr);
}

bool vh_foreign_is_full(uint16_t port)
{
	return __atomic_load_n(&closing[port], __ATOMIC_RELAXED) >= VH_FOREIGN_CLOSING;
}
