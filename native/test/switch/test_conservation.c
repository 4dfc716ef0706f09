/*
 * The property that everything else serves: every frame arrives exactly once at each right receiver, in
 * order, byte for byte, or is counted by a reason. Random guests, ring types, layouts and frames, receivers
 * that stall and rounds that wait for them, against a model that knows only what was sent.
 */
#include "../rig/rig.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

enum { GUESTS = 4, EPISODES = 60, ROUNDS = 100, QUEUE = 1U << 13 };

/* A growing list of what must come, from `first` on. */
struct fifo {
	uint32_t first, n;
	uint32_t item[QUEUE];
};

struct model {
	struct rig *r;
	uint32_t seq;
	bool learned[GUESTS], stalled[GUESTS];
	uint8_t sender[QUEUE]; /* of each seq */
	/* By sender: frames not collected yet, as seq << 3 | destination (GUESTS: broadcast; BAD: a runt). */
	struct fifo pending[GUESTS];
	/* By sender and receiver: what must arrive, in order. Senders may overtake each other. */
	struct fifo expected[GUESTS][GUESTS];
	uint32_t waited; /* rounds */
	uint64_t lost[GUESTS], runts[GUESTS], hairpins[GUESTS];
};

#define TO_ALL GUESTS
#define BAD 7

static void push(struct fifo *f, uint32_t item)
{
	REQUIRE(f->n < QUEUE);
	f->item[f->n++] = item;
}

static enum guest_layout any_layout(uint32_t below)
{
	return (enum guest_layout)rng_below(&test_rng, below);
}

static void open_guests(struct model *m)
{
	static const uint64_t bits[] = {
		VH_F_VERSION_1, VH_F_MRG_RXBUF, VH_F_EVENT_IDX, VH_F_RING_PACKED, VH_F_IN_ORDER};

	m->r = rig_new();
	if (rng_below(&test_rng, 3) > 0)
		rig_retry(m->r, rng_between(&test_rng, 1, 5), rng_below(&test_rng, 4));
	for (uint32_t i = 0; i < GUESTS; i++) {
		struct guest_config c = {.features = VH_F_INDIRECT_DESC,
			.tx_size = 4U << rng_below(&test_rng, 9),
			.rx_size = 4U << rng_below(&test_rng, 9),
			.start = (uint16_t)rng_next(&test_rng),
			.exact = true};

		for (uint32_t b = 0; b < 5; b++)
			c.features |= rng_below(&test_rng, 2) ? bits[b] : 0;
		if ((c.features & VH_F_RING_PACKED) != 0) {
			c.tx_size = rng_between(&test_rng, 9, 1000);
			c.rx_size = rng_between(&test_rng, 9, 1000);
		}
		rig_add(m->r, &c);
	}
}

static uint32_t any_length(void)
{
	switch (rng_below(&test_rng, 12)) {
	case 0:
		return rng_between(&test_rng, FRAME_MIN, VH_MAX_FRAME);
	case 1:
	case 2:
		return rng_between(&test_rng, FRAME_MIN, 9000);
	case 3:
		return 1514;
	default:
		return rng_between(&test_rng, FRAME_MIN, 300);
	}
}

static void send_some(struct model *m, uint32_t from)
{
	static uint8_t f[VH_MAX_FRAME];
	uint8_t dst[6], src[6];

	frame_mac(src, from);
	for (uint32_t n = rng_below(&test_rng, 20); n > 0; n--) {
		uint32_t to = rng_below(&test_rng, GUESTS + 1), len = any_length();
		bool bad = rng_below(&test_rng, 30) == 0;

		frame_mac(dst, to);
		if (to == TO_ALL)
			memset(dst, 0xff, 6);
		frame_make(f, dst, src, m->seq, len);
		if (!guest_send(m->r->guest[from], 0, f, bad ? 13 : len, any_layout(LAYOUT_COUNT)))
			break;
		REQUIRE(m->seq < QUEUE);
		m->sender[m->seq] = (uint8_t)from;
		push(&m->pending[from], m->seq++ << 3 | (bad ? BAD : to));
	}
}

/* What the switch must do with a frame that it has taken. */
static void forward(struct model *m, uint32_t from, uint32_t item)
{
	uint32_t to = item & 7;

	if (to == BAD) {
		m->runts[from]++;
		return;
	}
	m->learned[from] = true;
	if (to == from) {
		m->hairpins[from]++;
		return;
	}
	for (uint32_t i = 0; i < GUESTS; i++)
		if (i != from && (i == to || to == TO_ALL || !m->learned[to]))
			push(&m->expected[from][i], item >> 3);
}

