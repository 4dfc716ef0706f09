/* Unfinished frames for receivers that do not take them: order, counters, and rings that are full in between.
 */
#include "../rig/offload_rig.h"
#include "../tests.h"

#include <string.h>

#define NOBODY UINT32_MAX
#define DELAY 100
/* Segments of the frames here: more than a batch. */
#define SEGMENTS 100U
#define SIZE 500U

static struct offload_frame frame;

/* Guest 0 has offloads, the others as given; the hook is set. */
static struct rig *crowd(uint32_t n, uint64_t receivers)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < n; i++)
		rig_add(r,
			&(struct guest_config){.features = i == 0 ? OFFLOAD_ON : receivers, .exact = true});
	rig_learn_all(r);
	offload_hook(r, NOBODY);
	return r;
}

static void post(struct rig *r, uint32_t i, uint32_t n)
{
	for (; n > 0; n--)
		REQUIRE(guest_post(r->guest[i], 0, 200, LAYOUT_SINGLE));
}

static void send(struct rig *r, uint32_t to, uint32_t seq)
{
	offload_make(&frame, to, false, 0, SEGMENTS * SIZE - 7, seq, SIZE);
	offload_send(r, 0, &frame, LAYOUT_INDIRECT);
}

static void require_pieces(struct rig *r, uint32_t i, uint32_t seq, uint32_t from, uint32_t to)
{
	for (; from < to; from++)
		offload_require_piece(r, i, seq, from);
}

/* Each feature by itself: what a receiver lacks is done for it, what it has is not. */
void test_offload_what_is_finished(void)
{
	static const struct {
		uint64_t features;
		bool v6, gso, ecn, finished;
	} cases[] = {
		{VH_F_GUEST_CSUM, false, false, false, false},
		{VH_F_GUEST_TSO4, false, false, false, true},
		{VH_F_GUEST_CSUM, false, true, false, true},
		{VH_F_GUEST_CSUM | VH_F_GUEST_TSO6, false, true, false, true},
		{VH_F_GUEST_CSUM | VH_F_GUEST_TSO4, false, true, false, false},
		{VH_F_GUEST_CSUM | VH_F_GUEST_TSO4, true, true, false, true},
		{VH_F_GUEST_CSUM | VH_F_GUEST_TSO6, true, true, false, false},
		{VH_F_GUEST_CSUM | VH_F_GUEST_TSO4, false, true, true, true},
		{VH_F_GUEST_CSUM | VH_F_GUEST_TSO4 | VH_F_GUEST_ECN, false, true, true, false},
		{VH_F_CSUM | VH_F_HOST_TSO4, false, true, false, true},
	};

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = crowd(2, OFFLOAD_PLAIN | cases[i].features);
		struct vh_virtio_header h;
		uint8_t got[VH_MAX_FRAME];

		post(r, 1, 20);
		offload_make(&frame, 1, cases[i].v6, 1, 90, 7, cases[i].gso ? 100 : 0);
		if (cases[i].ecn)
			frame.header.gso_type |= VH_GSO_ECN;
		offload_send(r, 0, &frame, LAYOUT_SINGLE);
		REQUIRE_EQ(rig_poll(r, 0, 2), 1);
		if (cases[i].finished)
			offload_require_piece(r, 1, 7, 0);
		else
			REQUIRE_EQ(guest_receive_header(r->guest[1], 0, &h, got, sizeof(got)), frame.len);
		REQUIRE_EQ(rig_all_drops(r, 0) + rig_all_drops(r, 1), 0);
		rig_free(r);
	}
}

void test_offload_order(void)
{
	struct rig *r = crowd(2, OFFLOAD_PLAIN);
	struct vh_counters c;

	post(r, 1, 2 * SEGMENTS + 3);
	for (uint32_t i = 0; i < 2; i++) {
		REQUIRE(rig_send(r, 0, 1, 1000 + i, 60, LAYOUT_SINGLE));
		send(r, 1, i);
	}
	offload_make(&frame, 1, false, 0, 10, 5, 0);
	offload_send(r, 0, &frame, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_poll(r, 0, 2), 5);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 5);
	for (uint32_t i = 0; i < 2; i++) {
		REQUIRE_EQ(rig_receive(r, 1, NULL), 1000 + i);
		require_pieces(r, 1, i, 0, SEGMENTS);
	}
	offload_require_piece(r, 1, 5, 0);
	offload_require_nothing(r, 1);
	c = rig_counters(r, 0);
	REQUIRE_EQ(c.tx_packets, 5);
	REQUIRE_EQ(rig_counters(r, 1).rx_packets, 2 * SEGMENTS + 3);
	REQUIRE_EQ(rig_all_drops(r, 0) + rig_all_drops(r, 1), 0);
	rig_free(r);
}

/* A frame whose segments find room little by little: each once, in order, what comes behind it behind it. */
void test_offload_cut_goes_on_bit_by_bit(void)
{
	struct rig *r = crowd(2, OFFLOAD_PLAIN);
	uint32_t got = 0;

	rig_retry(r, 200, DELAY);
	post(r, 1, 3);
	send(r, 1, 1);
	REQUIRE(rig_send(r, 0, 1, 1000, 60, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	REQUIRE_EQ(r->lane[0]->parked, 1);
	require_pieces(r, 1, 1, 0, 3);
	for (got = 3; got < SEGMENTS;) {
		uint32_t n = rng_below(&test_rng, 5);

		n = n < SEGMENTS - got ? n : SEGMENTS - got;
		post(r, 1, n);
		rig_tick(r, DELAY);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
		require_pieces(r, 1, 1, got, got + n);
		got += n;
	}
	post(r, 1, 5);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 2);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 1000);
	offload_require_nothing(r, 1);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 2);
	/* Nothing is remembered of it. */
	post(r, 1, SEGMENTS);
	send(r, 1, 2);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 1);
	require_pieces(r, 1, 2, 0, SEGMENTS);
	REQUIRE_EQ(rig_all_drops(r, 1), 0);
	rig_free(r);
}

