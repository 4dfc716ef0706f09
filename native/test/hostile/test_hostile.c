/*
 * Guests that break every rule of the rings, one at a time. Each time: nothing outside guest memory is
 * touched (the sanitizer and the guard pages would tell), the reason is counted, the pair next to it is
 * unharmed, and the queue works again after it was set up anew.
 */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

#define MODERN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)
#define RING 16

/* Guest 0 is hostile; 1 and 2 are a pair that must not notice. */
static struct rig *company(uint64_t features)
{
	struct rig *r = rig_new();

	rig_add(r, &(struct guest_config){.features = features, .tx_size = RING, .rx_size = RING});
	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = MODERN, .exact = true});
	rig_learn_all(r);
	return r;
}

/* The good pair passes a frame both ways. */
static void others_unharmed(struct rig *r)
{
	static uint32_t seq;

	for (uint32_t i = 1; i <= 2; i++) {
		REQUIRE(guest_post(r->guest[3 - i], 0, 200, LAYOUT_SINGLE));
		REQUIRE(rig_send(r, i, 3 - i, ++seq, 100, LAYOUT_SINGLE));
		REQUIRE_EQ(rig_poll(r, i, 1), 1);
		REQUIRE_EQ(guest_reap(r->guest[i], 0), 1);
		REQUIRE_EQ(rig_receive(r, 3 - i, NULL), seq);
	}
}

