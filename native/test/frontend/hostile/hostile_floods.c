/* Guests that always have work for the switch, of a costly kind or not, beside a well-behaved pair. */
#include "../vu/rate.h"
#include "hostile.h"

#include <string.h>
#include <sys/resource.h>

/* Keeps a transmit ring full of chains that are as long as the ring and empty, or of honest small frames to
 * itself. Either way the switch always finds a whole round of work, and delivers none of it. */
static void flood(const struct attacker *self)
{
	struct guest g;
	struct ring *r = &g.ring[GUEST_TX];
	uint32_t now = 2, ignored;

	setpriority(PRIO_PROCESS, 0, RATE_NICE);
	if (!guest_make(&g, self->path, EVIL, false, 1024) || !guest_up(&g))
		hostile_fail("chains", "the port does not take a front end");
	guest_send(&g, EVIL, GUEST_MIN_FRAME, g.size);
	while (attacker_goes_on(self)) {
		uint32_t on = __atomic_load_n(&self->orders->on, __ATOMIC_RELAXED);

		for (uint32_t i = 0; on != now && i < g.size; i++) {
			struct ring_desc *d = &r->desc[i];

			d->len = on ? 0 : GUEST_HEADER + GUEST_MIN_FRAME;
			d->b = (uint16_t)((i + 1) % g.size);
			d->a = on ? 1 : 0; /* NEXT */
		}
		now = on;
		while (ring_reap(r, &ignored))
			;
		r->offered = r->reaped + g.size;
		__atomic_store_n(&r->driver[1], (uint16_t)r->offered, __ATOMIC_RELEASE);
		guest_kick(&g, GUEST_TX);
	}
	guest_free(&g);
}

/* How long a slow guest takes to give one buffer back. */
#define SLOW_NS 100000

/*
 * Sends without pause to a second guest, which takes everything in, or, while it is turned on, nothing
 * (dead) or one frame now and then (slow): its ring is full all the time then.
 */
static void crowd(const struct attacker *self)
{
	struct guest from, to;
	struct ring *r = &from.ring[GUEST_TX];
	uint64_t due = 0;
	uint32_t ignored;

	setpriority(PRIO_PROCESS, 0, RATE_NICE);
	if (!guest_make(&from, self->path, EVIL, false, 1024) || !guest_up(&from) ||
		!guest_make(&to, self->path_to, EVIL + 1, false, 256) || !guest_up(&to))
		hostile_fail("full", "the ports do not take front ends");
	guest_send(&to, EVIL, GUEST_MIN_FRAME, 1);
	guest_send(&from, EVIL + 1, GUEST_MIN_FRAME, from.size);
	while (attacker_goes_on(self)) {
		bool full = __atomic_load_n(&self->orders->on, __ATOMIC_RELAXED) != 0;

		while (ring_reap(r, &ignored))
			;
		r->offered = r->reaped + from.size;
		__atomic_store_n(&r->driver[1], (uint16_t)r->offered, __ATOMIC_RELEASE);
		guest_kick(&from, GUEST_TX);
		guest_receive(&from, 0);
		if (!full) {
			guest_receive(&to, 0);
		} else if (self->slow && vu_now() > due) {
			guest_receive_one(&to);
			due = vu_now() + SLOW_NS;
		}
	}
	guest_free(&from);
	guest_free(&to);
}

/* What chains cost the others more than honest frames would. */
int hostile_chains(int argc, char **argv)
{
	struct comparison of = {
		.path_a = argv[0], .path_b = argv[1], .seconds = argv[2], .switch_pid = argv[4]};
	struct attacker attacker = {.run = flood, .path = argv[3]};

	(void)argc;
	return rate_compare(&of, &attacker);
}

/* What a full ring costs guests that have nothing to do with it. */
int hostile_full(int argc, char **argv)
{
	struct comparison of = {
		.path_a = argv[0], .path_b = argv[1], .seconds = argv[2], .switch_pid = argv[6]};
	struct attacker attacker = {
		.run = crowd, .path = argv[3], .path_to = argv[4], .slow = strcmp(argv[5], "slow") == 0};

	(void)argc;
	return rate_compare(&of, &attacker);
}
