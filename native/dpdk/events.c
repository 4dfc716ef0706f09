#include "events.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct {
	pthread_mutex_t lock;
	struct vh_event ring[VH_EVENT_ROOM];
	uint32_t first, n;
	uint64_t lost;
	bool awake; /* the consumer was woken and has not emptied the queue yet */
	vh_events_wake wake;
	void *context;
} events = {.lock = PTHREAD_MUTEX_INITIALIZER};

void vh_events_init(vh_events_wake wake, void *context)
{
	pthread_mutex_lock(&events.lock);
	events.wake = wake;
	events.context = context;
	events.awake = false;
	pthread_mutex_unlock(&events.lock);
}

void vh_events_close(void)
{
	vh_events_init(NULL, NULL);
}

void vh_events_push(enum vh_event_type type, uint16_t port, uint64_t key, const char *text)
{
	pthread_mutex_lock(&events.lock);
	if (events.n == VH_EVENT_ROOM) {
		events.lost++;
	} else {
		struct vh_event *e = &events.ring[(events.first + events.n++) % VH_EVENT_ROOM];

		e->type = type;
		e->port = port;
		e->key = key;
		snprintf(e->text, sizeof(e->text), "%s", text);
	}
	/* Called under the lock, so that vh_events_close() can promise that no call is under way. */
	if (!events.awake && events.wake != NULL) {
		events.awake = true;
		events.wake(events.context);
	}
	pthread_mutex_unlock(&events.lock);
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

uint32_t vh_events_take(struct vh_event *out, uint32_t max, uint64_t *lost)
{
	uint32_t n = 0;

	pthread_mutex_lock(&events.lock);
	for (; n < max && events.n > 0; n++, events.n--) {
		out[n] = events.ring[events.first];
		events.first = (events.first + 1) % VH_EVENT_ROOM;
	}
	*lost = events.lost;
	events.lost = 0;
	if (events.n == 0)
		events.awake = false;
	pthread_mutex_unlock(&events.lock);
	return n;
}
