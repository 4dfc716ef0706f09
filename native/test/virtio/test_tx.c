/* Transmit queues: from descriptors to frames, and back to the guest. */
#include "../rig/rig.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

/* A guest and the device's side of its transmit queue, without a switch. */
struct bench {
	struct guest *g;
	struct vh_vq vq;
	struct vh_batch batch;
	struct vh_counters own;
};

static struct bench *open_tx(struct guest_config config)
{
	struct bench *b = aligned_alloc(VH_CACHE_LINE, sizeof(*b));

	memset(b, 0, sizeof(*b));
	config.exact = true;
	b->g = guest_new(&config);
	REQUIRE(guest_attach(b->g, &b->g->tx[0], &b->vq) == NULL);
	return b;
}

static void close_tx(struct bench *b)
{
	note_drops(&b->own);
	guest_free(b->g);
	free(b);
}

/* Reads every byte of a collected frame. */
static uint32_t flatten(const struct vh_batch *b, uint32_t i, uint8_t *out)
{
	const struct vh_frame *f = &b->frame[i];
	uint32_t n = f->len;

	memcpy(out, f->data, n);
	for (uint32_t k = 0; k < f->more; k++) {
		memcpy(out + n, b->seg[f->first + k].p, b->seg[f->first + k].len);
		n += b->seg[f->first + k].len;
	}
	REQUIRE_EQ(n, f->total);
	return n;
}

static const uint8_t dst[6] = {2, 0, 0, 0, 0, 2}, src[6] = {2, 0, 0, 0, 0, 1};

static void one_layout(uint64_t features, enum guest_layout layout)
{
	static const uint32_t lengths[] = {22, 60, 64, 255, 256, 257, 1500, 1514, 9000, VH_MAX_FRAME};
	struct bench *b = open_tx((struct guest_config){.tx_size = odd_size(16), .features = features});
	static uint8_t f[VH_MAX_FRAME], got[VH_MAX_FRAME];
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < 200; i++) {
		uint32_t len = i < 10 ? lengths[i] : rng_between(&test_rng, FRAME_MIN, 3000);

		frame_make(f, dst, src, i, len);
		REQUIRE(guest_send(b->g, 0, f, len, layout));
		vh_txq_collect(&b->vq, &b->batch, &b->own);
		REQUIRE_EQ(b->batch.chains, 1);
		REQUIRE_EQ(b->batch.frames, 1);
		REQUIRE_EQ(flatten(&b->batch, 0, got), len);
		REQUIRE_EQ(frame_check(got, len), i);
		REQUIRE_EQ(guest_reap(b->g, 0), 0);
		vh_txq_complete(&b->vq, &b->batch, &b->own);
		REQUIRE_EQ(guest_reap(b->g, 0), 1);
		bytes += len;
		REQUIRE_EQ(b->own.tx_packets, i + 1);
		REQUIRE_EQ(b->own.tx_bytes, bytes);
	}
	close_tx(b);
}

void test_tx_every_layout(void)
{
	static const uint64_t features[] = {VH_F_INDIRECT_DESC, VH_F_INDIRECT_DESC | VH_F_VERSION_1,
		VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF | VH_F_EVENT_IDX};

	for (uint32_t k = 0; k < 3; k++)
		for (uint32_t l = 0; l < LAYOUT_COUNT; l++)
			one_layout(features[k], (enum guest_layout)l);
}

void test_tx_single_is_zero_copy(void)
{
	struct bench *b = open_tx((struct guest_config){.features = VH_F_VERSION_1});
	uint8_t f[100];

	frame_make(f, dst, src, 7, sizeof(f));
	REQUIRE(guest_send(b->g, 0, f, sizeof(f), LAYOUT_SINGLE));
	vh_txq_collect(&b->vq, &b->batch, &b->own);
	REQUIRE(b->batch.frame[0].data ==
		guest_at(b->g, b->g->tx[0].chain[b->batch.head[0]].buf[0].gpa) + 12);
	REQUIRE_EQ(b->batch.frame[0].more, 0);
	vh_txq_complete(&b->vq, &b->batch, &b->own);
	close_tx(b);
}

