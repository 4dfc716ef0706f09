/* Descriptors that must not stay with the switch, and front ends that keep it waiting. */
#include "hostile.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAITERS 50

/* Messages that are refused for different reasons, each with as many descriptors as one may bring. */
int hostile_fds(int argc, char **argv)
{
	static const struct vu_msg kinds[] = {
		{.request = 99, .flags = VU_VERSION},		/* unknown */
		{.request = VU_SET_OWNER, .flags = VU_VERSION}, /* takes none */
		{.request = VU_SET_OWNER, .flags = VU_VERSION | VU_NEED_REPLY},
		{.request = VU_SET_VRING_NUM, .flags = VU_VERSION, .size = 8, .state = {1000, 1}},
		{.request = VU_SET_VRING_CALL, .flags = VU_VERSION, .size = 8, .u64 = 1U << 8},
		{.request = VU_SET_VRING_KICK, .flags = VU_VERSION, .size = 8},
		{.request = VU_SET_INFLIGHT_FD, .flags = VU_VERSION, .size = 20},
		{.request = VU_SET_MEM_TABLE, .flags = VU_VERSION, .size = 264}, /* 0 regions */
		{.request = VU_SET_LOG_BASE, .flags = VU_VERSION, .size = 16},
	};
	int fds[VU_MAX_FDS], messages = atoi(argv[1]);

	(void)argc;
	for (int i = 0; i < VU_MAX_FDS; i++)
		fds[i] = STDIN_FILENO;
	for (int i = 0; i < messages; i++) {
		int sock = vu_connect(argv[0]);

		if (sock < 0)
			hostile_fail("fds", "the port does not take a front end");
		vu_send(sock, &kinds[(size_t)i % (sizeof(kinds) / sizeof(kinds[0]))], fds, VU_MAX_FDS);
		if (!vu_closed(sock, 10000))
			hostile_fail("fds", "a message with too many descriptors did not end the connection");
		close(sock);
	}
	return 0;
}

/* Sends half a message on `sock`. */
static void dribble(int sock)
{
	struct vu_msg m = {.request = VU_SET_MEM_TABLE, .flags = VU_VERSION, .size = 264};

	vu_send_bytes(sock, &m, 20, NULL, 0);
}

/* Asks and never reads an answer, until there is no room for another question. */
static void do_not_read(int sock)
{
	struct vu_msg m = {.request = VU_GET_FEATURES, .flags = VU_VERSION};

	while (send(sock, &m, 12, MSG_DONTWAIT | MSG_NOSIGNAL) == 12)
		;
}

/* While one port's front ends say nothing, half of something or too much, another port comes up at once. */
int hostile_silent(int argc, char **argv)
{
	static void (*const ways[])(int sock) = {NULL, dribble, do_not_read};
	struct guest other;
	int first, crowd[WAITERS];

	(void)argc;
	/* Up once before: librte_vhost looks at a new port's socket up to a second late, hostile guests or
	 * not. */
	if (!guest_make(&other, argv[1], EVIL + 1, false, 256) || !guest_up(&other))
		hostile_fail("silent", "another port does not come up");
	guest_down(&other);
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		uint64_t begin, took;

		first = vu_connect(argv[0]);
		if (first < 0)
			hostile_fail("silent", "the port does not take a front end");
		if (ways[way] != NULL)
			ways[way](first);
		for (int i = 0; i < WAITERS; i++)
			crowd[i] = vu_connect(argv[0]);
		begin = vu_now();
		if (!guest_up(&other))
			hostile_fail("silent", "another port does not come up");
		took = vu_now() - begin;
		printf("another port was up after %llu us\n", (unsigned long long)took / 1000);
		if (took > 1000000000ULL)
			hostile_fail("silent", "another port was kept waiting for more than a second");
		for (int i = 0; i < WAITERS; i++) {
			if (crowd[i] >= 0 && !vu_closed(crowd[i], 5000))
				hostile_fail("silent", "a second front end was not turned away");
			close(crowd[i]);
		}
		/* The crowd did not disturb the first: it is what it was, or was ended for its own doing. */
		if (way == 0) {
			uint64_t features;

			if (!vu_get(first, VU_GET_FEATURES, &features))
				hostile_fail("silent", "a second front end disturbed the first");
		} else if (way == 1 && !vu_closed(first, 5000)) {
			hostile_fail("silent", "a message that does not end was waited for");
		}
		close(first);
		guest_down(&other);
	}
	guest_free(&other);
	return 0;
}
