/* Chains that the driver gets back late (VH_LINGER), and that it never waits for one. */
#include "../rig/rig.h"
#include "../tests.h"

#define RING 256U
#define DELAY 100U

static struct rig *sender(uint64_t features, uint32_t tx_size)
{
	struct rig *r = rig_new();

	r->sw->linger_ticks = DELAY;
	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = VH_F_VERSION_1 | features,
				   .tx_size = tx_size,
				   .start = 65500,
				   .exact = true});
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	rig_learn_all(r);
	guest_reap(r->guest[0], 0);
	guest_interrupts(&r->guest[0]->tx[0]);
	guest_want_interrupts(&r->guest[0]->tx[0], false);
	return r;
}

/* Sends `n` frames in one round. Return: how many chains the driver has got back after it. */
static uint32_t round_of(struct rig *r, uint32_t n)
{
	uint32_t back;

	for (uint32_t i = 0; i < n; i++)
		REQUIRE(rig_send(r, 0, 1, i, 64, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 0, 1), n);
	back = guest_reap(r->guest[0], 0);
	for (uint32_t i = 0; i < n; i++)
		REQUIRE_EQ(rig_receive(r, 1, NULL), i);
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	return back;
}

void test_linger(void)
{
	struct rig *r = sender(0, RING);

	/* Small rounds come back whole; of large ones the last 32 do with the next. */
	REQUIRE_EQ(round_of(r, VH_LINGER_ROUND - 1), VH_LINGER_ROUND - 1);
	REQUIRE_EQ(round_of(r, VH_LINGER_ROUND), 0);
	REQUIRE_EQ(round_of(r, 40), VH_LINGER_ROUND + 40 - VH_LINGER);
	REQUIRE_EQ(round_of(r, 64), 64);
	REQUIRE_EQ(round_of(r, 1), VH_LINGER + 1);
	/* Or when nothing has come for a while. */
	REQUIRE_EQ(round_of(r, 64), 64 - VH_LINGER);
	rig_tick(r, DELAY - 1);
	REQUIRE_EQ(rig_poll(r, 0, 1), 0);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 0);
	rig_tick(r, 1);
	REQUIRE_EQ(rig_poll(r, 0, 1), 0);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), VH_LINGER);
	REQUIRE_EQ(rig_counters(r, 0).interrupts, 0);
	rig_require_balance(r);
	rig_free(r);
}

/* A driver whose ring is short frees a quarter of it at once. */
void test_linger_short_ring(void)
{
	struct rig *r = sender(0, 64);

	REQUIRE_EQ(round_of(r, 40), 40 - 64 / 4);
	REQUIRE_EQ(round_of(r, 40), 40);
	rig_free(r);
}

void test_linger_interrupts(void)
{
	struct rig *r = sender(0, RING);
	struct guest_queue *tx = &r->guest[0]->tx[0];

	guest_want_interrupts(tx, true);
	REQUIRE_EQ(round_of(r, 64), 64);
	REQUIRE_EQ(guest_interrupts(tx), 1);
	/* A notification request that comes while some linger counts when they are shown. */
	guest_want_interrupts(tx, false);
	REQUIRE_EQ(round_of(r, 64), 64 - VH_LINGER);
	guest_want_interrupts(tx, true);
	rig_tick(r, DELAY);
	rig_poll(r, 0, 1);
	REQUIRE_EQ(guest_interrupts(tx), 1);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), VH_LINGER);
	rig_free(r);
}

/* With event index a driver names the entry that it waits for. */
void test_linger_event_index(void)
{
	struct rig *r = sender(VH_F_EVENT_IDX, RING);
	struct guest_queue *tx = &r->guest[0]->tx[0];

	/* Whichever of the round it is. */
	for (int32_t at = 0; at < 64; at++) {
		guest_want_interrupt_after(tx, at);
		REQUIRE_EQ(round_of(r, 64), 64);
		REQUIRE_EQ(guest_interrupts(tx), 1);
	}
	/* One that this round does not reach. */
	guest_want_interrupt_after(tx, 64);
	REQUIRE_EQ(round_of(r, 64), 64 - VH_LINGER);
	REQUIRE_EQ(guest_interrupts(tx), 0);
	REQUIRE_EQ(round_of(r, 1), VH_LINGER + 1);
	REQUIRE_EQ(guest_interrupts(tx), 1);
	rig_free(r);
}

/* Whoever stops a queue gives all of it back; the next one begins where that ended. */
void test_linger_stop(void)
{
	struct rig *r = sender(0, RING);
	struct vh_vq *vq = &r->port[0]->tx[0];
	uint16_t avail, used;

	REQUIRE_EQ(round_of(r, 64), 64 - VH_LINGER);
	vh_vq_stop(vq);
	vh_switch_flush(r->sw, r->port[0], 0);
	vh_vq_positions(vq, &avail, &used);
	REQUIRE_EQ(avail, used);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), VH_LINGER);
	rig_attach(r, 0);
	REQUIRE_EQ(round_of(r, 64), 64 - VH_LINGER);
	rig_free(r);
}