/* Sends a raw chain of one descriptor and expects one reason. */
static void expect_drop(struct bench *b, struct vh_desc d, enum vh_drop reason)
{
	struct guest_queue *q = &b->g->tx[0];
	uint64_t before = b->own.drops[reason];
	/* A packed ring's buffer id is the driver's own: it goes back as it is. */
	uint16_t id = on_packed() ? 0xfedc : 3;
	struct vh_used_elem e;

	guest_stage_raw(q, &d, 1, id);
	guest_publish(q);
	vh_txq_collect(&b->vq, &b->batch, &b->own);
	REQUIRE_EQ(b->batch.chains, 1);
	REQUIRE_EQ(b->batch.frames, 0);
	REQUIRE_EQ(b->own.drops[reason], before + 1);
	vh_txq_complete(&b->vq, &b->batch, &b->own);
	REQUIRE(guest_used(q, &e));
	REQUIRE_EQ(e.id, id);
	REQUIRE_EQ(e.len, 0);
}

void test_tx_drop_reasons(void)
{
	struct bench *b = open_tx((struct guest_config){.tx_size = 16, .features = VH_F_VERSION_1});
	struct guest_buf buf;
	uint64_t dropped = 0;

	REQUIRE(guest_alloc(b->g, 69000, &buf));
	/* Lengths: nothing, less than a header, a header alone, one byte short of a frame, one too many. */
	expect_drop(b, (struct vh_desc){.addr = buf.gpa, .len = 0}, VH_DROP_TX_RUNT);
	expect_drop(b, (struct vh_desc){.addr = buf.gpa, .len = 11}, VH_DROP_TX_RUNT);
	expect_drop(b, (struct vh_desc){.addr = buf.gpa, .len = 12}, VH_DROP_TX_RUNT);
	expect_drop(b, (struct vh_desc){.addr = buf.gpa, .len = 12 + 13}, VH_DROP_TX_RUNT);
	expect_drop(b, (struct vh_desc){.addr = buf.gpa, .len = 12 + VH_MAX_FRAME + 1}, VH_DROP_TX_TOO_LONG);
	expect_drop(b, (struct vh_desc){.addr = GUEST_HIGH - 1, .len = 100}, VH_DROP_TX_BAD_ADDRESS);
	expect_drop(b, (struct vh_desc){.addr = buf.gpa, .len = 100, .flags = VH_DESC_WRITE},
		VH_DROP_TX_BAD_DIRECTION);
	/* On a packed ring the next entry would belong to the chain; see test_hostile_packed.c. */
	if (!on_packed())
		expect_drop(b,
			(struct vh_desc){.addr = buf.gpa, .len = 100, .flags = VH_DESC_NEXT, .next = 16},
			VH_DROP_TX_BAD_CHAIN);
	expect_drop(b, (struct vh_desc){.addr = buf.gpa, .len = 32, .flags = VH_DESC_INDIRECT},
		VH_DROP_TX_BAD_INDIRECT);
	for (uint32_t i = 0; i < VH_DROP_COUNT; i++)
		dropped += b->own.drops[i];
	REQUIRE_EQ(dropped, on_packed() ? 8 : 9);
	REQUIRE_EQ(b->own.tx_packets, 0);
	guest_free_buf(b->g, &buf);
	/* And the queue works. */
	uint8_t f[64];
	frame_make(f, dst, src, 7, sizeof(f));
	REQUIRE(guest_send(b->g, 0, f, sizeof(f), LAYOUT_SINGLE));
	vh_txq_collect(&b->vq, &b->batch, &b->own);
	REQUIRE_EQ(b->batch.frames, 1);
	close_tx(b);
}

