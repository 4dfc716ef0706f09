/* A guest in full traffic whose port is removed: it neither stops its rings nor hangs up before that. */
#include "../vu/guest.h"
#include "hostile.h"

#include <poll.h>
#include <stdio.h>

#define ATTACK "removed"
#define BURST 32U
#define LEN 600U
#define PATIENCE_NS 20000000000ULL

enum { VICTIM = 1, PEER = 2 };

/* Both send what finds room, and make room by what comes. */
static void exchange(struct guest *a, struct guest *b)
{
	guest_send(a, b->id, LEN, BURST);
	guest_send(b, a->id, LEN, BURST);
	guest_receive(a, 0);
	guest_receive(b, 0);
}

static bool hung_up(const struct guest *g)
{
	struct pollfd p = {.fd = g->sock, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
}

/* Says "flowing" when frames go both ways, then sends and receives until the switch has hung up. */
int hostile_removed(int argc, char **argv)
{
	struct guest victim, peer;
	bool packed, told = false;
	uint64_t end = vu_now() + PATIENCE_NS;

	(void)argc;
	packed = argv[1][0] == 'p';
	if (!guest_make(&victim, argv[0], VICTIM, packed, 256) ||
		!guest_make(&peer, argv[2], PEER, packed, 256) || !guest_up(&victim) || !guest_up(&peer))
		hostile_fail(ATTACK, "the guests cannot be set up");
	while (!hung_up(&victim)) {
		exchange(&victim, &peer);
		if (!told && victim.received > 0 && peer.received > 0) {
			told = true;
			puts("flowing");
			fflush(stdout);
		}
		if (vu_now() > end)
			hostile_fail(ATTACK, "the switch never hung up");
	}
	if (hung_up(&peer))
		hostile_fail(ATTACK, "the other port's guest lost its connection too");
	guest_free(&victim);
	guest_free(&peer);
	return told ? 0 : 1;
}
