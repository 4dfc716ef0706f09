#include "callfd_thread.h"
#include "helper_thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A sleep that nobody ends; any number would do. */
#define LONGEST_MS 60000

static const char too_dear[] = "waking its guest takes more processor time than any guest's may";

static struct {
	struct vh_call_thread thread;
	uint32_t stop; /* atomic */
	int wake_fd;
	void (*end_connection)(uint16_t port, const char *why);
	pthread_mutex_t lock;
	struct vh_line *waiting; /* under the lock */
} apart = {.wake_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static void wake(void)
{
	static const uint64_t one = 1;
	ssize_t ignored = write(apart.wake_fd, &one, sizeof(one));

	(void)ignored;
}

/* Takes in what has become due. */
static void collect(void)
{
	struct vh_line *line = vh_call_take_due(), *next;

	for (; line != NULL; line = next) {
		next = line->next;
		line->next = apart.waiting;
		apart.waiting = line;
	}
}

static uint64_t time_of(const struct vh_line *line)
{
	return line->not_before > line->call->not_before ? line->not_before : line->call->not_before;
}

static void write_to(struct vh_line *line)
{
	struct vh_call *call = line->call;
	uint64_t cost, now;

	/* Before the write: what is asked for meanwhile may come after what the guest has seen. */
	__atomic_store_n(&line->due, 0, __ATOMIC_SEQ_CST);
	vh_call_write_apart(line, &cost);
	now = vh_call_ticks();
	line->not_before = now + vh_call_us(VH_CALL_SPACE_US);
	call->not_before = now + VH_CALL_REST * cost;
	if (vh_call_excess(cost) > 0 &&
		!vh_budget_charge(&call->apart, now, vh_call_excess(cost), VH_CALL_SHARE))
		apart.end_connection(call->port, too_dear);
}

/* Writes to one line whose time has come. Return: ticks until there is one; 0: at once; UINT64_MAX: none
 * waits. */
static uint64_t step(void)
{
	struct vh_line **first = NULL, *line;
	uint64_t now = vh_call_ticks(), at = UINT64_MAX;

	collect();
	for (struct vh_line **p = &apart.waiting; *p != NULL; p = &(*p)->next) {
		if (time_of(*p) >= at)
			continue;
		at = time_of(*p);
		first = p;
	}
	if (first == NULL || at > now)
		return first == NULL ? UINT64_MAX : at - now;
	line = *first;
	*first = line->next;
	write_to(line);
	return 0;
}

/* A short sleep is not worth being woken from. */
static void nap(uint64_t ticks)
{
	uint64_t us = ticks / vh_call_us(1);
	struct timespec t = {.tv_nsec = (long)(us < VH_CALL_SPACE_US ? us + 1 : VH_CALL_SPACE_US) * 1000};

	nanosleep(&t, NULL);
}

static void sleep_until_due(uint64_t ticks)
{
	struct pollfd p = {.fd = apart.wake_fd, .events = POLLIN};
	uint64_t counter, ms = ticks / vh_call_us(1000);
	int timeout = ms < LONGEST_MS ? (int)ms : LONGEST_MS;

	if (vh_call_apart_sleeps(true) && __atomic_load_n(&apart.stop, __ATOMIC_SEQ_CST) == 0)
		poll(&p, 1, timeout);
	vh_call_apart_sleeps(false);
	/* Empty where nobody woke us. */
	(void)!read(apart.wake_fd, &counter, sizeof(counter));
}

static void *loop(void *arg)
{
	bool wrote = false;

	(void)arg;
	while (__atomic_load_n(&apart.stop, __ATOMIC_SEQ_CST) == 0) {
		uint64_t ticks;

		pthread_mutex_lock(&apart.lock);
		ticks = step();
		pthread_mutex_unlock(&apart.lock);
		if (ticks == 0) {
			wrote = true;
		} else if (wrote || ticks < vh_call_us(1000)) {
			/* More is likely to come. */
			wrote = false;
			nap(ticks);
		} else {
			sleep_until_due(ticks);
		}
	}
	vh_call_leave();
	return NULL;
}

static void ask_to_end(void)
{
	__atomic_store_n(&apart.stop, 1, __ATOMIC_SEQ_CST);
	wake();
}

int vh_call_apart_start(void (*end_connection)(uint16_t port, const char *why))
{
	apart.end_connection = end_connection;
	apart.stop = 0;
	apart.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (apart.wake_fd < 0)
		return -errno;
	vh_call_wake_apart = wake;
	return vh_call_thread_start(&apart.thread, "vh-calls", loop);
}

void vh_call_apart_stop(void)
{
	vh_call_thread_stop(&apart.thread, ask_to_end);
	vh_call_wake_apart = NULL;
	if (apart.wake_fd >= 0)
		close(apart.wake_fd);
	apart.wake_fd = -1;
}

void vh_call_apart_forget(struct vh_line *line)
{
	pthread_mutex_lock(&apart.lock);
	collect();
	for (struct vh_line **p = &apart.waiting; *p != NULL; p = &(*p)->next) {
		if (*p != line)
			continue;
		*p = line->next;
		break;
	}
	pthread_mutex_unlock(&apart.lock);
}
