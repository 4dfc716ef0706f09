/* Receive queues: the one copy into the receiver's buffers. */
#include "../rig/rig.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

#define MODERN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)

/* Guest 0 sends to guest 1. */
static struct rig *pair(uint64_t rx_features, uint32_t rx_size, uint16_t start)
{
	struct rig *r = rig_new();

	rig_add(r, &(struct guest_config){.features = MODERN, .exact = true});
	rig_add(r, &(struct guest_config){
			   .features = rx_features, .rx_size = rx_size, .start = start, .exact = true});
	rig_learn_all(r);
	return r;
}

/* Sends one frame and lets the switch work. */
static void pass(struct rig *r, uint32_t seq, uint32_t len, enum guest_layout layout)
{
	REQUIRE(rig_send(r, 0, 1, seq, len, layout));
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
}

static void every_length(uint64_t features, enum guest_layout layout)
{
	static const uint32_t lengths[] = {22, 64, 255, 256, 257, 1500, 9000, VH_MAX_FRAME};
	struct rig *r = pair(features, odd_size(32), 0);

	for (uint32_t i = 0; i < 120; i++) {
		uint32_t want = i < 8 ? lengths[i] : rng_between(&test_rng, FRAME_MIN, 2000), len;
		uint32_t slack = rng_below(&test_rng, 3) == 0 ? rng_below(&test_rng, 500) : 0;

		/* A buffer of exactly the frame's size, or a little more. */
		REQUIRE(guest_post(r->guest[1], 0, r->guest[1]->hdr_len + want + slack, layout));
		pass(r, i, want, (enum guest_layout)rng_below(&test_rng, LAYOUT_COUNT));
		REQUIRE_EQ(rig_receive(r, 1, &len), i);
		REQUIRE_EQ(len, want);
		REQUIRE_EQ(rig_receive(r, 1, &len), GUEST_NOTHING);
	}
	REQUIRE_EQ(rig_counters(r, 1).rx_packets, 120);
	REQUIRE_EQ(rig_counters(r, 1).rx_bytes, rig_counters(r, 0).tx_bytes);
	rig_require_balance(r);
	rig_free(r);
}

void test_rx_every_layout(void)
{
	static const uint64_t features[] = {VH_F_INDIRECT_DESC, MODERN, VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF,
		MODERN | VH_F_MRG_RXBUF | VH_F_EVENT_IDX};

	for (uint32_t k = 0; k < 4; k++)
		for (uint32_t l = 0; l < LAYOUT_HEADER_SPLIT; l++)
			every_length(features[k], (enum guest_layout)l);
}

static void many_buffers(uint32_t len, uint32_t buffer, enum guest_layout layout)
{
	struct rig *r = pair(MODERN | VH_F_MRG_RXBUF, odd_size(1024), 65400);
	struct guest_queue *q = &r->guest[1]->rx[0];
	uint32_t got, need = (12 + len + buffer - 1) / buffer;

	for (uint32_t i = 0; i < 5; i++) {
		guest_post_all(r->guest[1], 0, buffer, layout);
		uint64_t done = q->done;

		REQUIRE(q->staged - done >= need);
		pass(r, i, len, LAYOUT_SEGMENTS);
		REQUIRE_EQ(rig_receive(r, 1, &got), i);
		REQUIRE_EQ(got, len);
		REQUIRE_EQ(q->done - done, need);
		REQUIRE_EQ(rig_receive(r, 1, &got), GUEST_NOTHING);
	}
	rig_require_balance(r);
	rig_free(r);
}

void test_rx_mergeable_many_buffers(void)
{
	many_buffers(9000, 1526, LAYOUT_SINGLE);
	many_buffers(9000, 100, LAYOUT_SINGLE);
	many_buffers(9000, 700, LAYOUT_SEGMENTS);
	many_buffers(9000, 4096, LAYOUT_INDIRECT);
	many_buffers(VH_MAX_FRAME, 1526, LAYOUT_SINGLE);
	many_buffers(VH_MAX_FRAME, 68, LAYOUT_SINGLE);
	many_buffers(1500, 12, LAYOUT_SINGLE);
}

void test_rx_full_ring_is_untouched(void)
{
	struct rig *r = pair(MODERN | VH_F_MRG_RXBUF, 16, 0);
	struct guest_queue *q = &r->guest[1]->rx[0];
	uint16_t avail, used;

	/* No buffer at all; then 15 buffers for a frame that needs 16. */
	pass(r, 0, 100, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 1);
	for (uint32_t i = 0; i < 15; i++)
		REQUIRE(guest_post(r->guest[1], 0, 100, LAYOUT_SINGLE));
	pass(r, 1, 16 * 100 - 12, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 2);
	REQUIRE(!guest_has_used(q));
	vh_vq_positions(&r->port[1]->rx[0], &avail, &used);
	REQUIRE_EQ(avail, guest_place(q, 0));
	REQUIRE_EQ(used, guest_place(q, 0));
	REQUIRE_EQ(guest_interrupts(q), 0);
	/* One buffer more, and the same frame arrives. */
	REQUIRE(guest_post(r->guest[1], 0, 100, LAYOUT_SINGLE));
	pass(r, 2, 16 * 100 - 12, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 2);

	/* A burst that is larger than the ring: the first 16 arrive, the others are counted. */
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	for (uint32_t i = 0; i < 40; i++)
		REQUIRE(rig_send(r, 0, 1, 100 + i, 64, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 0, 1), 40);
	for (uint32_t i = 0; i < 16; i++)
		REQUIRE_EQ(rig_receive(r, 1, NULL), 100 + i);
	REQUIRE_EQ(rig_receive(r, 1, NULL), GUEST_NOTHING);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 2 + 24);
	rig_require_balance(r);
	rig_free(r);
}

