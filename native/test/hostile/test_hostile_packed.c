/* What only a packed ring lets a guest do: chains without an end, and entries that come and go. */
#include "../rig/rig.h"
#include "../tests.h"

#include <stdlib.h>

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF)

/* Guest 0 is hostile; 1 and 2 are a pair that must not notice. */
static struct rig *company(uint32_t ring)
{
	struct rig *r = rig_new();

	rig_add(r, &(struct guest_config){.features = FEATURES,
			   .tx_size = ring,
			   .rx_size = ring,
			   .scattered = rng_below(&test_rng, 3) == 0});
	for (uint32_t i = 0; i < 2; i++) {
		rig_add(r, &(struct guest_config){.features = FEATURES, .exact = true});
		guest_post_all(r->guest[i + 1], 0, 2000, LAYOUT_SINGLE);
	}
	rig_learn_all(r);
	return r;
}

static void pass(struct rig *r, uint32_t from, uint32_t to, uint32_t seq)
{
	REQUIRE(rig_send(r, from, to, seq, 100, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, from, 1), 1);
	REQUIRE_EQ(guest_reap(r->guest[from], 0), 1);
}

static void start_anew(struct rig *r)
{
	struct guest *g = r->guest[0];

	guest_reset_queue(g, &g->tx[0]);
	guest_reset_queue(g, &g->rx[0]);
	rig_attach(r, 0);
	pass(r, 0, 1, 5);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 5);
	REQUIRE(guest_post(g, 0, 200, LAYOUT_SINGLE));
	pass(r, 1, 0, 6);
	REQUIRE_EQ(rig_receive(r, 0, NULL), 6);
}

/* `n` descriptors of a few bytes each, all but the last with NEXT; endless: the last one too. */
static void offer_chain(struct guest_queue *q, uint32_t n, bool endless, bool write)
{
	uint64_t base = write ? 0x400000 : 0x300000;
	struct vh_desc *d = calloc(n, sizeof(*d));

	for (uint32_t i = 0; i < n; i++)
		d[i] = (struct vh_desc){.addr = base + i * 64,
			.len = i == 0 ? 12 : 1,
			.flags = (uint16_t)((endless || i + 1 < n ? VH_DESC_NEXT : 0) |
					    (write ? VH_DESC_WRITE : 0))};
	guest_stage_raw(q, d, n, 0xcafe);
	guest_publish(q);
	free(d);
}

static void endless_tx(uint32_t ring, uint32_t n, bool endless)
{
	struct rig *r = company(ring);
	struct vh_vq *vq = &r->port[0]->tx[0];

	/* A good frame before it still arrives, where the chain does not go on into it. */
	REQUIRE(rig_send(r, 0, 1, 1, 100, LAYOUT_SINGLE));
	if (n == ring) {
		REQUIRE_EQ(rig_poll(r, 0, 1), 1);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
	}
	offer_chain(&r->guest[0]->tx[0], n, endless, false);
	REQUIRE_EQ(rig_poll(r, 0, 1), n != ring);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), n != ring);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 1);
	for (uint32_t i = 0; i < 3; i++)
		REQUIRE_EQ(rig_poll(r, 0, 1), 0);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_RING), 1);
	REQUIRE_EQ(rig_all_drops(r, 0), 1);
	REQUIRE(vq->broken);
	REQUIRE(!vh_vq_want_kicks(vq, true));
	pass(r, 1, 2, 2);
	REQUIRE_EQ(rig_receive(r, 2, NULL), 2);
	start_anew(r);
	rig_free(r);
}

static void endless_rx(uint32_t ring, uint32_t n, bool endless)
{
	struct rig *r = company(ring);

	REQUIRE(guest_post(r->guest[0], 0, 200, LAYOUT_SINGLE));
	if (n == ring) {
		pass(r, 1, 0, 1);
		REQUIRE_EQ(rig_receive(r, 0, NULL), 1);
	}
	offer_chain(&r->guest[0]->rx[0], n, endless, true);
	if (n != ring) {
		pass(r, 1, 0, 1);
		REQUIRE_EQ(rig_receive(r, 0, NULL), 1);
	}
	for (uint32_t i = 0; i < 3; i++)
		pass(r, 1, 0, 2 + i);
	REQUIRE_EQ(rig_receive(r, 0, NULL), GUEST_NOTHING);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_RX_BAD_RING), 3);
	REQUIRE_EQ(rig_all_drops(r, 0), 3);
	pass(r, 1, 2, 9);
	REQUIRE_EQ(rig_receive(r, 2, NULL), 9);
	start_anew(r);
	rig_require_balance(r);
	rig_free(r);
}

void test_hostile_packed_endless(void)
{
	/* Round the whole ring; and, on a longer one, longer than a chain may be, with and without an end. */
	static const struct {
		uint32_t ring, n;
		bool endless;
	} cases[] = {{1, 1, true}, {15, 15, true}, {2000, 1999, true}, {2000, VH_MAX_CHAIN + 1, false}};

	for (uint32_t i = 0; i < 4; i++) {
		endless_tx(cases[i].ring, cases[i].n, cases[i].endless);
		endless_rx(cases[i].ring, cases[i].n, cases[i].endless);
	}
}

