#include "callfd_guard.h"
#include "callfd_thread.h"
#include "helper_thread.h"
#include "../../base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Ignored by default, so one too many harms nobody, and of no use to anything without TCP. */
#define INTERRUPT SIGURG
/* How often the time for which a port stays shut doubles, and after how many times that time it begins anew.
 */
#define STRIKES 6
#define FORGIVEN 10

static const char stands_still[] = "a write to its call eventfd did not return, which stops the switch";

static struct {
	struct vh_call_thread thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool stop;
	vh_disconnect_function disconnect;
	uint32_t lines;
	struct {
		uint32_t strikes;
		uint64_t until; /* ms: shut */
	} record[VH_MAX_PORTS];
	uint64_t seen[VH_CALL_SLOTS]; /* writes, at the last look; the thread's own */
	struct sigaction before;
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Never freed, so that whoever looks late finds something there. */
static struct vh_call calls[VH_MAX_PORTS];

static void do_nothing(int signal)
{
	(void)signal;
}

char vh_call_guard_state(int32_t tid)
{
	char path[40], text[128] = "";
	const char *name_ends;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? '\0' : '?';
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* "tid (name) S ...". */
	name_ends = strrchr(text, ')');
	return name_ends == NULL || name_ends[1] == '\0' || name_ends[2] == '\0' ? '?' : name_ends[2];
}

/* How long the port is to stay shut, in ms. */
static uint32_t strike(uint16_t port)
{
	uint64_t now = vh_now_ms();
	uint32_t shut_ms;

	pthread_mutex_lock(&guard.lock);
	shut_ms = VH_SHUT_MS << guard.record[port].strikes;
	if (guard.record[port].strikes > 0 && now > guard.record[port].until + FORGIVEN * (uint64_t)shut_ms) {
		guard.record[port].strikes = 0;
		shut_ms = VH_SHUT_MS;
	}
	guard.record[port].until = now + shut_ms;
	if (guard.record[port].strikes < STRIKES)
		guard.record[port].strikes++;
	pthread_mutex_unlock(&guard.lock);
	return shut_ms;
}

/* Ends the connection of a port whose interrupts do harm. `why` must be a constant. From any thread. */
static void end_connection(uint16_t port, const char *why)
{
	if (__atomic_exchange_n(&calls[port].stage, VH_CALL_MUTED, __ATOMIC_ACQ_REL) != VH_CALL_MUTED)
		guard.disconnect(port, why, strike(port));
}

/* Return: whether anybody writes, or has since the last look. */
static bool look(void)
{
	bool busy = false;

	for (uint32_t i = 0; i < VH_CALL_SLOTS; i++) {
		struct vh_call_slot *s = &vh_call_slots[i];
		uint64_t writes = __atomic_load_n(&s->writes, __ATOMIC_ACQUIRE);
		uint32_t port = __atomic_load_n(&s->port, __ATOMIC_RELAXED);
		int32_t tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE);
		bool moved = writes != guard.seen[i];
		char state;

		guard.seen[i] = writes;
		busy |= moved || writes % 2 != 0;
		if (moved || writes % 2 == 0 || tid == 0)
			continue;
		state = vh_call_guard_state(tid);
		/* 'D' is for pages that are being read. */
		if ((state != 'S' && state != '?') || __atomic_load_n(&s->writes, __ATOMIC_ACQUIRE) != writes)
			continue;
		end_connection((uint16_t)port, stands_still);
		syscall(SYS_tgkill, getpid(), tid, INTERRUPT);
	}
	return busy;
}

static void wait_ms(uint32_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&guard.change, &guard.lock, &until);
}

static void *loop(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&guard.lock);
	while (!guard.stop) {
		bool busy;

		/* An idle switch does not wake up for nothing. */
		if (guard.lines == 0) {
			pthread_cond_wait(&guard.change, &guard.lock);
			continue;
		}
		pthread_mutex_unlock(&guard.lock);
		busy = look();
		pthread_mutex_lock(&guard.lock);
		if (!guard.stop)
			wait_ms(busy ? VH_CALL_GUARD_MS : VH_CALL_GUARD_IDLE_MS);
	}
	pthread_mutex_unlock(&guard.lock);
	return NULL;
}

static int start_thread(void)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&guard.change, &monotonic);
	pthread_condattr_destroy(&monotonic);
	guard.stop = false;
	return vh_call_thread_start(&guard.thread, "vh-guard", loop);
}

int vh_call_guard_start(uint64_t ticks, vh_disconnect_function disconnect)
{
	/* Without SA_RESTART: a write() that waits returns EINTR. */
	struct sigaction action = {.sa_handler = do_nothing};
	int error;

	guard.disconnect = disconnect;
	vh_call_start(ticks);
	sigemptyset(&action.sa_mask);
	if (sigaction(INTERRUPT, &action, &guard.before) != 0)
		return -errno;
	error = start_thread();
	if (error == 0)
		error = vh_call_apart_start(end_connection);
	if (error != 0)
		vh_call_guard_stop();
	return error;
}

static void ask_to_end(void)
{
	pthread_mutex_lock(&guard.lock);
	guard.stop = true;
	pthread_cond_signal(&guard.change);
	pthread_mutex_unlock(&guard.lock);
}

void vh_call_guard_stop(void)
{
	/* Before its guard. */
	vh_call_apart_stop();
	vh_call_thread_stop(&guard.thread, ask_to_end);
	sigaction(INTERRUPT, &guard.before, NULL);
}

static void count_lines(int change)
{
	pthread_mutex_lock(&guard.lock);
	guard.lines += (uint32_t)change;
	if (guard.lines == 1 && change > 0)
		pthread_cond_signal(&guard.change);
	pthread_mutex_unlock(&guard.lock);
}

struct vh_line *vh_call_guard_add(uint16_t port, int fd)
{
	struct vh_line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return NULL;
	line->fd = fd;
	line->call = &calls[port];
	count_lines(1);
	return line;
}

void vh_call_guard_remove(struct vh_line *line)
{
	if (line == NULL)
		return;
	vh_call_apart_forget(line);
	free(line);
	count_lines(-1);
}

void vh_call_guard_open(uint16_t port)
{
	memset(&calls[port], 0, sizeof(calls[port]));
	calls[port].port = port;
	pthread_mutex_lock(&guard.lock);
	guard.record[port].strikes = 0;
	pthread_mutex_unlock(&guard.lock);
}

void vh_call_guard_welcome(uint16_t port)
{
	__atomic_store_n(&calls[port].stage, VH_CALL_DIRECT, __ATOMIC_RELEASE);
}

uint64_t vh_call_guard_sent_apart(uint16_t port)
{
	return __atomic_load_n(&calls[port].sent_apart, __ATOMIC_RELAXED);
}
