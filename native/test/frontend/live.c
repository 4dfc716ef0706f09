/*
 * live SCENARIO SOCKET_A SOCKET_B split|packed ROUNDS
 *
 * Two guests send to each other without pause while one thing after another changes under them. Prints one
 * JSON object: what each of them had taken from it and what it received; the test compares that with the
 * switch's counters, frame by frame. Ends with 1 and a line on stderr when something went wrong.
 */
#include "vu/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define A 1
#define B 2

static struct guest a, b;
static uint64_t withdrawn[3]; /* frames of a guest that the switch never took */

static void fail(const char *what)
{
	fprintf(stderr, "live: %s\n", what);
	exit(1);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		fail(what);
}

static void flow(uint32_t turns)
{
	must(flow_both(&a, &b, turns), "the switch does not take frames");
}

static void settle(struct guest *from, struct guest *to)
{
	must(flow_settle(from, to), "the switch does not take frames any more");
}

static void settle_both(void)
{
	settle(&a, &b);
	settle(&b, &a);
}

/* Takes in what a stopped device has left: all that it took, it has handed back. */
static void collect(struct guest *g, uint8_t from)
{
	uint32_t ignored;

	while (ring_reap(&g->ring[GUEST_TX], &ignored))
		;
	withdrawn[g->id] += ring_busy(&g->ring[GUEST_TX]);
	guest_receive(g, from);
}

static void memory(uint32_t round)
{
	must(guest_share(round % 2 ? &a : &b, 1U << round % 4), "a new memory table was not acknowledged");
}

static void enable(uint32_t round)
{
	struct guest *g = round % 2 ? &a : &b;
	uint32_t ring = round / 2 % 2;

	/* A disabled ring is not emptied: the burst below must find room in it. */
	if (ring == GUEST_TX)
		settle(g, g == &a ? &b : &a);
	must(vu_state_ack(g->sock, VU_SET_VRING_ENABLE, ring, 0), "a ring could not be disabled");
	flow(1);
	must(vu_state_ack(g->sock, VU_SET_VRING_ENABLE, ring, 1), "a ring could not be enabled");
	guest_kick(g, ring);
}

static void swap(uint32_t round)
{
	struct guest *g = round % 2 ? &a : &b;
	uint32_t ring = round / 2 % 2;
	bool call = round / 4 % 2 != 0;
	int *fd = call ? &g->call[ring] : &g->kick[ring];
	int fresh = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	must(fresh >= 0 && vu_fd(g->sock, call ? VU_SET_VRING_CALL : VU_SET_VRING_KICK, ring, fresh),
		"a descriptor could not be sent");
	close(*fd);
	*fd = fresh;
	/* What was kicked between the two messages went to the old one. */
	must(vu_state_ack(g->sock, VU_SET_VRING_ENABLE, ring, 1), "no acknowledgement");
	guest_kick(g, ring);
}

/* Stops the rings and starts them where they stopped. */
static void base(uint32_t round)
{
	struct guest *g = round % 2 ? &a : &b;
	uint8_t other = round % 2 ? B : A;

	for (uint32_t i = 0; i < 2; i++) {
		struct ring *r = &g->ring[i];
		uint32_t told, ignored;

		must(vu_get_base(g->sock, i, &told), "no position");
		if (i == GUEST_RX)
			guest_receive(g, other);
		while (ring_reap(r, &ignored))
			;
		must((told & 0xffff) == (ring_base(r, r->reaped) & 0xffff), "a ring stopped elsewhere");
	}
	for (uint32_t i = 0; i < 2; i++)
		must(guest_start_ring(g, i, ring_base(&g->ring[i], g->ring[i].reaped)),
			"a ring did not start again");
	guest_kick(g, GUEST_TX);
}

/* The guest's driver starts anew: fresh rings on the same connection. */
static void reset(uint32_t round)
{
	struct guest *g = round % 2 ? &a : &b;
	uint8_t other = round % 2 ? B : A;
	uint32_t told;

	for (uint32_t i = 0; i < 2; i++)
		must(vu_get_base(g->sock, i, &told), "no position");
	collect(g, other);
	guest_reset_rings(g);
	for (uint32_t i = 0; i < 2; i++)
		must(guest_start_ring(g, i, ring_base(&g->ring[i], 0)), "a ring did not start again");
}

/* Disconnects in mid-burst and comes back. */
static void reconnect(uint32_t round)
{
	struct guest *g = round % 2 ? &a : &b;

	guest_down(g);
	/* An answer on a new connection means that nothing of the old one is in use. */
	must(guest_negotiate(g), "the port did not take a new connection");
	collect(g, round % 2 ? B : A);
	guest_reset_rings(g);
	must(guest_share(g, 1), "memory was not acknowledged");
	for (uint32_t i = 0; i < 2; i++)
		must(guest_start_ring(g, i, ring_base(&g->ring[i], 0)), "a ring did not start");
}

static void nothing(uint32_t round)
{
	(void)round;
}

static const struct {
	const char *name;
	void (*change)(uint32_t round);
} scenarios[] = {
	{"flow", nothing},
	{"memory", memory},
	{"enable", enable},
	{"swap", swap},
	{"base", base},
	{"reset", reset},
	{"reconnect", reconnect},
};

static void print(const struct guest *g, const char *name, const char *end)
{
	printf("\"%s\":{\"sent\":%llu,\"received\":%llu}%s", name,
		(unsigned long long)(g->sent - withdrawn[g->id]), (unsigned long long)g->received, end);
}

int main(int argc, char **argv)
{
	bool packed;

	if (argc != 6) {
		fprintf(stderr, "usage: live SCENARIO SOCKET_A SOCKET_B split|packed ROUNDS\n");
		return 2;
	}
	packed = strcmp(argv[4], "packed") == 0;
	must(guest_make(&a, argv[2], A, packed, 256) && guest_make(&b, argv[3], B, packed, 256), "no memory");
	must(guest_up(&a) && guest_up(&b), "the switch did not take the guests");
	for (size_t s = 0; s < sizeof(scenarios) / sizeof(scenarios[0]); s++) {
		if (strcmp(argv[1], scenarios[s].name) != 0)
			continue;
		for (uint32_t round = 0; round < (uint32_t)atoi(argv[5]); round++) {
			flow(4);
			scenarios[s].change(round);
		}
	}
	settle_both();
	if (a.wrong != NULL || b.wrong != NULL)
		fail(a.wrong != NULL ? a.wrong : b.wrong);
	printf("{");
	print(&a, "a", ",");
	print(&b, "b", "}\n");
	guest_free(&a);
	guest_free(&b);
	return 0;
}
