/* Kicks and interrupts: none that was not asked for, and never one too few. */
#include "../rig/rig.h"
#include "../tests.h"

#include <poll.h>
#include <sys/eventfd.h>

static struct rig *pair(uint64_t features)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = features,
				   .tx_size = odd_size(256),
				   .rx_size = odd_size(256),
				   .start = 65530,
				   .exact = true});
	rig_learn_all(r);
	return r;
}

static void send_burst(struct rig *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(rig_send(r, 0, 1, i, 64, LAYOUT_SINGLE));
}

static void drain(struct rig *r)
{
	guest_reap(r->guest[0], 0);
	while (rig_receive(r, 1, NULL) >= 0)
		continue;
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
}

void test_notify_flags(void)
{
	struct rig *r = pair(VH_F_VERSION_1);
	struct guest_queue *tx = &r->guest[0]->tx[0], *rx = &r->guest[1]->rx[0];

	/* From the start on, nobody needs to kick for a frame or for the buffers that are offered. */
	drain(r);
	guest_want_interrupts(tx, false);
	guest_want_interrupts(rx, false);
	send_burst(r, 1);
	REQUIRE(!guest_should_kick(tx) && !guest_should_kick(rx));
	rig_poll(r, 0, 1);
	drain(r);
	for (uint32_t on = 0; on < 4; on++) {
		guest_want_interrupts(tx, (on & 1) != 0);
		guest_want_interrupts(rx, (on & 2) != 0);
		send_burst(r, 20);
		rig_poll(r, 0, 1);
		/* One for a whole burst. */
		REQUIRE_EQ(guest_interrupts(tx), on & 1);
		REQUIRE_EQ(guest_interrupts(rx), on >> 1);
		drain(r);
	}
	REQUIRE_EQ(rig_counters(r, 0).interrupts, 2);
	REQUIRE_EQ(rig_counters(r, 1).interrupts, 2);
	/* Nothing was moved: nothing is said. */
	guest_want_interrupts(tx, true);
	rig_poll(r, 0, 1);
	REQUIRE_EQ(guest_interrupts(tx), 0);

	REQUIRE(!vh_vq_want_kicks(&r->port[0]->tx[0], false));
	send_burst(r, 1);
	REQUIRE(!guest_should_kick(tx));
	REQUIRE(vh_vq_want_kicks(&r->port[0]->tx[0], true));
	rig_poll(r, 0, 1);
	REQUIRE(!vh_vq_want_kicks(&r->port[0]->tx[0], true));
	send_burst(r, 1);
	REQUIRE(guest_should_kick(tx));
	/* A queue without an eventfd, and one whose counter is full, are no trouble. */
	rig_poll(r, 0, 1);
	r->port[0]->tx[0].line = NULL;
	send_burst(r, 1);
	rig_poll(r, 0, 1);
	REQUIRE_EQ(eventfd_write(rx->call_fd, UINT64_MAX - 1 - guest_interrupts(rx)), 0);
	send_burst(r, 1);
	rig_poll(r, 0, 1);
	rig_require_balance(r);
	rig_free(r);
}

void test_notify_event_index(void)
{
	struct rig *r = pair(VH_F_VERSION_1 | VH_F_EVENT_IDX);
	struct guest_queue *tx = &r->guest[0]->tx[0], *rx = &r->guest[1]->rx[0];

	drain(r);
	/* Past 65535 too: the rings start at 65530. */
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t n = rng_between(&test_rng, 1, 20);
		int32_t after = (int32_t)rng_below(&test_rng, 45) - 20;
		bool wanted = after >= 0 && after < (int32_t)n;

		/* "Interrupt me when entry number `after` from now is used", or an event that was long ago.
		 */
		guest_want_interrupt_after(rx, after);
		guest_want_interrupts(tx, i % 2 == 0);
		send_burst(r, n);
		rig_poll(r, 0, 1);
		REQUIRE_EQ(guest_interrupts(rx), wanted);
		REQUIRE_EQ(guest_interrupts(tx), i % 2 == 0);
		drain(r);
	}
	/* Kicks: asked for at the next frame, then not until asked again. */
	guest_should_kick(tx);
	REQUIRE(!vh_vq_want_kicks(&r->port[0]->tx[0], true));
	send_burst(r, 3);
	REQUIRE(guest_should_kick(tx));
	REQUIRE(!vh_vq_want_kicks(&r->port[0]->tx[0], false));
	send_burst(r, 3);
	REQUIRE(!guest_should_kick(tx));
	REQUIRE(vh_vq_want_kicks(&r->port[0]->tx[0], true));
	rig_poll(r, 0, 1);
	REQUIRE(!vh_vq_want_kicks(&r->port[0]->tx[0], true));
	rig_free(r);
}

/*
 * One thread, random steps of sender, device and receiver. Whenever a side sleeps although there is work for
 * it, its wake-up must be on the way.
 */
static void interleave(uint64_t features)
{
	struct rig *r = pair(features);
	struct guest_queue *tx = &r->guest[0]->tx[0], *rx = &r->guest[1]->rx[0];
	struct vh_vq *vq = &r->port[0]->tx[0];
	uint64_t taken = 0;
	bool device_sleeps = false, guest_sleeps = false, kicked = false;
	uint32_t slept = 0, seq = 0;

	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	vh_vq_want_kicks(vq, false);
	for (uint32_t step = 0; step < 20000; step++) {
		switch (rng_below(&test_rng, 5)) {
		case 0:
			for (uint32_t n = rng_below(&test_rng, 4); n > 0; n--)
				rig_send(r, 0, 1, seq++, 64, LAYOUT_SINGLE);
			kicked |= guest_should_kick(tx);
			break;
		case 1:
			if (device_sleeps && !kicked)
				break;
			device_sleeps = kicked = false;
			vh_vq_want_kicks(vq, false);
			taken += rig_poll(r, 0, 1);
			break;
		case 2:
			if (!device_sleeps && !vh_vq_want_kicks(vq, true)) {
				device_sleeps = true;
				slept++;
			}
			break;
		case 3:
			if (guest_sleeps && guest_interrupts(rx) == 0)
				break;
			guest_sleeps = false;
			guest_want_interrupts(rx, false);
			drain(r);
			break;
		default:
			guest_want_interrupts(rx, true);
			guest_sleeps = !guest_has_used(rx);
		}
		if (device_sleeps && tx->staged != taken)
			REQUIRE(kicked);
		if (guest_sleeps && guest_has_used(rx)) {
			struct pollfd p = {.fd = rx->call_fd, .events = POLLIN};

			REQUIRE_EQ(poll(&p, 1, 0), 1);
		}
	}
	REQUIRE(slept > 100 && seq > 1000);
	rig_require_balance(r);
	rig_free(r);
}

void test_notify_random_interleavings(void)
{
	interleave(VH_F_VERSION_1);
	interleave(VH_F_VERSION_1 | VH_F_EVENT_IDX);
}
