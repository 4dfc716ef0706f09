/*
 * What the data path tells the control plane: one bounded queue, many producers, one consumer.
 *
 * Producers (workers, librte_vhost's thread, EAL's log) take no lock and never wait for the consumer or for
 * each other: what does not fit is counted as lost. The consumer is woken once per batch, when the queue
 * stops being empty, by a thread of its own.
 */
#ifndef VH_DPDK_RUNTIME_EVENTS_H
#define VH_DPDK_RUNTIME_EVENTS_H

#include <stdint.h>

#define VH_EVENT_TEXT 200
#define VH_EVENT_ROOM 512

enum vh_event_type {
	VH_EVENT_CONNECTED,
	VH_EVENT_DISCONNECTED,
	VH_EVENT_READY,
	VH_EVENT_STOPPED,
	VH_EVENT_LEARNED,
	VH_EVENT_MOVED,
	VH_EVENT_REJECTED,
	VH_EVENT_LOG,
};

struct vh_event {
	enum vh_event_type type;
	uint16_t port; /* device number; LOG: the level */
	uint64_t key;  /* LEARNED, MOVED: vh_mac_key() */
	char text[VH_EVENT_TEXT];
};

/* Called when the queue stops being empty, on the thread for that. */
typedef void (*vh_events_wake)(void *context);

/* Before the first event. Return: 0, or a negative errno. */
int vh_events_init(vh_events_wake wake, void *context);

/* After this no wake is called any more. */
void vh_events_close(void);

void vh_events_push(enum vh_event_type type, uint16_t port, uint64_t key, const char *text);

/* As vh_events_push() with a formatted text, for the control side. */
void vh_events_say(enum vh_event_type type, uint16_t port, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* For one thread. Takes up to `max` events; *lost is how many were dropped since the last call. Return: how
 * many. */
uint32_t vh_events_take(struct vh_event *out, uint32_t max, uint64_t *lost);

/* For a consumer that stops before the queue is empty: it is woken once more. */
void vh_events_again(void);

#endif
