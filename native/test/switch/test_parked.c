/* Receivers without buffers while retrying is on: their senders' rounds wait, everything else goes on. */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF)
#define TIMES 4
#define DELAY 100

/* Guests with two pairs each, of which the receivers use the first; none has a receive buffer yet. */
static struct rig *crowd(uint32_t n)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < n; i++) {
		rig_add(r, &(struct guest_config){.features = FEATURES, .pairs = 2, .exact = true});
		rig_steer(r->port[i], 1);
	}
	rig_learn_all(r);
	rig_retry(r, TIMES, DELAY);
	return r;
}

static void post(struct rig *r, uint32_t i, uint32_t n)
{
	for (; n > 0; n--)
		REQUIRE(guest_post(r->guest[i], 0, 200, LAYOUT_SINGLE));
}

/* Offers frames `seq` to seq + n - 1 on one queue. */
static void offer(struct rig *r, uint32_t from, uint32_t pair, uint32_t to, uint32_t seq, uint32_t n)
{
	uint8_t f[64], dst[6], src[6];

	frame_mac(dst, to);
	frame_mac(src, from);
	if (to == UINT32_MAX)
		memset(dst, 0xff, 6);
	for (uint32_t i = 0; i < n; i++) {
		frame_make(f, dst, src, seq + i, sizeof(f));
		REQUIRE(guest_send(r->guest[from], pair, f, sizeof(f), (enum guest_layout)(i % LAYOUT_EDGE)));
	}
}

/* What has come to guest `i` is exactly this. */
static void require_got(struct rig *r, uint32_t i, uint32_t seq, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		REQUIRE_EQ(rig_receive(r, i, NULL), seq + k);
	REQUIRE_EQ(rig_receive(r, i, NULL), GUEST_NOTHING);
}

/* Guest 0 sends `n` frames to guest 1, which has no room: they wait. */
static void park(struct rig *r, uint32_t seq, uint32_t n)
{
	offer(r, 0, 0, 1, seq, n);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 0);
	REQUIRE_EQ(r->lane[0]->parked, 1);
}

void test_parked_delivers_in_order_once(void)
{
	struct rig *r = crowd(2);

	for (uint32_t seq = 0; seq < 200; seq += 20) {
		park(r, seq, 20);
		/* Sent meanwhile: later, and behind. */
		offer(r, 0, 0, 1, seq + 20, 20);
		post(r, 1, 40);
		rig_tick(r, DELAY - 1);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
		REQUIRE_EQ(rig_receive(r, 1, NULL), GUEST_NOTHING);
		rig_tick(r, 1);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 20);
		REQUIRE_EQ(r->lane[0]->parked, 0);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 20);
		require_got(r, 1, seq, 20);
		seq += 20;
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 20);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 20);
		require_got(r, 1, seq, 20);
	}
	REQUIRE_EQ(rig_all_drops(r, 1), 0);
	rig_require_balance(r);
	rig_free(r);
}

/* Buffers that come one by one: each try goes on where the last one ended. */
void test_parked_goes_on_bit_by_bit(void)
{
	struct rig *r = crowd(2);
	uint32_t got = 0;

	rig_retry(r, 64, DELAY);
	park(r, 0, 30);
	for (uint32_t tries = 1; got < 30; tries++) {
		uint32_t n = tries % 3;

		post(r, 1, n);
		rig_tick(r, DELAY);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), got + n == 30 ? 30 : 0);
		require_got(r, 1, got, n);
		got += n;
	}
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 30);
	REQUIRE_EQ(rig_all_drops(r, 1), 0);
	rig_require_balance(r);
	rig_free(r);
}

void test_parked_others_go_on(void)
{
	struct rig *r = crowd(4);

	post(r, 2, 100);
	post(r, 3, 100);
	/* In one round: to the full guest, to another, and to all. */
	offer(r, 0, 0, 1, 0, 5);
	offer(r, 0, 0, 2, 5, 5);
	offer(r, 0, 0, UINT32_MAX, 10, 5);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	require_got(r, 2, 5, 10);
	require_got(r, 3, 10, 5);
	/* The sender's other queue, other senders, and the full guest as a sender, without a tick. */
	offer(r, 0, 1, 3, 100, 10);
	REQUIRE_EQ(rig_poll_pair(r, 0, 1), 10);
	require_got(r, 3, 100, 10);
	offer(r, 3, 0, 2, 200, 10);
	REQUIRE_EQ(rig_poll_pair(r, 3, 0), 10);
	require_got(r, 2, 200, 10);
	offer(r, 1, 0, 2, 300, 10);
	REQUIRE_EQ(rig_poll_pair(r, 1, 0), 10);
	require_got(r, 2, 300, 10);
	/* Then what waited, to the full guest only. */
	post(r, 1, 10);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 15);
	for (uint32_t i = 0; i < 10; i++)
		REQUIRE_EQ(rig_receive(r, 1, NULL), i < 5 ? i : i + 5);
	for (uint32_t i = 1; i < 4; i++) {
		REQUIRE_EQ(rig_receive(r, i, NULL), GUEST_NOTHING);
		REQUIRE_EQ(rig_all_drops(r, i), 0);
	}
	rig_free(r);
}