/* The rest of a frame is one drop, and the receiver is no dead one. */
void test_offload_cut_without_retry(void)
{
	struct rig *r = crowd(2, OFFLOAD_PLAIN);

	for (uint32_t tries = 0; tries <= 2; tries++) {
		rig_retry(r, tries, DELAY);
		post(r, 1, 70);
		send(r, 1, tries);
		for (uint32_t i = 0; i < tries; i++) {
			REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
			rig_tick(r, DELAY);
		}
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 1);
		require_pieces(r, 1, tries, 0, 70);
		offload_require_nothing(r, 1);
		REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), tries + 1);
		REQUIRE_EQ(rig_counters(r, 1).rx_packets, 70 * (tries + 1) + SEGMENTS * tries);
		REQUIRE_EQ(r->port[1]->rx[0].stalled, tries > 0);
		/* What follows begins with its own first segment, also under the same number in its round. */
		post(r, 1, SEGMENTS);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
		send(r, 1, 50 + tries);
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), 1);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
		require_pieces(r, 1, 50 + tries, 0, SEGMENTS);
	}
	rig_free(r);
}

/* A ring that takes but a part of a frame is alive, also in the last try. */
void test_offload_cut_is_no_stall(void)
{
	struct rig *r = crowd(2, OFFLOAD_PLAIN);

	rig_retry(r, 1, DELAY);
	send(r, 1, 1);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	post(r, 1, 10);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 1);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 1);
	REQUIRE_EQ(r->port[1]->rx[0].stalled, 0);
	/* So the next one is waited for. */
	send(r, 1, 2);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	require_pieces(r, 1, 1, 0, 10);
	vh_switch_flush(r->sw, r->port[0], 0);
	rig_free(r);
}

/* To several receivers, each with its own progress, one of which takes the frame as it is. */
void test_offload_cut_flooded(void)
{
	struct rig *r = crowd(3, OFFLOAD_PLAIN);
	static uint8_t got[VH_MAX_FRAME];
	struct vh_virtio_header h;

	rig_add(r, &(struct guest_config){.features = OFFLOAD_ON, .exact = true});
	rig_retry(r, 10, DELAY);
	post(r, 1, 10);
	post(r, 2, 40);
	guest_post_all(r->guest[3], 0, 1536, LAYOUT_SINGLE);
	send(r, UINT32_MAX, 9);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	require_pieces(r, 1, 9, 0, 10);
	require_pieces(r, 2, 9, 0, 40);
	REQUIRE_EQ(guest_receive_header(r->guest[3], 0, &h, got, sizeof(got)), frame.len);
	REQUIRE(memcmp(got, frame.data, frame.len) == 0);
	post(r, 1, 50);
	post(r, 2, 100);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	require_pieces(r, 1, 9, 10, 60);
	require_pieces(r, 2, 9, 40, SEGMENTS);
	post(r, 1, 100);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 1);
	require_pieces(r, 1, 9, 60, SEGMENTS);
	for (uint32_t i = 1; i <= 3; i++) {
		offload_require_nothing(r, i);
		REQUIRE_EQ(rig_all_drops(r, i), 0);
	}
	rig_free(r);
}

/* The sender's queue stops while a frame is half delivered. */
void test_offload_cut_flushed(void)
{
	struct rig *r = crowd(2, OFFLOAD_PLAIN);

	rig_retry(r, 4, DELAY);
	post(r, 1, 30);
	send(r, 1, 1);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	vh_switch_flush(r->sw, r->port[0], 0);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 1);
	require_pieces(r, 1, 1, 0, 30);
	/* One more that waits, so that the round which was flushed is used again. */
	send(r, 1, 2);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 0);
	post(r, 1, SEGMENTS);
	rig_tick(r, DELAY);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 1);
	require_pieces(r, 1, 2, 0, SEGMENTS);
	post(r, 1, SEGMENTS);
	send(r, 1, 3);
	REQUIRE_EQ(rig_poll_pair(r, 0, 0), 1);
	require_pieces(r, 1, 3, 0, SEGMENTS);
	rig_free(r);
}

void test_offload_cannot_be_finished(void)
{
	struct rig *r = crowd(2, OFFLOAD_PLAIN);

	offload_hook(r, 7);
	post(r, 1, 5);
	for (uint32_t seq = 6; seq <= 8; seq++) {
		offload_make(&frame, 1, false, 0, 100, seq, 1000);
		offload_send(r, 0, &frame, LAYOUT_SINGLE);
	}
	REQUIRE_EQ(rig_poll(r, 0, 2), 3);
	offload_require_piece(r, 1, 6, 0);
	offload_require_piece(r, 1, 8, 0);
	offload_require_nothing(r, 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_OFFLOAD), 1);
	r->sw->soften.hook = NULL;
	send(r, 1, 1);
	REQUIRE_EQ(rig_poll(r, 0, 2), 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_OFFLOAD), 2);
	REQUIRE_EQ(rig_all_drops(r, 1), 0);
	rig_free(r);
}
