/* A guest, its front end and a record that say anything while one switch takes over from another. */
#include "../../virtio/memory/iotlb.h"
#include "../rig/rig.h"
#include "../tests.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 300

/* Guest 0 is hostile; 1 and 2 are a pair that must not notice. */
struct scribbler {
	struct guest_queue *tx, *rx;
	struct rng rng;
	bool stop;
};

/* Mostly what a driver might write: addresses of its own, any lengths, ids and flags. */
static void scribble_ring(struct guest_queue *q, struct rng *rng, uint32_t words)
{
	static const uint16_t flags[] = {0, VH_DESC_NEXT, VH_DESC_WRITE, VH_DESC_WRITE | VH_DESC_NEXT,
		VH_DESC_INDIRECT, VH_DESC_INDIRECT | VH_DESC_WRITE};

	while (words-- > 0) {
		uint64_t *word = (uint64_t *)(void *)&q->ring[rng_below(rng, q->size)];
		uint64_t rest = rng_next(rng);

		if (rng_below(rng, 2) == 0)
			__atomic_store_n(&word[0],
				rng_below(rng, 4) == 0 ? rng_next(rng) : rng_below(rng, 8U << 20),
				__ATOMIC_RELAXED);
		if (rng_below(rng, 4) != 0)
			rest = (uint64_t)(flags[rng_below(rng, 6)] |
					  (rng_below(rng, 2) == 0 ? VH_DESC_AVAIL : 0) |
					  (rng_below(rng, 2) == 0 ? VH_DESC_USED : 0))
				       << 48 |
			       rng_below(rng, 1U << 30) | (uint64_t)rng_below(rng, 64) << 32;
		__atomic_store_n(&word[1], rest, __ATOMIC_RELAXED);
	}
}

static void scribble_events(struct guest_queue *q, struct rng *rng)
{
	__atomic_store_n(&q->device->off_wrap, (uint16_t)rng_next(rng), __ATOMIC_RELAXED);
	__atomic_store_n(&q->device->flags, (uint16_t)rng_below(rng, 4), __ATOMIC_RELAXED);
}

static void *scribble(void *context)
{
	struct scribbler *s = context;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		scribble_ring(s->tx, &s->rng, 4);
		scribble_ring(s->rx, &s->rng, 4);
		scribble_events(s->rx, &s->rng);
	}
	return NULL;
}

/* As another switch, an older one or a disk error might have left it; the ring's own in most of its parts. */
static void scribble_record(struct guest_queue *q)
{
	struct vh_ring_record *r = q->record;

	switch (rng_below(&test_rng, 8)) {
	case 0:
		r->size = (uint32_t)rng_next(&test_rng);
		break;
	case 1:
		r->area[rng_below(&test_rng, 3)] = rng_next(&test_rng);
		break;
	case 2:
		r->in_force = 0;
		break;
	case 3:
		memset(r, 0, vh_ring_record_bytes(q->size));
		break;
	case 4:
		r->last = rng_next(&test_rng);
		break;
	default:
		/* Places in this ring or right behind it, of any lap. */
		r->last = rng_below(&test_rng, q->size + 1) | rng_below(&test_rng, 2) << 15 |
			  rng_below(&test_rng, q->size + 1) << 16 | (uint64_t)rng_below(&test_rng, 2) << 31 |
			  (rng_below(&test_rng, 2) == 0 ? VH_RECORD_SENT : 0);
		break;
	}
	for (uint32_t i = 0; i < q->size; i++)
		r->was[i] = rng_next(&test_rng);
}

/* A translation that leads one part of the ring to another place in the guest, or to its neighbour's. */
static void mislead(const struct guest *g, struct vh_vq_config *c)
{
	const struct vh_region *r = &g->mem.region[rng_below(&test_rng, g->mem.n)];
	/* The last of them end behind the region. */
	uint8_t *p = r->hva + r->size - 16U * rng_below(&test_rng, c->size + 4);

	switch (rng_below(&test_rng, 12)) {
	case 0:
		c->desc = p;
		break;
	case 1:
		c->avail = p;
		break;
	case 2:
		c->used = p;
		break;
	default:
		break;
	}
}

/* A front end that says anything of any address. */
static void translate(struct guest *g)
{
	const struct vh_region *r = &g->mem.region[rng_below(&test_rng, g->mem.n)];
	uint32_t offset = rng_below(&test_rng, (uint32_t)r->size);
	uint64_t iova = rng_below(&test_rng, 4) == 0 ? rng_next(&test_rng) : rng_below(&test_rng, 8U << 20);
	uint64_t size = rng_between(&test_rng, 1, (uint32_t)r->size - offset);
	uint64_t last = iova + (size - 1) < iova ? UINT64_MAX : iova + (size - 1);

	if (rng_below(&test_rng, 4) == 0)
		vh_iotlb_remove(g->space->iotlb, iova, last);
	else
		vh_iotlb_update(g->space->iotlb, iova, last,
			rng_below(&test_rng, 9) == 0 ? NULL : r->hva + offset,
			(uint8_t)rng_between(&test_rng, 1, 3));
}

