/* Guests that are dear to wake, beside a well-behaved pair. */
#include "../vu/rate.h"
#include "hostile.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Watches on each call eventfd, by as many epoll instances; what each adds is some tenths of a microsecond.
 */
static int watching;

static void watch(const struct guest *g, int n)
{
	struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};

	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < n; i++) {
		int epoll = epoll_create1(EPOLL_CLOEXEC);

		for (int ring = 0; ring < 2; ring++) {
			/* Edge-triggered, each write is told anew. */
			struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)ring};

			if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, g->call[ring], &e) != 0)
				hostile_fail("watches", "no more watches");
		}
	}
}

static bool has_ended(const struct guest *g)
{
	char scrap;

	return g->sock < 0 || recv(g->sock, &scrap, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* Keeps its transmit ring full of frames to itself and, while it is turned on, wants an interrupt for each
 * round. */
static void ping(const struct attacker *self)
{
	struct guest g;
	struct ring *r = &g.ring[GUEST_TX];
	uint32_t ignored;

	setpriority(PRIO_PROCESS, 0, RATE_NICE);
	if (!guest_make(&g, self->path, EVIL, false, 1024) || !guest_up(&g))
		hostile_fail("watches", "the port does not take a front end");
	watch(&g, watching);
	guest_send(&g, EVIL, GUEST_MIN_FRAME, g.size);
	while (attacker_goes_on(self)) {
		bool on = __atomic_load_n(&self->orders->on, __ATOMIC_RELAXED) != 0;

		if (has_ended(&g)) {
			/* As soon as the port lets it in again. */
			guest_down(&g);
			if (guest_up(&g))
				guest_send(&g, EVIL, GUEST_MIN_FRAME, g.size);
			else
				guest_down(&g);
			continue;
		}
		/* VRING_AVAIL_F_NO_INTERRUPT. */
		r->driver[0] = on ? 0 : 1;
		while (ring_reap(r, &ignored))
			;
		r->offered = r->reaped + g.size;
		__atomic_store_n(&r->driver[1], (uint16_t)r->offered, __ATOMIC_RELEASE);
		guest_kick(&g, GUEST_TX);
	}
	guest_free(&g);
}

int hostile_watches(int argc, char **argv)
{
	struct comparison of = {
		.path_a = argv[0], .path_b = argv[1], .seconds = argv[2], .switch_pid = argv[5]};
	struct attacker attacker = {.run = ping, .path = argv[3]};

	(void)argc;
	watching = atoi(argv[4]);
	return rate_compare(&of, &attacker);
}
