/* Zero copy to guests, native/dpdk/feed*.c: where frames end up, and who has a guest's buffers and when. */
#include "feed_rig.h"
#include "../eal/eal.h"

#include <string.h>

#define OFFERED 128U
#define BUFFER 2000U

static void enters(uint64_t features, bool keep_tag)
{
	guest_enters(features, OFFERED, BUFFER, LAYOUT_SINGLE, keep_tag);
	vh_feed_start(feed, rig->sw, rig->port[0]);
	REQUIRE(feed->live);
}

/* All chains that the guest had offered are back; those that were never filled with nothing in them. */
static void require_all_back(uint32_t empty)
{
	uint32_t n = 0;

	while (rig_receive(rig, 0, NULL) == GUEST_EMPTY)
		n++;
	REQUIRE_EQ(n, empty);
	REQUIRE(!guest_has_used(&rig->guest[0]->rx[0]));
}

static uint64_t drops(enum vh_drop reason)
{
	return uplink->port.counters[0].drops[reason];
}

/* The first frames are copied, because the card had other buffers; then none is, whatever its length. */
static void test_content(uint64_t features)
{
	enters(features, false);
	fill_card();
	REQUIRE_EQ(posted(), CARD_RING);
	REQUIRE_EQ(landed(), 0);
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t length = rng_between(&test_rng, FRAME_MIN, 1514), got;

		deliver(i, length);
		REQUIRE_EQ(rig_receive(rig, 0, &got), i);
		REQUIRE_EQ(got, length);
		REQUIRE(guest_post(rig->guest[0], 0, BUFFER, LAYOUT_SINGLE));
	}
	REQUIRE_EQ(landed(), 300);
	REQUIRE_EQ(rig_counters(rig, 0).rx_packets, 300 + CARD_RING);
	REQUIRE_EQ(card_lost, 0);
	guest_stops();
	require_all_back(CARD_RING);
	REQUIRE(said[0] == '\0');
	guest_leaves();
}

/* Bursts of both kinds stay in order; a guest that offers too little gets some by copying, and loses some. */
static void test_order(uint64_t features)
{
	uint8_t f[200], to[6];
	uint32_t sent = 0, next = 0;

	enters(features, false);
	frame_mac(to, 0);
	for (uint32_t turn = 0; turn < 60; turn++) {
		uint32_t burst = rng_between(&test_rng, 1, CARD_RING);

		for (uint32_t i = 0; i < burst; i++) {
			frame_make(f, to, (uint8_t[]){2, 0, 0, 0, 1, 1}, sent++, sizeof(f));
			card_receives(f, sizeof(f), true, TAG);
		}
		while (worker_turn() > 0)
			;
		for (int64_t seq; (seq = rig_receive(rig, 0, NULL)) >= 0; next = (uint32_t)seq + 1)
			REQUIRE(seq >= next);
		/* Now and then none. */
		if (turn % 5 != 0)
			while (guest_post(rig->guest[0], 0, BUFFER, LAYOUT_SINGLE))
				;
	}
	REQUIRE(landed() > 0);
	REQUIRE_EQ(rig_counters(rig, 0).rx_packets + rig_drops(rig, 0, VH_DROP_RX_RING_FULL), sent);
	guest_stops();
	while (rig_receive(rig, 0, NULL) != GUEST_NOTHING)
		;
	guest_leaves();
}

/* With a tag or without, beside the frame or in it: the guest gets it as its port says. */
static void test_tags(uint64_t features, bool keep)
{
	uint8_t f[204], to[6], got[2048];

	enters(features, keep);
	fill_card();
	frame_mac(to, 0);
	for (uint32_t in_frame = 0; in_frame <= 1; in_frame++) {
		uint32_t at = keep ? 16 : 12, n = 200 + (keep ? 4 : 0);

		frame_make(f, to, (uint8_t[]){2, 0, 0, 0, 1, 1}, 9, 200);
		if (in_frame == 1) {
			memmove(f + 16, f + 12, 188);
			memcpy(f + 12, (uint8_t[]){0x81, 0, 0x60 | TAG >> 8, TAG & 0xff}, 4);
		}
		card_receives(f, in_frame == 1 ? 204 : 200, in_frame == 0, 0x6000 | TAG);
		REQUIRE_EQ(worker_turn(), 1);
		REQUIRE_EQ(guest_receive(rig->guest[0], 0, got, sizeof(got)), n);
		REQUIRE(memcmp(got, f, 12) == 0);
		REQUIRE(!keep || memcmp(got + 12, (uint8_t[]){0x81, 0, 0x60 | TAG >> 8, TAG & 0xff}, 4) == 0);
		REQUIRE(memcmp(got + at, f + (in_frame == 1 ? 16 : 12), 188) == 0);
	}
	REQUIRE_EQ(landed(), 2);
	guest_stops();
	guest_leaves();
}

