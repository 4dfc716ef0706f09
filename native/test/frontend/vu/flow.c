#include "flow.h"

#define BURST 32
#define DEADLINE_NS 10000000000ULL

static bool burst(struct guest *from, struct guest *to, uint32_t len)
{
	uint64_t end = vu_now() + DEADLINE_NS;

	for (uint32_t sent = 0; sent < BURST;) {
		uint32_t n = guest_send(from, to->id, len, BURST - sent);

		sent += n;
		guest_receive(to, from->id);
		if (n == 0 && vu_now() > end)
			return false;
	}
	return true;
}

bool flow_both(struct guest *a, struct guest *b, uint32_t turns)
{
	static uint32_t turn;

	for (uint32_t i = 0; i < turns; i++, turn++)
		if (!burst(a, b, GUEST_MIN_FRAME + turn * 37 % 1400) ||
			!burst(b, a, GUEST_MIN_FRAME + turn * 91 % 1400))
			return false;
	return true;
}

bool flow_settle(struct guest *from, struct guest *to)
{
	uint64_t end = vu_now() + DEADLINE_NS;
	uint32_t ignored;

	while (ring_busy(&from->ring[GUEST_TX]) > 0) {
		if (!ring_reap(&from->ring[GUEST_TX], &ignored) && vu_now() > end)
			return false;
		guest_receive(to, from->id);
	}
	while (guest_receive(to, from->id) > 0)
		;
	return true;
}