/* The longest chain there may be is a frame like others, with its id, out of range or not. */
void test_hostile_packed_longest(void)
{
	struct rig *r = company(2000);
	struct guest_queue *tx = &r->guest[0]->tx[0], *rx = &r->guest[0]->rx[0];
	uint8_t out[VH_MAX_CHAIN + 12];
	struct vh_used_elem e;

	for (uint32_t i = 0; i < 5; i++) {
		offer_chain(tx, VH_MAX_CHAIN, false, false);
		/* Its source, of which the first byte is the eighth buffer. */
		*guest_at(r->guest[0], 0x300000 + 7 * 64) = 2;
		REQUIRE_EQ(rig_poll(r, 0, 1), 1);
		REQUIRE(guest_used(tx, &e));
		REQUIRE(e.id == 0xcafe && e.len == 0);
		REQUIRE_EQ(rig_counters(r, 0).tx_bytes, (i + 1) * (VH_MAX_CHAIN - 1));
		REQUIRE_EQ(guest_receive(r->guest[1], 0, out, sizeof(out)), VH_MAX_CHAIN - 1);
		offer_chain(rx, VH_MAX_CHAIN, false, true);
		pass(r, 1, 0, i);
		REQUIRE(guest_used(rx, &e));
		REQUIRE(e.id == 0xcafe && e.len == 12 + 100);
	}
	REQUIRE_EQ(rig_all_drops(r, 0), 0);
	start_anew(r);
	rig_free(r);
}

/* Makes an entry look offered in a lap with this wrap counter. */
static void set_avail(struct guest_queue *q, uint32_t at, bool wrap)
{
	uint16_t *flags = &q->ring[at].flags;

	__atomic_store_n(flags,
		(uint16_t)((*flags & ~(VH_DESC_AVAIL | VH_DESC_USED)) |
			   (wrap ? VH_DESC_AVAIL : VH_DESC_USED)),
		__ATOMIC_RELEASE);
}

/* Entries offered without a word, offered again while the device has them, and taken away again. */
void test_hostile_packed_forged_flags(void)
{
	enum { RING = 15 };
	struct rig *r = company(RING);
	struct guest_queue *q = &r->guest[0]->tx[0];
	struct vh_vq *vq = &r->port[0]->tx[0];
	struct vh_batch *batch = &r->lane[0]->work->batch;
	struct vh_counters *own = &r->port[0]->counters[0];

	for (uint32_t i = 0; i < RING; i++)
		q->ring[i] = (struct vh_packed_desc){.addr = 0x300000, .len = 72, .id = (uint16_t)(i * 4369)};
	for (uint32_t lap = 0; lap < 20; lap++) {
		bool wrap = lap % 2 == 0;

		/* Used entries have said that nothing was written. */
		for (uint32_t i = 0; i < RING; i++)
			q->ring[i].len = 72;

		/* All at once; the device takes each entry once a lap, whatever the flags say after that. */
		for (uint32_t i = 0; i < RING; i++)
			set_avail(q, i, wrap);
		vh_txq_collect(vq, batch, own);
		REQUIRE_EQ(batch->chains, RING);
		for (uint32_t i = 0; i < RING; i++) {
			REQUIRE_EQ(batch->head[i], i * 4369);
			set_avail(q, i, rng_below(&test_rng, 2) == 0);
		}
		vh_txq_complete(vq, batch, own);
		for (uint32_t i = 0; i < RING; i++) {
			uint16_t flags = q->ring[i].flags;

			REQUIRE_EQ(q->ring[i].id, i * 4369);
			REQUIRE_EQ((flags & VH_DESC_AVAIL) != 0, wrap);
			REQUIRE_EQ((flags & VH_DESC_USED) != 0, wrap);
		}
		/* Of the lap that is over: no offer. */
		set_avail(q, rng_below(&test_rng, RING), wrap);
		vh_txq_collect(vq, batch, own);
		REQUIRE_EQ(batch->chains, 0);
		/* Marked as used by the guest, in the lap that begins: none either. */
		q->ring[0].flags = wrap ? 0 : VH_DESC_AVAIL | VH_DESC_USED;
		vh_txq_collect(vq, batch, own);
		REQUIRE_EQ(batch->chains, 0);
	}
	REQUIRE_EQ(rig_counters(r, 0).tx_packets, 20 * RING);
	start_anew(r);
	rig_free(r);
}

/* DPDK's virtio driver marks the header's entry as writable in what it sends; the frame is good. */
void test_tx_packed_table_marked_writable(void)
{
	struct rig *r = company(15);
	struct guest *g = r->guest[0];
	uint8_t f[100], dst[6], src[6];

	frame_mac(dst, 1);
	frame_mac(src, 0);
	for (uint32_t i = 0; i < 40; i++) {
		struct guest_shape s = {.n = 2, .edge = -1, .len = {12, sizeof(f)}};
		int32_t id;

		frame_make(f, dst, src, i, sizeof(f));
		id = guest_build_frame(g, &g->tx[0], &s, f, sizeof(f));
		REQUIRE(id >= 0);
		((struct vh_packed_desc *)(void *)guest_at(g, g->tx[0].chain[id].buf[2].gpa))->flags |=
			VH_DESC_WRITE;
		guest_stage(&g->tx[0], (uint16_t)id);
		guest_publish(&g->tx[0]);
		REQUIRE_EQ(rig_poll(r, 0, 1), 1);
		REQUIRE_EQ(guest_reap(g, 0), 1);
		REQUIRE_EQ(rig_receive(r, 1, NULL), i);
	}
	rig_require_balance(r);
	rig_free(r);
}
