/* Queues of guests behind an IOMMU. The driver's addresses are guest-physical ones here, which are given to
 * the device bit by bit. */
#include "../../virtio/memory/iotlb.h"
#include "../rig/rig.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

#define MODERN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)

static void ask(void *context)
{
	(void)context;
}

struct behind {
	struct rig *r;
	struct vh_iotlb *iotlb;
	struct vh_guest_mem space;
};

/* Two guests of which the first stands behind an IOMMU. */
static struct behind *open_rig_of(struct rig *r)
{
	struct behind *b = calloc(1, sizeof(*b));

	b->r = r;
	b->iotlb = calloc(1, sizeof(*b->iotlb));
	vh_iotlb_init(b->iotlb, ask, NULL);
	b->space.iotlb = b->iotlb;
	b->space.behind = &b->r->guest[0]->mem;
	b->r->guest[0]->space = &b->space;
	rig_attach(b->r, 0);
	return b;
}

static struct behind *open_rig(uint64_t features)
{
	return open_rig_of(rig_guests(features, 2));
}

static void close_rig(struct behind *b)
{
	rig_free(b->r);
	free(b->iotlb);
	free(b);
}

/* Gives a page, as far as it is memory. */
static void give(struct behind *b, uint64_t iova, uint8_t access)
{
	uint8_t *p = vh_guest_mem_at(&b->r->guest[0]->mem, iova, 1);

	vh_iotlb_update(b->iotlb, iova, iova + VH_IOTLB_PAGE - 1, p, access);
}

/* Answers all that was asked. Return: how many questions there were. */
static uint32_t answer_all(struct behind *b, uint8_t access)
{
	uint64_t iova;
	uint8_t asked;
	uint32_t n = 0;

	for (; vh_iotlb_take_miss(b->iotlb, &iova, &asked); n++)
		give(b, iova, access);
	return n;
}

void test_iova_tx_waits(void)
{
	struct behind *b = open_rig(MODERN | test_ring);
	struct vh_vq *vq = &b->r->port[0]->tx[0];
	uint32_t len;

	for (uint32_t seq = 0; seq < 40; seq++) {
		uint32_t questions = 0;

		REQUIRE(rig_send(b->r, 0, 1, seq, 60 + seq * 40, (enum guest_layout)(seq % LAYOUT_COUNT)));
		if (seq % 3 == 0)
			vh_iotlb_remove(b->iotlb, 0, UINT64_MAX);
		while (rig_poll_pair(b->r, 0, 0) == 0) {
			/* The chain stays, its worker may sleep, and the answer lets it go on. */
			REQUIRE(vq->missed);
			REQUIRE(!vh_vq_want_kicks(vq, true));
			REQUIRE_EQ(rig_receive(b->r, 1, &len), GUEST_NOTHING);
			REQUIRE(questions++ < 100);
			REQUIRE(answer_all(b, VH_IOTLB_READ) > 0);
		}
		REQUIRE(!vq->missed);
		REQUIRE(seq % 3 != 0 || questions > 0);
		REQUIRE_EQ(rig_receive(b->r, 1, &len), seq);
		REQUIRE_EQ(guest_reap(b->r->guest[0], 0), 1);
	}
	REQUIRE_EQ(rig_all_drops(b->r, 0), 0);
	close_rig(b);
}

void test_iova_rx_waits(void)
{
	struct behind *b = open_rig(MODERN | VH_F_MRG_RXBUF | test_ring);
	uint32_t len;

	rig_retry(b->r, 1000, 1);
	for (uint32_t seq = 0; seq < 40; seq++) {
		uint32_t questions = 0;

		REQUIRE(rig_send(b->r, 1, 0, seq, 60 + seq * 150, LAYOUT_SINGLE));
		vh_iotlb_remove(b->iotlb, 0, UINT64_MAX);
		while (rig_poll_pair(b->r, 1, 0) == 0) {
			REQUIRE_EQ(rig_receive(b->r, 0, &len), GUEST_NOTHING);
			REQUIRE(questions++ < 200);
			answer_all(b, VH_IOTLB_WRITE);
			rig_tick(b->r, 2);
		}
		REQUIRE(questions > 0);
		REQUIRE_EQ(rig_receive(b->r, 0, &len), seq);
		guest_post_all(b->r->guest[0], 0, 2000, LAYOUT_SINGLE);
	}
	REQUIRE_EQ(rig_all_drops(b->r, 0), 0);
	close_rig(b);
}