/* Return: whether the queue runs. */
static bool take_over(struct rig *r, struct guest_queue *q, struct vh_vq *vq)
{
	struct vh_ring_record *record = q->record;
	uint16_t base = rng_below(&test_rng, 4) == 0 ? (uint16_t)rng_next(&test_rng) : record->base;
	struct vh_vq_config c = {.desc = q->desc,
		.avail = q->avail,
		.used = q->used,
		.size = rng_below(&test_rng, 8) == 0 ? rng_between(&test_rng, 1, q->size) : q->size,
		.features = r->guest[0]->config.features,
		.mem = &r->guest[0]->mem,
		.record = record,
		.last_avail = base,
		.last_used = base,
		.rejoin = true,
		.line = &q->line};
	const uint64_t end = 0x656e64;
	uint64_t *behind =
		&record->was[(vh_ring_record_bytes(q->size) - offsetof(struct vh_ring_record, was)) /
			     sizeof(*record->was)];
	uint64_t ring;
	const char *why;

	c.space = r->guest[0]->space;
	if (c.space != NULL)
		mislead(r->guest[0], &c);
	*behind = end;
	why = vh_vq_setup(vq, &c);
	REQUIRE_EQ(*behind, end);
	if (why != NULL)
		return false;
	REQUIRE(vq->last_used < c.size && vq->last_avail == vq->last_used);
	/* By where it lies in the guest, whatever the guest calls it. */
	REQUIRE(vh_guest_mem_address(&r->guest[0]->mem, c.desc, &ring) && record->area[0] == ring);
	REQUIRE(record->in_force == 1 && record->size == c.size);
	vh_vq_start(vq);
	return true;
}

static void stop(struct vh_vq *vq)
{
	vh_vq_stop(vq);
	vq->live = 0;
}

static void ask(void *context)
{
	(void)context;
}

/* iotlb: what the hostile guest's addresses mean, or NULL. */
static void hostile(struct vh_iotlb *iotlb)
{
	const uint64_t features = VH_F_VERSION_1 | VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF;
	struct rig *r = rig_new();
	struct scribbler s = {.rng = rng_of(rng_next(&test_rng))};
	struct vh_guest_mem space = {.iotlb = iotlb};
	uint32_t taken = 0, refused = 0;
	pthread_t thread;

	rig_add(r, &(struct guest_config){.features = features, .tx_size = 15, .rx_size = 24});
	space.behind = &r->guest[0]->mem;
	r->guest[0]->space = iotlb != NULL ? &space : NULL;
	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = features, .exact = true});
	rig_learn_all(r);
	s.tx = &r->guest[0]->tx[0];
	s.rx = &r->guest[0]->rx[0];
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct vh_vq *tx = &r->port[0]->tx[0], *rx = &r->port[0]->rx[0];
		bool beside = round % 3 == 0, tx_on, rx_on;

		/* Nobody is there. */
		stop(tx);
		stop(rx);
		scribble_ring(s.tx, &test_rng, 20);
		scribble_ring(s.rx, &test_rng, 30);
		scribble_events(s.tx, &test_rng);
		scribble_events(s.rx, &test_rng);
		scribble_record(s.tx);
		scribble_record(s.rx);
		s.stop = false;
		if (beside)
			REQUIRE_EQ(pthread_create(&thread, NULL, scribble, &s), 0);
		tx_on = take_over(r, s.tx, tx);
		rx_on = take_over(r, s.rx, rx);
		taken += (tx_on ? 1U : 0U) + (rx_on ? 1U : 0U);
		refused += (tx_on ? 0U : 1U) + (rx_on ? 0U : 1U);
		for (uint32_t i = 0; i < 3; i++) {
			if (tx_on)
				rig_poll(r, 0, 1);
			if (iotlb != NULL)
				translate(r->guest[0]);
		}
		/* The others go on, and may send to it; its memory holds nothing of theirs. */
		guest_post(r->guest[2], 0, 2000, LAYOUT_SINGLE);
		REQUIRE(rig_send(r, 1, 2, round, 100, LAYOUT_SINGLE));
		REQUIRE(rig_send(r, 1, 0, round, 100, LAYOUT_SINGLE));
		rig_poll(r, 1, 3);
		REQUIRE_EQ(guest_reap(r->guest[1], 0), 2);
		if (beside) {
			__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
			REQUIRE_EQ(pthread_join(thread, NULL), 0);
		}
		REQUIRE_EQ(rig_receive(r, 2, NULL), round);
	}
	REQUIRE(taken > ROUNDS / 4 && refused > ROUNDS / 20);
	rig_free(r);
}

void test_hostile_take_over(void)
{
	struct vh_iotlb *iotlb = calloc(1, sizeof(*iotlb));

	hostile(NULL);
	vh_iotlb_init(iotlb, ask, NULL);
	/* Nobody answers, but for what is said unasked. */
	iotlb->patience_ms = 1;
	hostile(iotlb);
	free(iotlb);
}
