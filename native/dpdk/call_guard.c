#include "call_guard.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ignored by default, so one too many harms nobody, and of no use to anything without TCP. */
#define INTERRUPT SIGURG

struct watched {
	int fd;
	uint16_t port;
};

static struct {
	pthread_mutex_t lock;
	struct watched *list;
	uint32_t n, room;
	int32_t control, library; /* threads that write besides the workers, or 0; atomic */
	struct sigaction before;
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void do_nothing(int signal)
{
	(void)signal;
}

static void interrupt(int32_t tid)
{
	if (tid != 0)
		syscall(SYS_tgkill, getpid(), tid, INTERRUPT);
}

static void look(void)
{
	bool found = false;

	pthread_mutex_lock(&guard.lock);
	for (uint32_t i = 0; i < guard.n; i++) {
		int flags = fcntl(guard.list[i].fd, F_GETFL);

		if (flags >= 0 && (flags & O_NONBLOCK) != 0)
			continue;
		found = true;
		vh_relay_condemn(guard.list[i].port,
			"it took O_NONBLOCK off a call eventfd, which stops workers", VH_RELAY_SHUT_MS);
	}
	pthread_mutex_unlock(&guard.lock);
	if (!found)
		return;
	for (uint32_t i = 0; i < vh_workers_count(); i++)
		interrupt(vh_workers_tid(i));
	interrupt(__atomic_load_n(&guard.control, __ATOMIC_RELAXED));
	interrupt(__atomic_load_n(&guard.library, __ATOMIC_RELAXED));
}

int vh_call_guard_start(void)
{
	/* Without SA_RESTART: a write() that waits returns EINTR. */
	struct sigaction action = {.sa_handler = do_nothing};

	sigemptyset(&action.sa_mask);
	if (sigaction(INTERRUPT, &action, &guard.before) != 0)
		return -errno;
	__atomic_store_n(&guard.control, (int32_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
	return 0;
}

void vh_call_guard_stop(void)
{
	vh_relay_every(0, NULL);
	sigaction(INTERRUPT, &guard.before, NULL);
	pthread_mutex_lock(&guard.lock);
	free(guard.list);
	guard.list = NULL;
	guard.n = guard.room = 0;
	guard.control = guard.library = 0;
	pthread_mutex_unlock(&guard.lock);
}

int vh_call_guard_add(uint16_t port, int fd)
{
	int result = 0;

	pthread_mutex_lock(&guard.lock);
	if (guard.n == guard.room) {
		uint32_t room = guard.room == 0 ? 16 : 2 * guard.room;
		struct watched *list = realloc(guard.list, room * sizeof(*list));

		if (list == NULL) {
			result = -ENOMEM;
		} else {
			guard.list = list;
			guard.room = room;
		}
	}
	if (result == 0)
		guard.list[guard.n++] = (struct watched){.fd = fd, .port = port};
	if (guard.n == 1)
		vh_relay_every(VH_CALL_GUARD_MS, look);
	pthread_mutex_unlock(&guard.lock);
	return result;
}

void vh_call_guard_remove(int fd)
{
	pthread_mutex_lock(&guard.lock);
	for (uint32_t i = 0; i < guard.n; i++) {
		if (guard.list[i].fd == fd) {
			guard.list[i] = guard.list[--guard.n];
			break;
		}
	}
	/* An idle switch does not wake up for nothing. */
	if (guard.n == 0)
		vh_relay_every(0, NULL);
	pthread_mutex_unlock(&guard.lock);
}

void vh_call_guard_library(void)
{
	__atomic_store_n(&guard.library, (int32_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
}
