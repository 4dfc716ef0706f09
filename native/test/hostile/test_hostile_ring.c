/* Guests whose ring indexes lie, that fill memory with noise, or rewrite descriptors as we read. */
#include "../rig/rig.h"
#include "../tests.h"

#include <pthread.h>
#include <string.h>

#define ALL_FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF | VH_F_EVENT_IDX)

static struct rig *company(uint32_t ring)
{
	struct rig *r = rig_new();

	rig_add(r, &(struct guest_config){.features = ALL_FEATURES,
			   .tx_size = ring,
			   .rx_size = ring,
			   .scattered = rng_below(&test_rng, 3) == 0});
	for (uint32_t i = 0; i < 2; i++) {
		rig_add(r, &(struct guest_config){.features = ALL_FEATURES, .exact = true});
		guest_post_all(r->guest[i + 1], 0, 2000, LAYOUT_SINGLE);
	}
	rig_learn_all(r);
	return r;
}

static void pass(struct rig *r, uint32_t from, uint32_t to, uint32_t seq)
{
	REQUIRE(rig_send(r, from, to, seq, 100, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, from, 1), 1);
	guest_reap(r->guest[from], 0);
}

/* Frames of the good pair in order, among whatever the hostile guest got through. */
static void pair_goes_on(struct rig *r, uint32_t seq)
{
	static uint8_t out[VH_MAX_FRAME], sent[100];
	uint8_t dst[6], src[6];
	int32_t n;
	bool found = false;

	frame_mac(dst, 2);
	frame_mac(src, 1);
	frame_make(sent, dst, src, seq, sizeof(sent));
	/* It may also have sent frames in the pair's name: where an address is follows from the last. */
	vh_mac_learn(&r->sw->macs, vh_mac_key(dst, 0), 2, r->lane[0]->now);
	pass(r, 1, 2, seq);
	while ((n = guest_receive(r->guest[2], 0, out, sizeof(out))) != GUEST_NOTHING)
		found |= n == (int32_t)sizeof(sent) && memcmp(out, sent, sizeof(sent)) == 0;
	REQUIRE(found);
	guest_post_all(r->guest[2], 0, 2000, LAYOUT_SINGLE);
	while (guest_receive(r->guest[1], 0, out, sizeof(out)) != GUEST_NOTHING)
		continue;
	guest_post_all(r->guest[1], 0, 2000, LAYOUT_SINGLE);
}

static void start_anew(struct rig *r)
{
	guest_reset_queue(r->guest[0], &r->guest[0]->tx[0]);
	guest_reset_queue(r->guest[0], &r->guest[0]->rx[0]);
	rig_attach(r, 0);
}

/* A broken transmit queue: counted once, then left alone, also by a worker that wants to sleep. */
static void require_tx_broken(struct rig *r, uint64_t times)
{
	struct vh_vq *vq = &r->port[0]->tx[0];

	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_poll(r, 0, 3), 0);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_RING), times);
	REQUIRE(!vh_vq_want_kicks(vq, true));
	pair_goes_on(r, (uint32_t)times);
	start_anew(r);
	pass(r, 0, 2, 77);
	REQUIRE_EQ(rig_receive(r, 2, NULL), 77);
}

void test_hostile_tx_ring(void)
{
	static const uint16_t jumps[] = {17, 100, 0x7fff, 0x8000, 0xffff}, heads[] = {16, 17, 0x7fff, 0xffff};
	struct rig *r = company(16);
	struct guest_queue *q = &r->guest[0]->tx[0];
	uint64_t times = 0;

	for (uint32_t i = 0; i < 5; i++) {
		q->avail->idx = (uint16_t)(q->avail_n + jumps[i]);
		require_tx_broken(r, ++times);
	}
	for (uint32_t i = 0; i < 4; i++) {
		/* Good frames before the bad head still arrive. */
		REQUIRE(rig_send(r, 0, 2, 500, 100, LAYOUT_SINGLE));
		REQUIRE(rig_send(r, 0, 2, 501, 100, LAYOUT_SINGLE));
		guest_stage(q, heads[i]);
		guest_publish(q);
		REQUIRE_EQ(rig_poll(r, 0, 1), 2);
		REQUIRE_EQ(rig_receive(r, 2, NULL), 500);
		REQUIRE_EQ(rig_receive(r, 2, NULL), 501);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 2);
		require_tx_broken(r, ++times);
	}
	/* The same head over and over is the guest's own business. */
	REQUIRE(rig_send(r, 0, 2, 600, 100, LAYOUT_SINGLE));
	for (uint32_t i = 0; i < 15; i++)
		guest_stage(q, q->in_flight[0].id);
	guest_publish(q);
	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_RING), times);
	pair_goes_on(r, 4711);
	start_anew(r);
	pass(r, 0, 2, 78);
	REQUIRE_EQ(rig_receive(r, 2, NULL), 78);
	rig_free(r);
}