/* One poll; ticks pass now and then. What it has collected is forwarded now, however long it waits. */
static void poll_one(struct model *m, uint32_t from)
{
	const struct vh_vq *vq = &m->r->port[from]->tx[0];
	struct fifo *p = &m->pending[from];
	bool waited = vq->parked != NULL;
	uint32_t n;

	rig_tick(m->r, rng_below(&test_rng, 3));
	n = rig_poll(m->r, from, 1);
	if (!waited && vq->parked != NULL) {
		n = vq->parked->batch.chains;
		m->waited++;
		waited = false;
	}
	for (; !waited && n > 0; n--) {
		REQUIRE(p->first < p->n);
		forward(m, from, p->item[p->first++]);
	}
	guest_reap(m->r->guest[from], 0);
}

/* The control thread ends what waits; nothing of it may come after that, and it is counted as lost. */
static void flush_one(struct model *m, uint32_t i)
{
	vh_vq_stop(&m->r->port[i]->tx[0]);
	vh_switch_flush(m->r->sw, m->r->port[i], 0);
	vh_vq_start(&m->r->port[i]->tx[0]);
	guest_reap(m->r->guest[i], 0);
}

static void post_some(struct model *m, uint32_t i)
{
	for (uint32_t n = rng_below(&test_rng, 30); n > 0; n--) {
		uint32_t size = rng_below(&test_rng, 3) == 0   ? rng_between(&test_rng, 12, 200)
				: rng_below(&test_rng, 8) == 0 ? VH_MAX_FRAME + 12
							       : rng_between(&test_rng, 200, 2000);

		if (!guest_post(m->r->guest[i], 0, size, any_layout(LAYOUT_HEADER_SPLIT)))
			break;
	}
}

/* Whatever does not come must have been passed over: order is kept, so it never comes later. */
static void receive_all(struct model *m, uint32_t i)
{
	int64_t seq;

	while ((seq = rig_receive(m->r, i, NULL)) >= 0) {
		struct fifo *e = &m->expected[m->sender[seq]][i];

		while (e->first < e->n && e->item[e->first] != (uint32_t)seq) {
			e->first++;
			m->lost[i]++;
		}
		REQUIRE(e->first < e->n);
		e->first++;
	}
	REQUIRE_EQ(seq, GUEST_NOTHING);
}

static void require_counters(const struct model *m)
{
	for (uint32_t i = 0; i < GUESTS; i++) {
		struct vh_counters c = rig_counters(m->r, i);
		uint64_t lost = m->lost[i], expected = 0;

		for (uint32_t from = 0; from < GUESTS; from++) {
			lost += m->expected[from][i].n - m->expected[from][i].first;
			expected += m->expected[from][i].n;
		}
		REQUIRE_EQ(m->pending[i].first, m->pending[i].n);
		REQUIRE_EQ(c.drops[VH_DROP_RX_RING_FULL] + c.drops[VH_DROP_RX_TOO_LONG], lost);
		REQUIRE_EQ(c.rx_packets, expected - lost);
		REQUIRE_EQ(c.drops[VH_DROP_TX_RUNT], m->runts[i]);
		REQUIRE_EQ(c.drops[VH_DROP_TX_HAIRPIN], m->hairpins[i]);
		REQUIRE_EQ(c.tx_packets + c.drops[VH_DROP_TX_RUNT], m->pending[i].n);
		REQUIRE_EQ(rig_all_drops(m->r, i), lost + m->runts[i] + m->hairpins[i]);
		REQUIRE_EQ(m->r->guest[i]->tx[0].n_free, m->r->guest[i]->tx[0].size);
	}
	REQUIRE_EQ(m->r->lane[0]->parked, 0);
}

/* Return: rounds that waited. */
static uint32_t episode(struct model *m)
{
	memset(m, 0, sizeof(*m));
	open_guests(m);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t i = rng_below(&test_rng, GUESTS), k = rng_below(&test_rng, GUESTS);

		if (rng_below(&test_rng, 20) == 0)
			m->stalled[k] = !m->stalled[k];
		if (!m->stalled[k])
			post_some(m, k);
		send_some(m, i);
		if (rng_below(&test_rng, 3) > 0)
			poll_one(m, rng_below(&test_rng, GUESTS));
		if (rng_below(&test_rng, 3) > 0)
			receive_all(m, rng_below(&test_rng, GUESTS));
		if (rng_below(&test_rng, 30) == 0)
			flush_one(m, rng_below(&test_rng, GUESTS));
	}
	for (uint32_t i = 0; i < GUESTS; i++)
		while (m->pending[i].first < m->pending[i].n || m->r->port[i]->tx[0].parked != NULL ||
			m->r->port[i]->tx[0].lingering > 0)
			poll_one(m, i);
	for (uint32_t i = 0; i < GUESTS; i++)
		receive_all(m, i);
	require_counters(m);
	rig_free(m->r);
	return m->waited;
}

void test_conservation(void)
{
	struct model *m = malloc(sizeof(*m));
	uint32_t waited = 0;

	REQUIRE(m != NULL);
	for (uint32_t i = 0; i < EPISODES; i++)
		waited += episode(m);
	REQUIRE(waited > EPISODES);
	free(m);
}
