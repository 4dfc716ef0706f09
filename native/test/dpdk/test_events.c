/*
 * The queue of events under many producers: each event comes once, whole and in its producer's order, or is
 * counted as lost; and a consumer that sleeps is woken.
 */
#include "../../dpdk/runtime/events.h"
#include "../rig/check.h"
#include "../tests.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PRODUCERS 4U
#define EVENTS 20000U
#define WAKE_DEADLINE_MS 20000

static int woken;

static void wake(void *context)
{
	(void)context;
	eventfd_write(woken, 1);
}

static void begin(void)
{
	woken = eventfd(0, 0);
	REQUIRE(woken >= 0);
	REQUIRE_EQ(vh_events_init(wake, NULL), 0);
}

static void end(void)
{
	vh_events_close();
	close(woken);
}

static void sleep_until_woken(void)
{
	struct pollfd fd = {.fd = woken, .events = POLLIN};
	eventfd_t ignored;

	REQUIRE_EQ(poll(&fd, 1, WAKE_DEADLINE_MS), 1);
	eventfd_read(woken, &ignored);
}

static void *produce(void *arg)
{
	uint16_t port = (uint16_t)(uintptr_t)arg;
	char text[32];

	for (uint32_t i = 1; i <= EVENTS; i++) {
		snprintf(text, sizeof(text), "%u of %u", i, port);
		vh_events_push(VH_EVENT_MOVED, port, i, text);
	}
	return NULL;
}

/* Takes what there is. Return: how many came or were lost. */
static uint64_t take_all(uint64_t last[PRODUCERS])
{
	struct vh_event e[16];
	uint64_t sum = 0, lost;
	uint32_t n;

	do {
		n = vh_events_take(e, 16, &lost);
		sum += n + lost;
		for (uint32_t i = 0; i < n; i++) {
			char text[32];

			REQUIRE(e[i].port < PRODUCERS);
			REQUIRE(e[i].key > last[e[i].port]);
			last[e[i].port] = e[i].key;
			snprintf(text, sizeof(text), "%u of %u", (uint32_t)e[i].key, e[i].port);
			REQUIRE(strcmp(text, e[i].text) == 0);
		}
	} while (n > 0);
	return sum;
}

void test_events_come_once(void)
{
	uint64_t sum = 0, last[PRODUCERS] = {0};
	pthread_t thread[PRODUCERS];

	begin();
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		REQUIRE_EQ(pthread_create(&thread[i], NULL, produce, (void *)i), 0);
	/* Sleeps each time: an event that wakes nobody would end this. */
	while (sum < PRODUCERS * EVENTS) {
		sleep_until_woken();
		sum += take_all(last);
	}
	REQUIRE_EQ(sum, PRODUCERS * EVENTS);
	for (uint32_t i = 0; i < PRODUCERS; i++)
		pthread_join(thread[i], NULL);
	end();
}

void test_events_lost_are_counted(void)
{
	struct vh_event e[VH_EVENT_ROOM + 1];
	uint64_t lost;

	begin();
	for (int turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < VH_EVENT_ROOM + 10; i++)
			vh_events_push(VH_EVENT_LOG, 1, i, "");
		REQUIRE_EQ(vh_events_take(e, VH_EVENT_ROOM + 1, &lost), VH_EVENT_ROOM);
		REQUIRE_EQ(lost, 10);
		for (uint32_t i = 0; i < VH_EVENT_ROOM; i++)
			REQUIRE_EQ(e[i].key, i);
		REQUIRE_EQ(vh_events_take(e, 1, &lost), 0);
		REQUIRE_EQ(lost, 0);
	}
	end();
}

/* One that stops in the middle, because there are too many, comes again. */
void test_events_after_a_stopped_reader(void)
{
	struct vh_event e[2];
	uint64_t lost;

	begin();
	for (uint32_t i = 0; i < 5; i++)
		vh_events_push(VH_EVENT_LOG, 1, i, "");
	for (uint32_t i = 0; i < 5; i += 2) {
		sleep_until_woken();
		REQUIRE_EQ(vh_events_take(e, 2, &lost), i < 4 ? 2 : 1);
		REQUIRE_EQ(e[0].key, i);
		if (i < 4)
			vh_events_again();
	}
	vh_events_push(VH_EVENT_LOG, 1, 5, "");
	sleep_until_woken();
	end();
	/* Closed, nobody is called any more. */
	vh_events_push(VH_EVENT_LOG, 1, 6, "");
}