/* Indexes that pass 65535 while the ring wraps many times. */
void test_tx_index_wrap(void)
{
	static const uint32_t sizes[] = {1, 2, 8, 256};
	uint8_t f[64];

	for (uint32_t k = 0; k < 4; k++) {
		uint32_t size = odd_size(sizes[k]), sent = 0, done = 0;
		struct bench *b = open_tx((struct guest_config){.tx_size = size, .start = 65500});

		while (done < 1000) {
			uint32_t burst = rng_between(&test_rng, 1, size);

			for (uint32_t i = 0; i < burst; i++, sent++) {
				frame_make(f, dst, src, sent, sizeof(f));
				if (!guest_send(b->g, 0, f, sizeof(f), LAYOUT_SINGLE))
					break;
			}
			vh_txq_collect(&b->vq, &b->batch, &b->own);
			for (uint32_t i = 0; i < b->batch.frames; i++, done++)
				REQUIRE_EQ(frame_check(b->batch.frame[i].data, sizeof(f)), done);
			vh_txq_complete(&b->vq, &b->batch, &b->own);
			guest_reap(b->g, 0);
		}
		while (sent > done) {
			vh_txq_collect(&b->vq, &b->batch, &b->own);
			REQUIRE(b->batch.frames > 0);
			done += b->batch.frames;
			vh_txq_complete(&b->vq, &b->batch, &b->own);
		}
		REQUIRE_EQ(sent, done);
		close_tx(b);
	}
}

void test_tx_batch_limit(void)
{
	struct bench *b = open_tx((struct guest_config){.tx_size = 256});
	uint32_t next = 0;
	uint8_t f[64];

	for (uint32_t i = 0; i < 256; i++) {
		frame_make(f, dst, src, i, sizeof(f));
		REQUIRE(guest_send(b->g, 0, f, sizeof(f), LAYOUT_SINGLE));
	}
	for (uint32_t round = 0; round < 256 / VH_BATCH; round++) {
		vh_txq_collect(&b->vq, &b->batch, &b->own);
		REQUIRE_EQ(b->batch.frames, VH_BATCH);
		for (uint32_t i = 0; i < VH_BATCH; i++)
			REQUIRE_EQ(frame_check(b->batch.frame[i].data, sizeof(f)), next++);
		vh_txq_complete(&b->vq, &b->batch, &b->own);
		REQUIRE_EQ(guest_reap(b->g, 0), VH_BATCH);
	}
	vh_txq_collect(&b->vq, &b->batch, &b->own);
	REQUIRE_EQ(b->batch.chains, 0);
	close_tx(b);
}

/* Many segments a frame: a round that runs out of room for them ends early, and the next one goes on. */
void test_tx_long_chains_keep_order(void)
{
	enum { PARTS = 100, FRAMES = 200 };
	struct bench *b = open_tx(
		(struct guest_config){.tx_size = 1024, .features = VH_F_INDIRECT_DESC | VH_F_VERSION_1});
	struct guest_shape s = {.n = PARTS, .edge = -1};
	uint32_t sent = 0, got = 0, rounds = 0;
	uint8_t f[PARTS * 3], out[PARTS * 3];

	for (uint32_t i = 0; i < PARTS; i++)
		s.len[i] = 3;
	while (got < FRAMES) {
		for (; sent < FRAMES; sent++) {
			/* Some straight in the ring, some in tables. */
			s.direct = sent % 3 == 0 ? PARTS : 0;
			frame_make(f, dst, src, sent, PARTS * 3 - 12);
			if (!guest_send_shape(b->g, 0, &s, f, PARTS * 3 - 12))
				break;
		}
		vh_txq_collect(&b->vq, &b->batch, &b->own);
		REQUIRE(b->batch.frames > 0);
		REQUIRE_EQ(b->batch.frames, b->batch.chains);
		REQUIRE(b->batch.segs <= VH_BATCH_SEGS);
		for (uint32_t i = 0; i < b->batch.frames; i++)
			REQUIRE_EQ(frame_check(out, flatten(&b->batch, i, out)), got++);
		vh_txq_complete(&b->vq, &b->batch, &b->own);
		guest_reap(b->g, 0);
		rounds++;
	}
	REQUIRE_EQ(got, FRAMES);
	REQUIRE(rounds >= FRAMES * PARTS / VH_BATCH_SEGS);
	REQUIRE_EQ(b->own.drops[VH_DROP_TX_BAD_CHAIN], 0);
	close_tx(b);
}