/* What is not the guest's costs it no buffer. */
static void test_refused(uint64_t features)
{
	uint8_t f[200], to[6], all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	enters(features, false);
	fill_card();
	frame_mac(to, 0);
	for (uint32_t turn = 0; turn < 2 * CARD_RING; turn++) {
		frame_make(f, to, (uint8_t[]){2, 0, 0, 0, 1, 1}, 1, sizeof(f));
		card_receives(f, sizeof(f), true, TAG + 1);
		card_receives(f, sizeof(f), false, 0);
		card_receives(f, 13, true, TAG);
		f[5] = 77;
		card_receives(f, sizeof(f), true, TAG);
		frame_make(f, all, (uint8_t[]){2, 0, 0, 0, 1, 1}, 1, sizeof(f));
		card_receives(f, sizeof(f), true, TAG + 1);
		frame_make(f, all, to, 1, sizeof(f));
		card_receives(f, sizeof(f), true, TAG);
		while (worker_turn() > 0)
			;
	}
	/* The card has its buffers of before, but for those of one burst. */
	REQUIRE_EQ(posted(), CARD_RING + 6);
	REQUIRE_EQ(landed(), 0);
	REQUIRE_EQ(drops(VH_DROP_TX_UNKNOWN_UNICAST), 3 * 2 * CARD_RING);
	REQUIRE_EQ(drops(VH_DROP_TX_RUNT), 2 * CARD_RING);
	REQUIRE_EQ(drops(VH_DROP_TX_HAIRPIN), 2 * CARD_RING);
	deliver(5, 1000);
	REQUIRE_EQ(rig_receive(rig, 0, NULL), 5);
	REQUIRE_EQ(landed(), 1);
	guest_stops();
	require_all_back(CARD_RING + 5);
	guest_leaves();
}

/* A tag behind the guest's own would be the first that it sees: not for it, wherever the two stand. */
static void test_two_tags(uint64_t features, bool keep)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100, 0x9200};
	uint8_t f[200], to[6], got[2048];

	enters(features, keep);
	fill_card();
	frame_mac(to, 0);
	for (uint32_t i = 0; i < 8; i++) {
		bool beside = i % 2 == 0;

		frame_make(f, to, (uint8_t[]){2, 0, 0, 0, 1, 1}, 9, sizeof(f));
		frame_tag(f, 0x8100, TAG);
		frame_tag(f + (beside ? 0 : 4), types[i / 2], 20);
		card_receives(f, sizeof(f), beside, TAG);
		REQUIRE_EQ(worker_turn(), 1);
	}
	REQUIRE_EQ(guest_receive(rig->guest[0], 0, got, sizeof(got)), GUEST_NOTHING);
	REQUIRE_EQ(landed(), 0);
	REQUIRE_EQ(drops(VH_DROP_TX_UNKNOWN_UNICAST), 8);
	guest_stops();
	guest_leaves();
}

/* A frame in guest memory takes no address from another guest, and none goes to anybody else. */
static void test_rewritten(uint64_t features)
{
	uint8_t f[200], to[6], other[6] = {2, 0, 0, 0, 0, 2};
	uint64_t key = vh_mac_key(other, 0);

	enters(features, false);
	rig_add(rig, &(struct guest_config){.features = features | VH_F_VERSION_1});
	rig->port[1]->vlan.mode = VH_VLAN_AUTO;
	guest_post_all(rig->guest[1], 0, BUFFER, LAYOUT_SINGLE);
	fill_card();
	frame_mac(to, 0);
	vh_mac_learn(&rig->sw->macs, key, 1, 1);
	frame_make(f, to, other, 1, sizeof(f));
	card_receives(f, sizeof(f), true, TAG);
	frame_make(f, other, (uint8_t[]){2, 0, 0, 0, 1, 1}, 1, sizeof(f));
	card_receives(f, sizeof(f), true, TAG);
	while (worker_turn() > 0)
		;
	REQUIRE_EQ(rig_receive(rig, 0, NULL), 1);
	REQUIRE_EQ(vh_mac_lookup(&rig->sw->macs, key, vh_mac_place(&rig->sw->macs, key)), 1);
	REQUIRE_EQ(rig_receive(rig, 1, NULL), GUEST_NOTHING);
	REQUIRE_EQ(drops(VH_DROP_TX_UNKNOWN_UNICAST), 1);
	guest_stops();
	guest_leaves();
}