/* The hostile guest's driver starts anew and behaves. */
static void usable_after_reset(struct rig *r)
{
	struct guest *g = r->guest[0];

	guest_reset_queue(g, &g->tx[0]);
	guest_reset_queue(g, &g->rx[0]);
	rig_attach(r, 0);
	guest_interrupts(&g->tx[0]);
	REQUIRE(guest_post(r->guest[1], 0, 200, LAYOUT_SINGLE));
	REQUIRE(rig_send(r, 0, 1, 5, 100, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 5);
	REQUIRE_EQ(guest_reap(g, 0), 1);
	REQUIRE(guest_post(g, 0, 200, LAYOUT_SINGLE));
	REQUIRE(rig_send(r, 1, 0, 6, 100, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 1, 1), 1);
	REQUIRE_EQ(rig_receive(r, 0, NULL), 6);
	REQUIRE_EQ(guest_reap(r->guest[1], 0), 1);
}

/* One malformed chain: up to four descriptors in the ring (from 0 on), four in a table at TABLE, and its
 * reasons. */
#define TABLE 0x7000000000ULL
#define DATA (TABLE + 0x1000)
/* Not malformed when sent on a packed ring; see test_tx_packed_table_marked_writable(). */
#define FINE_IF_SENT_PACKED 4
struct chain {
	const char *what;
	int rings; /* the types it is malformed on */
	enum vh_drop tx, rx;
	struct vh_desc ring[4], table[4];
};

/* `flags` as for transmitting; for receiving, WRITE is flipped where no table is meant. */
#define N VH_DESC_NEXT
#define W VH_DESC_WRITE
#define I VH_DESC_INDIRECT
static const struct chain chains[] = {
	{"address beyond memory", ALL, VH_DROP_TX_BAD_ADDRESS, VH_DROP_RX_BAD_ADDRESS,
		{{.addr = GUEST_HIGH + GUEST_REGION_SIZE, .len = 100}}, {{0}}},
	{"address in a hole", ALL, VH_DROP_TX_BAD_ADDRESS, VH_DROP_RX_BAD_ADDRESS,
		{{.addr = 2 * GUEST_REGION_SIZE, .len = 100}}, {{0}}},
	{"starts inside, ends outside", ALL, VH_DROP_TX_BAD_ADDRESS, VH_DROP_RX_BAD_ADDRESS,
		{{.addr = GUEST_HIGH + GUEST_REGION_SIZE - 99, .len = 100}}, {{0}}},
	{"length reaches past everything", ALL, VH_DROP_TX_BAD_ADDRESS, VH_DROP_RX_BAD_ADDRESS,
		{{.addr = 0x1000, .len = UINT32_MAX}}, {{0}}},
	{"address plus length wraps", ALL, VH_DROP_TX_BAD_ADDRESS, VH_DROP_RX_BAD_ADDRESS,
		{{.addr = UINT64_MAX - 50, .len = 100}}, {{0}}},
	{"second buffer outside", ALL, VH_DROP_TX_BAD_ADDRESS, VH_DROP_RX_BAD_ADDRESS,
		{{DATA, 100, N, 1}, {UINT64_MAX, 100, 0, 0}}, {{0}}},
	{"loop of one", SPLIT, VH_DROP_TX_BAD_CHAIN, VH_DROP_RX_BAD_CHAIN, {{DATA, 100, N, 0}}, {{0}}},
	{"loop of three", SPLIT, VH_DROP_TX_BAD_CHAIN, VH_DROP_RX_BAD_CHAIN,
		{{DATA, 100, N, 1}, {DATA, 100, N, 2}, {DATA, 100, N, 0}}, {{0}}},
	{"loop of empty buffers", SPLIT, VH_DROP_TX_BAD_CHAIN, VH_DROP_RX_BAD_CHAIN,
		{{DATA, 0, N, 1}, {DATA, 0, N, 0}}, {{0}}},
	{"next outside the ring", SPLIT, VH_DROP_TX_BAD_CHAIN, VH_DROP_RX_BAD_CHAIN, {{DATA, 100, N, RING}},
		{{0}}},
	{"next far outside the ring", SPLIT, VH_DROP_TX_BAD_CHAIN, VH_DROP_RX_BAD_CHAIN,
		{{DATA, 100, N, 65535}}, {{0}}},
	{"wrong direction", ALL, VH_DROP_TX_BAD_DIRECTION, VH_DROP_RX_BAD_DIRECTION, {{DATA, 100, W, 0}},
		{{0}}},
	{"wrong direction further on", ALL, VH_DROP_TX_BAD_DIRECTION, VH_DROP_RX_BAD_DIRECTION,
		{{DATA, 100, N, 1}, {DATA, 100, W, 0}}, {{0}}},
	{"table of no length", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT, {{TABLE, 0, I, 0}},
		{{0}}},
	{"table of broken length", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT, {{TABLE, 24, I, 0}},
		{{0}}},
	{"table longer than any chain", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT,
		{{TABLE, (VH_MAX_CHAIN + 1) * 16, I, 0}}, {{DATA, 100, 0, 0}}},
	{"table outside memory", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT,
		{{UINT64_MAX & ~15ULL, 16, I, 0}}, {{0}}},
	{"table across the border of two regions", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT,
		{{GUEST_REGION_SIZE - 16, 32, I, 0}}, {{0}}},
	{"table misaligned", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT, {{TABLE + 4, 32, I, 0}},
		{{0}}},
	{"table with a next", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT,
		{{TABLE, 32, I | N, 1}, {DATA, 100, 0, 0}}, {{DATA, 100, 0, 0}}},
	{"table in a table", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT, {{TABLE, 32, I, 0}},
		{{TABLE + 32, 16, I, 0}, {0}, {DATA, 100, 0, 0}}},
	{"table in the ring itself", ALL, VH_DROP_TX_BAD_INDIRECT, VH_DROP_RX_BAD_INDIRECT,
		{{0, 32, I, 0}, {DATA, 100, 0, 0}}, {{0}}},
	{"next outside the table", SPLIT, VH_DROP_TX_BAD_CHAIN, VH_DROP_RX_BAD_CHAIN, {{TABLE, 32, I, 0}},
		{{DATA, 100, N, 2}, {0}, {DATA, 100, 0, 0}}},
	{"loop in a table", SPLIT, VH_DROP_TX_BAD_CHAIN, VH_DROP_RX_BAD_CHAIN, {{TABLE, 32, I, 0}},
		{{DATA, 100, N, 1}, {DATA, 100, N, 0}}},
	{"wrong direction in a table", ALL | FINE_IF_SENT_PACKED, VH_DROP_TX_BAD_DIRECTION,
		VH_DROP_RX_BAD_DIRECTION, {{TABLE, 16, I, 0}}, {{DATA, 100, W, 0}}},
	{"nothing but empty buffers", ALL, VH_DROP_TX_RUNT, VH_DROP_RX_BAD_CHAIN,
		{{DATA, 0, N, 1}, {DATA, 0, N, 2}, {DATA, 0, 0, 0}}, {{0}}},
};
#undef N
#undef W
#undef I

/* The table above is written for addresses in the third region. */
static uint64_t relocate(uint64_t addr)
{
	return addr >= TABLE && addr < DATA + 0x1000 ? addr - TABLE + GUEST_HIGH + 0x3f0000 : addr;
}

/* Address 0 of a table: the ring's own entry that names it. */
static struct vh_desc adapted(
	const struct guest *g, const struct guest_queue *q, struct vh_desc d, bool write)
{
	d.addr = relocate(d.addr);
	if ((d.flags & VH_DESC_INDIRECT) != 0 && d.addr == 0)
		d.addr = (q == &g->tx[0] ? 0 : GUEST_HIGH) +
			 (q->packed ? q->avail_n % q->size : 0) * sizeof(d);
	if (write && (d.flags & VH_DESC_INDIRECT) == 0)
		d.flags ^= VH_DESC_WRITE;
	return d;
}

/* What such a chain is called in its used entry: for a packed ring any number will do. */
static uint16_t id_of(const struct guest_queue *q)
{
	return q->packed ? 0xbeef : 0;
}

static void lay_out(struct guest *g, struct guest_queue *q, const struct chain *c, bool write)
{
	struct vh_desc ring[4];
	uint32_t n = 1;

	for (uint32_t i = 0; i < 4; i++) {
		ring[i] = adapted(g, q, c->ring[i], write);
		guest_put_desc(q, guest_at(g, relocate(TABLE) + i * sizeof(ring[i])),
			adapted(g, q, c->table[i], write));
	}
	/* A packed chain ends where NEXT does; a split one goes where its descriptors say. */
	while (n < 4 && (!q->packed || (ring[n - 1].flags & VH_DESC_NEXT) != 0))
		n++;
	guest_stage_raw(q, ring, n, id_of(q));
	guest_publish(q);
}

/* On another type of ring it is no malformed chain. */
static bool counts(const struct chain *c, bool write)
{
	if (!write && on_packed() && (c->rings & FINE_IF_SENT_PACKED) != 0)
		return false;
	return (c->rings & (on_packed() ? PACKED : SPLIT)) != 0;
}

static void require_one(struct rig *r, const char *what, enum vh_drop reason, uint64_t before, uint64_t all)
{
	if (rig_drops(r, 0, reason) != before + 1 || rig_all_drops(r, 0) != all + 1)
		check_failed(__FILE__, __LINE__, "%s: not counted as %s, once", what, vh_drop_name(reason));
}

void test_hostile_tx_descriptors(void)
{
	struct rig *r = company(MODERN);

	for (uint32_t k = 0; k < sizeof(chains) / sizeof(chains[0]); k++) {
		const struct chain *c = &chains[k];
		uint64_t before = rig_drops(r, 0, c->tx), all = rig_all_drops(r, 0);
		struct vh_used_elem e;

		if (!counts(c, false))
			continue;
		lay_out(r->guest[0], &r->guest[0]->tx[0], c, false);
		REQUIRE_EQ(rig_poll(r, 0, 1), 1);
		require_one(r, c->what, c->tx, before, all);
		REQUIRE(guest_used(&r->guest[0]->tx[0], &e));
		REQUIRE(e.id == id_of(&r->guest[0]->tx[0]) && e.len == 0);
		others_unharmed(r);
	}
	usable_after_reset(r);
	rig_free(r);
	/* Tables are refused where they were not negotiated. */
	r = company(VH_F_VERSION_1);
	REQUIRE(guest_send(r->guest[0], 0, "00000000000000000000000000000000", 32, LAYOUT_INDIRECT));
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_INDIRECT), 1);
	rig_free(r);
}

void test_hostile_rx_descriptors(void)
{
	struct rig *r = company(MODERN | VH_F_MRG_RXBUF);

	for (uint32_t k = 0; k < sizeof(chains) / sizeof(chains[0]); k++) {
		const struct chain *c = &chains[k];
		uint64_t before = rig_drops(r, 0, c->rx), all = rig_all_drops(r, 0);
		struct vh_used_elem e;

		if (!counts(c, true))
			continue;
		lay_out(r->guest[0], &r->guest[0]->rx[0], c, true);
		/* Long enough not to fit into the good parts of the chain. */
		REQUIRE(rig_send(r, 1, 0, k, 1500, LAYOUT_SINGLE));
		REQUIRE_EQ(rig_poll(r, 1, 1), 1);
		guest_reap(r->guest[1], 0);
		require_one(r, c->what, c->rx, before, all);
		REQUIRE(guest_used(&r->guest[0]->rx[0], &e));
		REQUIRE(e.id == id_of(&r->guest[0]->rx[0]) && e.len == 0);
		others_unharmed(r);
	}
	usable_after_reset(r);
	rig_require_balance(r);
	rig_free(r);
}
