/* Front ends whose call eventfds, and what they pass for such, keep threads of the switch waiting. */
#include "../vu/rate.h"
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ULL
/* What the victim may wait at most: far more than looks of the switch are apart, far less than for ever. */
#define PATIENCE (5 * SECOND)
/* For how long O_NONBLOCK is off: far shorter than looks are apart. */
#define FLIP_NS 2000000L

static void nap(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* The next write to it finds the counter full. */
static void fill(int fd)
{
	static const uint64_t full = 0xfffffffffffffffeULL;
	uint64_t scrap, end = vu_now() + PATIENCE;

	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		hostile_fail("calls", "no flags");
	/* The switch may write between the two. */
	do {
		if (read(fd, &scrap, sizeof(scrap)) < 0)
			scrap = 0;
		if (vu_now() > end)
			hostile_fail("calls", "the counter cannot be filled");
	} while (write(fd, &full, sizeof(full)) < 0);
}

/* Has frames of the victim's taken, and says how long that took. */
static uint64_t must_send(struct guest *victim, const char *attack)
{
	uint64_t begin = vu_now();
	uint32_t ignored;

	guest_send(victim, 0xfe, GUEST_MIN_FRAME, 32);
	while (ring_busy(&victim->ring[GUEST_TX]) > 0)
		if (!ring_reap(&victim->ring[GUEST_TX], &ignored) && vu_now() - begin > PATIENCE)
			hostile_fail(attack, "a worker waits for a hostile guest");
	return vu_now() - begin;
}

/* Full counters, O_NONBLOCK off for a moment, one frame completed, O_NONBLOCK on again. */
static void flip(struct guest *g)
{
	uint64_t end = vu_now() + PATIENCE;
	uint32_t ignored;

	for (int i = 0; i < 2; i++) {
		fill(g->call[i]);
		fcntl(g->call[i], F_SETFL, O_RDWR);
	}
	guest_send(g, g->id, GUEST_MIN_FRAME, 1);
	/* It is shown what is used before it is interrupted. */
	while (!ring_reap(&g->ring[GUEST_TX], &ignored) && vu_now() < end)
		;
	nap(FLIP_NS);
	for (int i = 0; i < 2; i++)
		fcntl(g->call[i], F_SETFL, O_RDWR | O_NONBLOCK);
}

/* As often as the port lets it. */
static void flip_on(const struct attacker *self)
{
	struct guest g;

	setpriority(PRIO_PROCESS, 0, RATE_NICE);
	if (!guest_make(&g, self->path, EVIL, false, 256) || !guest_up(&g))
		hostile_fail("flips", "the port does not take a front end");
	while (attacker_goes_on(self)) {
		if (__atomic_load_n(&self->orders->on, __ATOMIC_RELAXED) == 0) {
			nap(FLIP_NS);
			continue;
		}
		if (!vu_closed(g.sock, 1)) {
			flip(&g);
			continue;
		}
		guest_down(&g);
		if (!guest_up(&g))
			nap(FLIP_NS);
	}
	guest_free(&g);
}

int hostile_flips(int argc, char **argv)
{
	struct comparison of = {
		.path_a = argv[0], .path_b = argv[1], .seconds = argv[2], .switch_pid = argv[4]};
	struct attacker attacker = {.run = flip_on, .path = argv[3]};

	(void)argc;
	return rate_compare(&of, &attacker);
}

int hostile_flip(int argc, char **argv)
{
	struct guest evil, victim;
	uint64_t waited;

	(void)argc;
	if (!guest_make(&evil, argv[0], EVIL, false, 256) ||
		!guest_make(&victim, argv[1], EVIL + 1, false, 256))
		hostile_fail("flip", "no memory");
	if (!guest_up(&evil) || !guest_up(&victim))
		hostile_fail("flip", "the ports do not come up");
	must_send(&victim, "flip");
	flip(&evil);
	waited = must_send(&victim, "flip");
	printf("the victim waited %llu us\n", (unsigned long long)waited / 1000);
	if (!vu_closed(evil.sock, 5000))
		hostile_fail("flip", "the connection goes on");
	guest_free(&evil);
	guest_free(&victim);
	return 0;
}