/* Buffers that a card cannot be given: frames are copied, and that is said. */
static void test_unfit(uint64_t features, uint32_t size, enum guest_layout layout)
{
	guest_enters(features, OFFERED, size, layout, false);
	vh_feed_start(feed, rig->sw, rig->port[0]);
	for (uint32_t i = 0; i < 2 * CARD_RING; i++) {
		deliver(i, 300);
		REQUIRE_EQ(rig_receive(rig, 0, NULL), i);
	}
	REQUIRE_EQ(posted(), 0);
	REQUIRE(strcmp(said, "device 0: frames from uplink net are copied: its buffers are too small, or not "
			     "in one "
			     "piece") == 0);
	guest_stops();
	guest_leaves();
}

/* Descriptors that are wrong stop nobody but their guest, and no address of theirs gets to the card. */
static void test_hostile(uint64_t features)
{
	static const struct vh_desc wrong[] = {
		{.addr = 0xdead00000000ULL, .len = 4096, .flags = VH_DESC_WRITE},
		{.addr = UINT64_MAX - 100, .len = 4096, .flags = VH_DESC_WRITE},
		{.addr = 0, .len = UINT32_MAX, .flags = VH_DESC_WRITE},
		{.addr = GUEST_HIGH + GUEST_REGION_SIZE - 1000, .len = 2000, .flags = VH_DESC_WRITE},
		{.addr = GUEST_HIGH, .len = 2000, .flags = 0},
	};
	struct guest_queue *q;

	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		guest_enters(features, 0, 0, LAYOUT_SINGLE, false);
		vh_feed_start(feed, rig->sw, rig->port[0]);
		q = &rig->guest[0]->rx[0];
		for (uint16_t k = 0; k < 40; k++)
			guest_stage_raw(q, &wrong[i], 1, k);
		guest_publish(q);
		for (uint32_t k = 0; k < 80; k++)
			deliver(k, 500);
		REQUIRE_EQ(posted(), 0);
		REQUIRE_EQ(card_lost, 0);
		REQUIRE(rig_all_drops(rig, 0) >= 40);
		guest_stops();
		guest_leaves();
	}
}

/* A ring whose index jumps, and one whose descriptors change after they were taken. */
static void test_changing(uint64_t features)
{
	struct guest_queue *q;

	enters(features, false);
	fill_card();
	q = &rig->guest[0]->rx[0];
	memset((void *)(uintptr_t)q->desc, 0xa5, q->size * sizeof(struct vh_desc));
	for (uint32_t i = 0; i < CARD_RING; i++)
		deliver(i, 800);
	REQUIRE_EQ(card_lost, 0);
	REQUIRE_EQ(landed(), CARD_RING);
	if (!q->packed)
		__atomic_store_n(&q->avail->idx, (uint16_t)(q->avail->idx + 30000), __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < 2 * CARD_RING; i++)
		deliver(i, 800);
	REQUIRE_EQ(card_lost, 0);
	guest_stops();
	guest_leaves();
}

/* A card that does not answer loses the memory; whatever comes then harms nobody, and it is home in the end.
 */
static void test_no_answer(uint64_t features)
{
	uint8_t f[200] = {0};
	uint8_t *loaned;

	enters(features, false);
	fill_card();
	deliver(7, 900);
	REQUIRE_EQ(rig_receive(rig, 0, NULL), 7);
	loaned = feed->loan->region[0].at;
	card_answers = false;
	guest_stops();
	require_all_back(CARD_RING);
	REQUIRE(strcmp(said, "device 0: uplink net does not give 32 of its buffers back; its memory is taken "
			     "from the card") == 0);
	/* The next one is served with copies: the loan is not over. */
	vh_loan_open(0, table);
	vh_vq_start(&rig->port[0]->rx[0]);
	vh_feed_start(feed, rig->sw, rig->port[0]);
	REQUIRE(!feed->live);
	unshare_memory(table);
	vh_loan_close(0);
	for (uint32_t i = 0; i < CARD_RING; i++) {
		vh_loan_reap();
		REQUIRE(!is_unmapped(loaned));
		card_receives(f, sizeof(f), true, TAG);
		REQUIRE_EQ(worker_turn(), 1);
	}
	REQUIRE_EQ(card_lost, CARD_RING);
	REQUIRE_EQ(posted(), 0);
	vh_loan_reap();
	REQUIRE(is_unmapped(loaned));
	REQUIRE_EQ(drops(VH_DROP_TX_UNKNOWN_UNICAST), CARD_RING);
	rig_free(rig);
}

/* What a card kept of a guest that has gone is taken back once it answers again, before the next one's frames
 * would be put there. */