void test_rx_too_long(void)
{
	struct rig *r = pair(MODERN, 16, 0);

	/* The buffer is not used up by a frame that does not fit, and one that fits gets it. */
	REQUIRE(guest_post(r->guest[1], 0, 12 + 100, LAYOUT_SINGLE));
	pass(r, 0, 101, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_TOO_LONG), 1);
	REQUIRE_EQ(rig_receive(r, 1, NULL), GUEST_NOTHING);
	REQUIRE(guest_post(r->guest[1], 0, 12 + 100, LAYOUT_SEGMENTS));
	pass(r, 1, 101, LAYOUT_SEGMENTS);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_TOO_LONG), 2);
	pass(r, 2, 100, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 2);
	/* In the middle of a burst only that frame is lost. */
	guest_post_all(r->guest[1], 0, 12 + 100, LAYOUT_SINGLE);
	for (uint32_t i = 0; i < 9; i++)
		REQUIRE(rig_send(r, 0, 1, 10 + i, i % 3 == 1 ? 101 : 100, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 0, 1), 9);
	for (uint32_t i = 0; i < 9; i++)
		if (i % 3 != 1)
			REQUIRE_EQ(rig_receive(r, 1, NULL), 10 + i);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_TOO_LONG), 5);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_RING_FULL), 0);
	rig_require_balance(r);
	rig_free(r);
}

/* Offers a raw receive chain of one descriptor, sends a frame, and expects it back empty and the reason
 * counted. */
static void expect_empty(struct rig *r, struct vh_desc d, enum vh_drop reason)
{
	struct guest_queue *q = &r->guest[1]->rx[0];
	uint64_t before = rig_drops(r, 1, reason);
	uint16_t id = on_packed() ? 0xfedc : 3;
	struct vh_used_elem e;

	guest_stage_raw(q, &d, 1, id);
	guest_publish(q);
	pass(r, 1, 200, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_drops(r, 1, reason), before + 1);
	REQUIRE(guest_used(q, &e));
	REQUIRE_EQ(e.id, id);
	REQUIRE_EQ(e.len, 0);
	REQUIRE(!guest_used(q, &e));
}

void test_rx_bad_chains_come_back_empty(void)
{
	struct rig *r = pair(MODERN | VH_F_MRG_RXBUF, 16, 0);
	struct guest_buf buf;
	uint64_t a;

	REQUIRE(guest_alloc(r->guest[1], 2000, &buf));
	a = buf.gpa;
	expect_empty(r, (struct vh_desc){.addr = GUEST_HIGH - 1, .len = 2000, .flags = VH_DESC_WRITE},
		VH_DROP_RX_BAD_ADDRESS);
	expect_empty(r, (struct vh_desc){.addr = a, .len = 2000}, VH_DROP_RX_BAD_DIRECTION);
	for (uint16_t next = 3; next < 100 && !on_packed(); next += 96)
		expect_empty(r, (struct vh_desc){.addr = a, .len = 2000, .flags = 3, .next = next},
			VH_DROP_RX_BAD_CHAIN);
	expect_empty(r, (struct vh_desc){.addr = a, .len = 0, .flags = VH_DESC_WRITE}, VH_DROP_RX_BAD_CHAIN);
	expect_empty(r, (struct vh_desc){.addr = a, .len = 11, .flags = VH_DESC_WRITE}, VH_DROP_RX_BAD_CHAIN);
	expect_empty(r, (struct vh_desc){.addr = a, .len = 17, .flags = VH_DESC_INDIRECT},
		VH_DROP_RX_BAD_INDIRECT);

	/* Over two buffers, of which the second is bad: both come back empty, the next frame arrives. */
	struct guest_queue *q = &r->guest[1]->rx[0];
	struct vh_used_elem e;
	uint64_t sum = rig_all_drops(r, 1);
	struct vh_desc good = {.addr = a, .len = 100, .flags = VH_DESC_WRITE}, bad = good;

	REQUIRE_EQ(sum, on_packed() ? 5 : 7);
	bad.addr = 0xffffffff00000000ULL;
	guest_stage_raw(q, &good, 1, 4);
	guest_stage_raw(q, &bad, 1, 5);
	guest_publish(q);
	pass(r, 1, 150, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_all_drops(r, 1), sum + 1);
	for (uint32_t id = 4; id <= 5; id++) {
		REQUIRE(guest_used(q, &e));
		REQUIRE_EQ(e.id, id);
		REQUIRE_EQ(e.len, 0);
	}
	guest_free_buf(r->guest[1], &buf);
	REQUIRE(guest_post(r->guest[1], 0, 200, LAYOUT_SINGLE));
	pass(r, 2, 150, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 2);
	rig_require_balance(r);
	rig_free(r);
}

void test_rx_index_wrap(void)
{
	static const uint32_t sizes[] = {1, 2, 8, 256};

	for (uint32_t k = 0; k < 4; k++) {
		uint32_t size = odd_size(sizes[k]);
		struct rig *r = pair(MODERN, size, 65500);

		for (uint32_t i = 0; i < 600; i++) {
			if (rng_below(&test_rng, 4) == 0 || r->guest[1]->rx[0].n_free == size)
				guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
			pass(r, i, 64, LAYOUT_SINGLE);
			REQUIRE_EQ(rig_receive(r, 1, NULL), i);
		}
		rig_require_balance(r);
		rig_free(r);
	}
}