/* What may only be read is not written, and what may only be written is not sent. */
void test_iova_permissions(void)
{
	struct behind *b = open_rig(MODERN | test_ring);
	uint32_t len;

	REQUIRE(rig_send(b->r, 0, 1, 1, 100, LAYOUT_SINGLE));
	for (uint32_t i = 0; i < 20 && rig_poll_pair(b->r, 0, 0) == 0; i++)
		answer_all(b, VH_IOTLB_WRITE);
	REQUIRE_EQ(rig_drops(b->r, 0, VH_DROP_TX_BAD_ADDRESS), 1);
	REQUIRE_EQ(guest_reap(b->r->guest[0], 0), 1);
	/* A table that may not be read. */
	vh_iotlb_clear(b->iotlb);
	REQUIRE(rig_send(b->r, 0, 1, 1, 100, LAYOUT_INDIRECT));
	for (uint32_t i = 0; i < 20 && rig_poll_pair(b->r, 0, 0) == 0; i++)
		answer_all(b, VH_IOTLB_WRITE);
	REQUIRE_EQ(rig_drops(b->r, 0, VH_DROP_TX_BAD_INDIRECT), 1);
	vh_iotlb_clear(b->iotlb);
	rig_retry(b->r, 100, 1);
	REQUIRE(rig_send(b->r, 1, 0, 1, 100, LAYOUT_SINGLE));
	for (uint32_t i = 0; i < 20 && rig_poll_pair(b->r, 1, 0) == 0; i++) {
		answer_all(b, VH_IOTLB_READ);
		rig_tick(b->r, 2);
	}
	REQUIRE_EQ(rig_receive(b->r, 0, &len), GUEST_EMPTY);
	REQUIRE_EQ(rig_drops(b->r, 0, VH_DROP_RX_BAD_ADDRESS), 1);
	close_rig(b);
}

/* A front end that never answers: the chain comes back after a time, and the queue goes on. */
void test_iova_gives_up(void)
{
	struct behind *b = open_rig(MODERN | test_ring);
	uint32_t len;

	REQUIRE(rig_send(b->r, 0, 1, 1, 100, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll_pair(b->r, 0, 0), 0);
	REQUIRE_EQ(rig_poll_pair(b->r, 0, 0), 0);
	b->iotlb->patience_ms = 0;
	REQUIRE_EQ(rig_poll_pair(b->r, 0, 0), 1);
	REQUIRE_EQ(rig_drops(b->r, 0, VH_DROP_TX_BAD_ADDRESS), 1);
	REQUIRE_EQ(guest_reap(b->r->guest[0], 0), 1);
	b->iotlb->patience_ms = VH_IOTLB_PATIENCE_MS;
	REQUIRE(rig_send(b->r, 0, 1, 2, 100, LAYOUT_SINGLE));
	while (rig_poll_pair(b->r, 0, 0) == 0)
		REQUIRE(answer_all(b, VH_IOTLB_READ) > 0);
	REQUIRE_EQ(rig_receive(b->r, 1, &len), 2);
	close_rig(b);
}

static struct rig *two_guests(uint64_t features)
{
	struct rig *r = rig_new();

	/* Not exact: what is nobody's buffer is the guest's memory all the same. */
	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = features});
	return r;
}

static void start_anew(struct rig *r)
{
	for (uint32_t i = 0; i < 2; i++) {
		guest_reset_queue(r->guest[i], &r->guest[i]->tx[0]);
		guest_reset_queue(r->guest[i], &r->guest[i]->rx[0]);
		rig_attach(r, i);
		guest_post_all(r->guest[i], 0, 2000, LAYOUT_SINGLE);
	}
}

/* Updates that say anything, between rounds: nothing but the guest's own memory is ever touched. */
void test_iova_hostile(void)
{
	struct behind *b = open_rig_of(two_guests(MODERN | VH_F_MRG_RXBUF | test_ring));
	struct guest *g = b->r->guest[0];

	for (uint32_t step = 0; step < 400; step++) {
		const struct vh_region *r = &g->mem.region[rng_below(&test_rng, g->mem.n)];
		uint64_t offset = rng_below(&test_rng, (uint32_t)r->size);
		uint64_t size = rng_between(&test_rng, 1, (uint32_t)(r->size - offset));
		uint64_t iova = rng_below(&test_rng, 4) == 0
					? rng_next(&test_rng)
					: r->gpa + rng_below(&test_rng, (uint32_t)r->size);
		uint64_t last = iova + (size - 1) < iova ? UINT64_MAX : iova + (size - 1);

		if (rng_below(&test_rng, 5) == 0)
			vh_iotlb_remove(b->iotlb, iova, last);
		else
			vh_iotlb_update(b->iotlb, iova, last,
				rng_below(&test_rng, 9) == 0 ? NULL : r->hva + offset,
				(uint8_t)rng_between(&test_rng, 1, 3));
		b->iotlb->patience_ms = rng_below(&test_rng, 2);
		rig_send(b->r, 0, 1, step, 60 + step % 1400, (enum guest_layout)(step % LAYOUT_COUNT));
		rig_send(b->r, 1, 0, step, 60 + step % 1400, LAYOUT_SINGLE);
		rig_poll_pair(b->r, 0, 0);
		rig_poll_pair(b->r, 1, 0);
		if (step % 64 == 63)
			start_anew(b->r);
	}
	close_rig(b);
}
