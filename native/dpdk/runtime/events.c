#include "events.h"
#include "../../base/defs.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * A ring of cells that many fill and one empties, without a lock: a cell's turn says whose it is. Cell i is
 * free for the event number n (n % ROOM == i) at turn n, holds it at turn n + 1, and is free for the next at
 * turn n + ROOM. A producer that is stopped between taking a number and filling its cell holds up the
 * consumer, who comes again when it has filled it, and no other producer.
 */
struct cell {
	uint64_t turn; /* atomic */
	struct vh_event event;
};

static struct {
	struct cell cell[VH_EVENT_ROOM];
	uint64_t next VH_CACHE_ALIGNED; /* number of the next event to come; atomic */
	uint64_t first;			/* of the next to be taken; the consumer's */
	uint64_t lost;			/* atomic */
	bool awake; /* the consumer was woken and has not emptied the ring since; atomic */
} events;

/* Wakes the consumer: what that takes may lock, and a worker must not. */
static struct {
	pthread_t thread;
	int fd; /* counts requests to wake; made once and kept, since a producer may be about to write to it
		 */
	bool wanted; /* atomic */
	vh_events_wake wake;
	void *context;
} waker = {.fd = -1};

static void *wake_when_asked(void *ignored)
{
	eventfd_t asked;

	(void)ignored;
	while (eventfd_read(waker.fd, &asked) == 0 || errno == EINTR) {
		if (!__atomic_load_n(&waker.wanted, __ATOMIC_SEQ_CST))
			break;
		waker.wake(waker.context);
	}
	return NULL;
}

/* Never waits: the eventfd takes more than there can be. */
static void ask(void)
{
	if (__atomic_load_n(&waker.wanted, __ATOMIC_SEQ_CST) &&
		!__atomic_exchange_n(&events.awake, true, __ATOMIC_SEQ_CST))
		(void)eventfd_write(waker.fd, 1);
}

void vh_events_again(void)
{
	__atomic_store_n(&events.awake, false, __ATOMIC_SEQ_CST);
	ask();
}

static bool make_once(void)
{
	if (waker.fd >= 0)
		return true;
	for (uint64_t i = 0; i < VH_EVENT_ROOM; i++)
		events.cell[i].turn = i;
	waker.fd = eventfd(0, EFD_CLOEXEC);
	return waker.fd >= 0;
}

int vh_events_init(vh_events_wake wake, void *context)
{
	int error;

	if (!make_once())
		return -errno;
	waker.wake = wake;
	waker.context = context;
	__atomic_store_n(&events.awake, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&waker.wanted, true, __ATOMIC_SEQ_CST);
	error = pthread_create(&waker.thread, NULL, wake_when_asked, NULL);
	if (error != 0) {
		__atomic_store_n(&waker.wanted, false, __ATOMIC_SEQ_CST);
		return -error;
	}
	pthread_setname_np(waker.thread, "vh-events");
	return 0;
}

void vh_events_close(void)
{
	if (!__atomic_exchange_n(&waker.wanted, false, __ATOMIC_SEQ_CST))
		return;
	(void)eventfd_write(waker.fd, 1);
	pthread_join(waker.thread, NULL);
}

/* Return: the cell of the next event, which is *n; NULL when there is no room. */
static struct cell *reserve(uint64_t *n)
{
	*n = __atomic_load_n(&events.next, __ATOMIC_RELAXED);
	for (;;) {
		struct cell *c = &events.cell[*n % VH_EVENT_ROOM];
		int64_t late = (int64_t)(__atomic_load_n(&c->turn, __ATOMIC_ACQUIRE) - *n);

		if (late < 0)
			return NULL;
		if (late > 0)
			*n = __atomic_load_n(&events.next, __ATOMIC_RELAXED);
		else if (__atomic_compare_exchange_n(
				 &events.next, n, *n + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return c;
	}
}

void vh_events_push(enum vh_event_type type, uint16_t port, uint64_t key, const char *text)
{
	uint64_t n;
	struct cell *c = reserve(&n);

	if (c == NULL) {
		__atomic_fetch_add(&events.lost, 1, __ATOMIC_RELAXED);
	} else {
		c->event.type = type;
		c->event.port = port;
		c->event.key = key;
		snprintf(c->event.text, sizeof(c->event.text), "%s", text);
		/* Before the look at whether the consumer is awake, who looks here after it has gone to
		 * sleep. */
		__atomic_store_n(&c->turn, n + 1, __ATOMIC_SEQ_CST);
	}
	ask();
}

void vh_events_say(enum vh_event_type type, uint16_t port, const char *format, ...)
{
	char text[VH_EVENT_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	vh_events_push(type, port, 0, text);
}

static bool take(struct vh_event *out)
{
	struct cell *c = &events.cell[events.first % VH_EVENT_ROOM];

	if (__atomic_load_n(&c->turn, __ATOMIC_SEQ_CST) != events.first + 1)
		return false;
	*out = c->event;
	__atomic_store_n(&c->turn, events.first + VH_EVENT_ROOM, __ATOMIC_RELEASE);
	events.first++;
	return true;
}

uint32_t vh_events_take(struct vh_event *out, uint32_t max, uint64_t *lost)
{
	uint32_t n = 0;

	while (n < max && take(&out[n]))
		n++;
	if (n < max) {
		/* Asleep first, then a look again: who fills a cell after that wakes. */
		__atomic_store_n(&events.awake, false, __ATOMIC_SEQ_CST);
		while (n < max && take(&out[n]))
			n++;
	}
	*lost = __atomic_exchange_n(&events.lost, 0, __ATOMIC_RELAXED);
	return n;
}