/* Tries until the series is over. Return: how many tries that were. */
static uint32_t tries_until_dropped(struct rig *r, uint32_t n)
{
	for (uint32_t tries = 1; tries < 100; tries++) {
		uint32_t done;

		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
		rig_tick(r, DELAY);
		done = rig_poll_pair(r, 0, 0);
		if (done == 0)
			continue;
		REQUIRE_EQ(done, n);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), n);
		return tries;
	}
	return 0;
}

/* One series for a receiver that takes nothing; then drops at once, until it takes a frame again. */
void test_parked_stalled_receiver(void)
{
	struct rig *r = crowd(2);
	uint64_t dropped = 0;

	for (uint32_t again = 0; again < 3; again++) {
		park(r, 0, 10);
		REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), dropped);
		REQUIRE_EQ(tries_until_dropped(r, 10), TIMES);
		REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), dropped += 10);
		for (uint32_t i = 0; i < 5; i++) {
			offer(r, 0, i % 2, 1, 50, 10);
			REQUIRE_EQ(rig_poll_pair(r, 0, i % 2), 10);
			REQUIRE_EQ(guest_reap(r->guest[0], i % 2), 10);
			REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), dropped += 10);
		}
		/* One buffer for three frames: the others are waited for again. */
		post(r, 1, 1);
		offer(r, 0, 0, 1, 20, 3);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
		require_got(r, 1, 20, 1);
		post(r, 1, 2);
		rig_tick(r, DELAY);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 3);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 3);
		require_got(r, 1, 21, 2);
	}
	REQUIRE_EQ(rig_all_drops(r, 1), dropped);
	rig_require_balance(r);
	rig_free(r);
}

/* A receiver that moves, only too slowly, is no stalled one: every round gets its series. */
void test_parked_slow_receiver(void)
{
	struct rig *r = crowd(2);

	for (uint32_t i = 0; i < 5; i++) {
		park(r, i * 100, 10);
		for (uint32_t k = 0; k < TIMES; k++) {
			post(r, 1, 1);
			rig_tick(r, DELAY);
			REQUIRE_EQ(rig_poll_pair(r, 0, 0), k + 1 == TIMES ? 10 : 0);
		}
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 10);
		require_got(r, 1, i * 100, TIMES);
		REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), (i + 1) * (10 - TIMES));
	}
	rig_require_balance(r);
	rig_free(r);
}

/* Off: dropped at once, as ever. */
void test_parked_never_without_retry(void)
{
	struct rig *r = crowd(2);

	rig_retry(r, 0, DELAY);
	for (uint32_t i = 0; i < 3; i++) {
		offer(r, 0, 0, 1, 0, 10);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 10);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 10);
		REQUIRE_EQ(r->lane[0]->parked, 0);
	}
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 30);
	rig_free(r);
}

/*
 * More queues wait than there are places: the ones that find none are dropped to, which says nothing about
 * the receiver; those that wait are served when it has room.
 */
void test_parked_more_rounds_than_places(void)
{
	enum {
		SENDERS = RIG_GUESTS - 1,
		FULL = RIG_GUESTS - 1,
		QUEUES = 2 * SENDERS,
		PLACES = VH_ROUNDS - 1
	};
	struct rig *r = crowd(RIG_GUESTS);

	_Static_assert(QUEUES > PLACES, "there are queues without a place");
	for (uint32_t lap = 0; lap < 5; lap++) {
		uint64_t dropped = rig_drops(r, FULL, VH_DROP_RX_RING_FULL);

		for (uint32_t i = 0; i < QUEUES; i++) {
			offer(r, i / 2, i % 2, FULL, i * 10, 10);
			REQUIRE_EQ(rig_poll_pair(r, i / 2, i % 2), i < PLACES ? 0 : 10);
		}
		REQUIRE_EQ(r->lane[0]->parked, PLACES);
		REQUIRE_EQ(rig_drops(r, FULL, VH_DROP_RX_RING_FULL) - dropped, 10 * (QUEUES - PLACES));
		/* A try in vain, then one with room. */
		for (uint32_t k = 0; k < 2; k++) {
			rig_tick(r, DELAY);
			for (uint32_t i = 0; i < PLACES; i++)
				REQUIRE_EQ(rig_poll_pair(r, i / 2, i % 2), k * 10);
			post(r, FULL, k == 0 ? 10 * PLACES : 0);
		}
		require_got(r, FULL, 0, 10 * PLACES);
		REQUIRE_EQ(r->lane[0]->parked, 0);
		for (uint32_t i = 0; i < QUEUES; i++)
			REQUIRE_EQ(guest_reap(r->guest[i / 2], i % 2), 10);
	}
	rig_require_balance(r);
	rig_free(r);
}