void test_hostile_rx_ring(void)
{
	static const uint16_t jumps[] = {17, 100, 0x7fff, 0x8000, 0xffff}, heads[] = {16, 17, 0x7fff, 0xffff};
	struct rig *r = company(16);
	struct guest_queue *q = &r->guest[0]->rx[0];
	uint64_t times = 0;

	for (uint32_t i = 0; i < 9; i++) {
		if (i < 5) {
			q->avail->idx = (uint16_t)(q->avail_n + jumps[i]);
		} else {
			REQUIRE(guest_post(r->guest[0], 0, 200, LAYOUT_SINGLE));
			guest_stage(q, heads[i - 5]);
			guest_publish(q);
			pass(r, 1, 0, 9);
			REQUIRE_EQ(rig_receive(r, 0, NULL), 9);
		}
		for (uint32_t k = 0; k < 3; k++)
			pass(r, 1, 0, k);
		times += 3;
		REQUIRE_EQ(rig_drops(r, 0, VH_DROP_RX_BAD_RING), times);
		REQUIRE_EQ(guest_receive(r->guest[0], 0, NULL, 0), GUEST_NOTHING);
		pair_goes_on(r, i);
		start_anew(r);
		REQUIRE(guest_post(r->guest[0], 0, 200, LAYOUT_SINGLE));
		pass(r, 1, 0, 88);
		REQUIRE_EQ(rig_receive(r, 0, NULL), 88);
		start_anew(r);
	}
	rig_require_balance(r);
	rig_free(r);
}

/* A descriptor in which every field is a likely troublemaker. */
static struct vh_desc noise(struct rng *rng, uint32_t ring)
{
	static const uint64_t bases[] = {0, GUEST_REGION_SIZE - 64, GUEST_REGION_SIZE,
		2 * GUEST_REGION_SIZE - 2048, GUEST_HIGH, GUEST_HIGH + GUEST_REGION_SIZE - 2048, 0x200000,
		0x600000};
	static const uint32_t lengths[] = {0, 1, 12, 16, 32, 64, 160, 2048, 65536, UINT32_MAX};

	return (struct vh_desc){
		.addr = rng_below(rng, 40) == 0 ? rng_next(rng)
						: bases[rng_below(rng, 8)] + rng_below(rng, 128) * 16,
		.len = rng_below(rng, 4) == 0 ? rng_below(rng, 300) : lengths[rng_below(rng, 10)],
		.flags = (uint16_t)(rng_below(rng, 50) == 0 ? rng_next(rng) : rng_below(rng, 8)),
		.next = (uint16_t)rng_below(rng, ring + (rng_below(rng, 10) == 0)),
	};
}

/* Noise in both rings' descriptors and in what indirect tables may be; packed entries come and go at will. */
static void sprinkle(struct guest *g, struct rng *rng, uint32_t n)
{
	for (; n > 0; n--) {
		uint32_t i = rng_below(rng, g->config.tx_size);
		struct vh_desc *to[] = {&g->tx[0].desc[i], &g->rx[0].desc[i],
			(struct vh_desc *)(void *)guest_at(g, 0x200000) + i,
			(struct vh_desc *)(void *)guest_at(g, 0x600000) + i};

		struct vh_desc d = noise(rng, g->config.tx_size);

		if (g->tx[0].packed)
			d.flags ^= (uint16_t)(rng_next(rng) & (VH_DESC_AVAIL | VH_DESC_USED));
		guest_put_desc(&g->tx[0], to[rng_below(rng, 4)], d);
	}
}

/* Offers a chain of noise: any head, or any entries. */
static void stage_noise(struct guest_queue *q)
{
	struct vh_desc d[3];
	uint32_t n = rng_between(&test_rng, 1, 3);

	if (!q->packed) {
		guest_stage(q, (uint16_t)rng_below(&test_rng, q->size));
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		d[i] = noise(&test_rng, q->size);
	guest_stage_raw(q, d, n, (uint16_t)rng_next(&test_rng));
}

/* The hostile guest's rings as they come. Good frames go to it and past it. */
static void hostile_round(struct rig *r, uint32_t round)
{
	struct guest *g = r->guest[0];

	for (uint32_t n = rng_below(&test_rng, 8); n > 0; n--) {
		stage_noise(&g->tx[0]);
		stage_noise(&g->rx[0]);
	}
	guest_publish(&g->tx[0]);
	guest_publish(&g->rx[0]);
	rig_poll(r, 0, 2);
	pass(r, 1, 0, round);
	if (round % 8 == 0)
		pair_goes_on(r, round);
	/* It may have broken its rings, also by writing frames over them: then its driver starts anew. */
	if (r->port[0]->tx[0].broken || r->port[0]->rx[0].broken || rng_below(&test_rng, 20) == 0)
		start_anew(r);
}

void test_hostile_random_descriptors(void)
{
	static const uint32_t rings[] = {4, 16, 256};

	for (uint32_t k = 0; k < 3; k++) {
		struct rig *r = company(rings[k]);

		for (uint32_t round = 0; round < 4000; round++) {
			sprinkle(r->guest[0], &test_rng, 6);
			hostile_round(r, round);
		}
		start_anew(r);
		pair_goes_on(r, 99999);
		rig_free(r);
	}
}

static bool stop_rewriting;

static void *rewrite(void *arg)
{
	struct rng rng = rng_of(4242);

	while (!__atomic_load_n(&stop_rewriting, __ATOMIC_RELAXED))
		sprinkle(arg, &rng, 64);
	return NULL;
}

void test_hostile_rewriting_thread(void)
{
	struct rig *r = company(16);
	pthread_t thread;

	stop_rewriting = false;
	REQUIRE_EQ(pthread_create(&thread, NULL, rewrite, r->guest[0]), 0);
	for (uint32_t round = 0; round < 60000; round++)
		hostile_round(r, round);
	__atomic_store_n(&stop_rewriting, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	start_anew(r);
	pair_goes_on(r, 99999);
	rig_free(r);
}
