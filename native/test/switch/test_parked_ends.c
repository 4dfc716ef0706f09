/* Rounds that wait, and what ends them but their receivers: the control thread, and receivers that go. */
#include "../rig/rig.h"
#include "../tests.h"

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)
#define DELAY 100

/* Three guests; guest 0's frames `seq` to seq + 9 wait for guest 1, which has no buffer. */
static struct rig *parked(void)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < 3; i++)
		rig_add(r, &(struct guest_config){.features = FEATURES, .exact = true});
	rig_learn_all(r);
	rig_retry(r, 4, DELAY);
	guest_post_all(r->guest[2], 0, 200, LAYOUT_SINGLE);
	return r;
}

static void park(struct rig *r, uint32_t seq)
{
	for (uint32_t i = 0; i < 10; i++)
		REQUIRE(rig_send(r, 0, 1, seq + i, 100, LAYOUT_SEGMENTS));
	REQUIRE_EQ(rig_poll(r, 0, 1), 0);
	REQUIRE_EQ(r->lane[0]->parked, 1);
}

/* Guest 0's queue and the lane work as ever, and nothing that waited comes late. */
static void goes_on(struct rig *r, uint32_t seq)
{
	REQUIRE_EQ(r->lane[0]->parked, 0);
	REQUIRE(r->port[0]->tx[0].parked == NULL);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 10);
	for (uint32_t i = 0; i < 10; i++) {
		REQUIRE(rig_send(r, 0, 2, seq + i, 100, LAYOUT_SINGLE));
		REQUIRE_EQ(rig_poll(r, 0, 1), 1);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
		REQUIRE_EQ(rig_receive(r, 2, NULL), seq + i);
		guest_post_all(r->guest[2], 0, 200, LAYOUT_SINGLE);
	}
	REQUIRE_EQ(rig_receive(r, 1, NULL), GUEST_NOTHING);
}

static void flush(struct rig *r)
{
	vh_vq_stop(&r->port[0]->tx[0]);
	vh_switch_flush(r->sw, r->port[0], 0);
	vh_vq_start(&r->port[0]->tx[0]);
}

/* More often than a lane has rounds: each is given back. */
void test_flush_ends_parked_rounds(void)
{
	struct rig *r = parked();

	/* Nothing waits: nothing happens. */
	flush(r);
	REQUIRE_EQ(r->lane[0]->parked, 0);
	for (uint32_t i = 1; i <= 3 * VH_ROUNDS; i++) {
		uint64_t interrupts = rig_counters(r, 0).interrupts;

		park(r, i * 100);
		flush(r);
		REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 10 * i);
		/* Who waits for its chains to come back is told. */
		REQUIRE_EQ(rig_counters(r, 0).interrupts, interrupts + 1);
		goes_on(r, i * 1000);
	}
	/* The receiver was never tried to the end: it is not held to have stalled. */
	park(r, 7);
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll(r, 0, 1), 10);
	for (uint32_t i = 0; i < 10; i++)
		REQUIRE_EQ(rig_receive(r, 1, NULL), 7 + i);
	rig_require_balance(r);
	rig_free(r);
}

/* The driver starts anew with frames under way: set up after the flush, as the control thread does. */
void test_flush_before_reset(void)
{
	struct rig *r = parked();

	for (uint32_t i = 0; i < 2 * VH_ROUNDS; i++) {
		park(r, i);
		flush(r);
		guest_reset_queue(r->guest[0], &r->guest[0]->tx[0]);
		guest_reset_queue(r->guest[0], &r->guest[0]->rx[0]);
		rig_attach(r, 0);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 0);
		REQUIRE_EQ(r->lane[0]->parked, 0);
	}
	rig_require_balance(r);
	rig_free(r);
}

static void remove_receiver(struct rig *r)
{
	__atomic_store_n(&r->sw->port[1], NULL, __ATOMIC_RELEASE);
	r->list->port[1] = r->list->port[2];
	r->list->n = 2;
}

void test_flush_after_receiver_left(void)
{
	struct rig *r = parked();

	park(r, 0);
	remove_receiver(r);
	flush(r);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_NO_DESTINATION), 10);
	goes_on(r, 100);
	rig_require_balance(r);
	rig_free(r);
}

static void stop_queue(struct rig *r)
{
	vh_vq_stop(&r->port[1]->rx[0]);
}

static void stop_driver(struct rig *r)
{
	rig_steer(r->port[1], 0);
}

void test_parked_receiver_leaves(void)
{
	static const struct {
		void (*leave)(struct rig *r);
		uint32_t blamed;
		enum vh_drop reason;
	} ways[] = {{remove_receiver, 0, VH_DROP_TX_NO_DESTINATION}, {stop_queue, 1, VH_DROP_RX_NOT_READY},
		{stop_driver, 1, VH_DROP_RX_NOT_READY}};

	for (uint32_t i = 0; i < 3; i++) {
		struct rig *r = parked();

		park(r, 0);
		ways[i].leave(r);
		REQUIRE_EQ(rig_poll(r, 0, 1), 0);
		REQUIRE_EQ(rig_all_drops(r, 0) + rig_all_drops(r, 1), 0);
		rig_tick(r, DELAY);
		REQUIRE_EQ(rig_poll(r, 0, 1), 10);
		REQUIRE_EQ(rig_drops(r, ways[i].blamed, ways[i].reason), 10);
		goes_on(r, 100);
		rig_require_balance(r);
		rig_free(r);
	}
}

/* A receiver that is set up anew while frames wait for it gets them, in its new ring. */
void test_parked_receiver_comes_back(void)
{
	struct rig *r = parked();

	park(r, 40);
	vh_vq_stop(&r->port[1]->rx[0]);
	guest_reset_queue(r->guest[1], &r->guest[1]->tx[0]);
	guest_reset_queue(r->guest[1], &r->guest[1]->rx[0]);
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	rig_attach(r, 1);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll(r, 0, 1), 10);
	for (uint32_t i = 0; i < 10; i++)
		REQUIRE_EQ(rig_receive(r, 1, NULL), 40 + i);
	goes_on(r, 100);
	rig_require_balance(r);
	rig_free(r);
}
