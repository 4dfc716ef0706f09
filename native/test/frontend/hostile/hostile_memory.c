/* Memory that goes away under the switch, and a call eventfd that blocks its writer. */
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fills the file anew; the connection, if any, keeps what it has mapped. */
static void restore(struct guest *g)
{
	if (ftruncate(g->memory_fd, GUEST_MEMORY) != 0)
		hostile_fail("memory", "the file cannot be made longer");
}

/* Offers frames, which the switch takes as soon as it looks. */
static void offer(struct guest *g)
{
	guest_send(g, 0xff, 1000, 64);
}

static void cut(const struct guest *g, off_t to)
{
	if (ftruncate(g->memory_fd, to) != 0)
		hostile_fail("memory", "the file cannot be cut");
}

/* Waits until the switch ends the connection. Nobody here touches the memory that is gone. */
static void must_end(struct guest *g, const char *attack)
{
	if (!vu_closed(g->sock, 10000))
		hostile_fail(attack, "the connection goes on without its memory");
	guest_down(g);
}

int hostile_memory(int argc, char **argv)
{
	struct guest g;
	static const uint64_t one = 1;

	(void)argc;
	if (!guest_make(&g, argv[0], EVIL, strcmp(argv[1], "packed") == 0, 256))
		hostile_fail("memory", "no memory");
	for (int round = 0; round < atoi(argv[2]); round++) {
		restore(&g);
		if (!guest_up(&g))
			hostile_fail("memory", "the port does not come up");
		/* Whole; only the buffers; in the middle of the table of descriptors. */
		offer(&g);
		cut(&g, round % 3 == 0 ? 0 : round % 3 == 1 ? GUEST_BUFFERS_AT : 4096);
		/* A kick, because a sleeping switch touches nothing and is right not to care. */
		if (write(g.kick[GUEST_TX], &one, sizeof(one)) < 0)
			hostile_fail("memory", "no kick");
		if (round % 3 != 1) {
			must_end(&g, "memory");
			continue;
		}
		/* The rings are there, so frames whose bytes are gone can be offered. */
		for (uint32_t i = 0; i < 8; i++)
			ring_put(&g.ring[GUEST_TX], guest_gpa(GUEST_BUFFERS_AT + i * 4096), 200, false);
		guest_kick(&g, GUEST_TX);
		must_end(&g, "memory");
	}
	/* Cut between the table and the rings: librte_vhost is the one that looks. */
	for (int round = 0; round < atoi(argv[2]); round++) {
		restore(&g);
		if (!guest_negotiate(&g) || !guest_share(&g, 1))
			hostile_fail("memory", "the memory table was not taken");
		cut(&g, 0);
		guest_start_ring(&g, GUEST_RX, ring_base(&g.ring[GUEST_RX], 0));
		guest_start_ring(&g, GUEST_TX, ring_base(&g.ring[GUEST_TX], 0));
		if (write(g.kick[GUEST_TX], &one, sizeof(one)) < 0)
			hostile_fail("memory", "no kick");
		must_end(&g, "memory before the rings");
	}
	restore(&g);
	if (!guest_up(&g))
		hostile_fail("memory", "the port does not come up afterwards");
	guest_free(&g);
	return 0;
}

/*
 * The counter of the hostile guest's call eventfd is full and O_NONBLOCK is off: a worker that writes to it
 * waits. The victim shares the worker and must go on.
 */
int hostile_eventfd(int argc, char **argv)
{
	static const uint64_t full = 0xfffffffffffffffeULL;
	struct guest evil, victim;
	uint64_t begin, end;
	uint32_t ignored;

	(void)argc;
	if (!guest_make(&evil, argv[0], EVIL, false, 256) ||
		!guest_make(&victim, argv[1], EVIL + 1, false, 256))
		hostile_fail("eventfd", "no memory");
	if (!guest_up(&evil) || !guest_up(&victim))
		hostile_fail("eventfd", "the ports do not come up");
	for (int i = 0; i < 2; i++) {
		uint64_t scrap;

		if (read(evil.call[i], &scrap, sizeof(scrap)) < 0)
			scrap = 0;
		if (fcntl(evil.call[i], F_SETFL, O_RDWR | O_NONBLOCK) != 0 ||
			write(evil.call[i], &full, sizeof(full)) < 0 ||
			fcntl(evil.call[i], F_SETFL, O_RDWR) != 0)
			hostile_fail("eventfd", "the descriptor cannot be spoilt");
	}
	offer(&evil);
	begin = vu_now();
	guest_send(&victim, 0xfe, 60, 32);
	for (end = begin + 5000000000ULL; ring_busy(&victim.ring[GUEST_TX]) > 0;)
		if (!ring_reap(&victim.ring[GUEST_TX], &ignored) && vu_now() > end)
			hostile_fail("eventfd", "a worker waits for a hostile guest");
	printf("the victim waited %llu us\n", (unsigned long long)(vu_now() - begin) / 1000);
	if (!vu_closed(evil.sock, 5000))
		hostile_fail("eventfd", "the connection goes on");
	guest_free(&evil);
	guest_free(&victim);
	return 0;
}