static void test_asked_again(uint64_t features)
{
	uint64_t unknown = drops(VH_DROP_TX_UNKNOWN_UNICAST);

	enters(features, false);
	fill_card();
	REQUIRE(vh_feed_is_clear(feed, true));
	card_answers = false;
	guest_stops();
	REQUIRE_EQ(posted(), CARD_RING);
	REQUIRE(!vh_feed_is_clear(feed, true));
	REQUIRE_EQ(posted(), CARD_RING);
	card_answers = true;
	REQUIRE(!vh_feed_is_clear(feed, false));
	REQUIRE(vh_feed_is_clear(feed, true));
	REQUIRE_EQ(posted(), 0);
	REQUIRE_EQ(card_lost, CARD_RING);
	REQUIRE_EQ(drops(VH_DROP_TX_UNKNOWN_UNICAST), unknown);
	vh_loan_reap();
	guest_leaves();

	enters(features, false);
	fill_card();
	deliver(3, 700);
	REQUIRE_EQ(rig_receive(rig, 0, NULL), 3);
	REQUIRE_EQ(card_lost, 0);
	guest_stops();
	guest_leaves();
}

/* A queue that stops and goes on, as at any message of its front end's. */
static void test_again(uint64_t features)
{
	enters(features, false);
	for (uint32_t turn = 0; turn < 3; turn++) {
		fill_card();
		deliver(turn, 900);
		REQUIRE_EQ(rig_receive(rig, 0, NULL), turn);
		vh_vq_stop(&rig->port[0]->rx[0]);
		vh_feed_stop(0);
		vh_feed_end(0, true);
		REQUIRE_EQ(posted(), 0);
		require_all_back(CARD_RING);
		while (guest_post(rig->guest[0], 0, BUFFER, LAYOUT_SINGLE))
			;
		vh_vq_start(&rig->port[0]->rx[0]);
		vh_feed_start(feed, rig->sw, rig->port[0]);
		REQUIRE(feed->live);
	}
	guest_stops();
	guest_leaves();
}

/* Of a guest that is being moved, what has landed is in its dirty log, header and all. */
static void test_logged(uint64_t features)
{
	static uint8_t bitmap[(GUEST_HIGH + GUEST_REGION_SIZE) / VH_LOG_PAGE / 8];
	const struct vh_vq_log log = {.memory = true, .log = {.bitmap = bitmap, .bytes = sizeof(bitmap)}};
	static const uint64_t first[GUEST_REGIONS] = {0, GUEST_REGION_SIZE, GUEST_HIGH};

	enters(features, false);
	fill_card();
	rig->port[0]->rx[0].log = &log;
	for (uint32_t i = 0; i < 2 * CARD_RING; i++) {
		const uint8_t *at = card_next();
		uint32_t r = 0;

		memset(bitmap, 0, sizeof(bitmap));
		deliver(i, 1514);
		REQUIRE_EQ(rig_receive(rig, 0, NULL), i);
		while ((uintptr_t)at - (uintptr_t)rig->guest[0]->region[r] >= GUEST_REGION_SIZE)
			REQUIRE(++r < GUEST_REGIONS);
		for (uint32_t k = 0; k < 1514 + 12; k++) {
			uint64_t page =
				(first[r] + (uint64_t)(at - rig->guest[0]->region[r]) + k) / VH_LOG_PAGE;

			REQUIRE((bitmap[page / 8] >> page % 8 & 1) != 0);
		}
		REQUIRE(guest_post(rig->guest[0], 0, BUFFER, LAYOUT_SINGLE));
	}
	REQUIRE_EQ(landed(), 2 * CARD_RING);
	guest_stops();
	guest_leaves();
}

static void test_in_order(uint64_t features)
{
	guest_enters(features | VH_F_IN_ORDER, OFFERED, BUFFER, LAYOUT_SINGLE, false);
	vh_feed_start(feed, rig->sw, rig->port[0]);
	REQUIRE(!feed->live);
	REQUIRE(strstr(said, "wants its buffers back in the order") != NULL);
	guest_stops();
	guest_leaves();
}

/* Whose buffers must come back in their order, or a switch that takes them over would not know which did. */
static void test_packed(void)
{
	guest_enters(VH_F_RING_PACKED, OFFERED, BUFFER, LAYOUT_SINGLE, false);
	vh_feed_start(feed, rig->sw, rig->port[0]);
	REQUIRE(!feed->live);
	REQUIRE(strstr(said, "rings are packed") != NULL);
	guest_stops();
	guest_leaves();
}

static void test_all(void)
{
	card_make();
	test_content(0);
	test_order(0);
	test_tags(0, false);
	test_tags(0, true);
	test_refused(0);
	test_two_tags(0, false);
	test_two_tags(0, true);
	test_rewritten(0);
	test_unfit(0, 1000, LAYOUT_SINGLE);
	test_unfit(0, BUFFER, LAYOUT_HEADER_APART);
	test_hostile(0);
	test_changing(0);
	test_no_answer(0);
	test_asked_again(0);
	test_again(0);
	test_logged(0);
	test_in_order(0);
	test_packed();
	card_close();
}

int main(int argc, char **argv)
{
	return eal_test("feed", NULL, test_all, argc, argv);
}
