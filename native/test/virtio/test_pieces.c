/* Rings whose pages lie apart: what is served, and what is not. */
#include "../../virtio/memory/pieces.h"
#include "../rig/rig.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

#define PAGE ((uint32_t)VH_IOTLB_PAGE)
#define MODERN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)
#define BOTH (VH_IOTLB_READ | VH_IOTLB_WRITE)

static void nobody_asks(void *context)
{
	(void)context;
}

/* Frames of all shapes, both ways between a guest whose rings are scattered and one whose rings are not, for
 * several turns of the rings. */
static void talk(uint64_t features, uint32_t size)
{
	uint32_t sent[2] = {0, 0}, got[2] = {0, 0}, len;
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = features,
				   .tx_size = odd_size(size),
				   .rx_size = odd_size(size),
				   .exact = true,
				   .start = (uint16_t)(65536 - size),
				   .scattered = i == 0});
	rig_learn_all(r);
	while (got[0] < 4 * size || got[1] < 4 * size) {
		for (uint32_t i = 0; i < 2; i++) {
			uint32_t burst = rng_between(&test_rng, 1, 100);

			guest_post_all(r->guest[1 - i], 0, 2000, LAYOUT_SINGLE);
			for (uint32_t k = 0; k < burst && sent[i] - got[1 - i] < size / 8; k++)
				if (rig_send(r, i, 1 - i, sent[i], 60 + sent[i] % 1400,
					    rng_below(&test_rng, 2) == 0
						    ? LAYOUT_SINGLE
						    : (enum guest_layout)rng_below(&test_rng, LAYOUT_COUNT)))
					sent[i]++;
			rig_poll(r, i, 100);
			vh_vq_want_kicks(&r->port[i]->tx[0], rng_below(&test_rng, 2) == 0);
			vh_txq_settle(&r->port[i]->tx[0], &r->port[i]->counters[0]);
			guest_reap(r->guest[i], 0);
			for (int64_t seq; (seq = rig_receive(r, 1 - i, &len)) != GUEST_NOTHING;
				got[1 - i]++) {
				REQUIRE_EQ(seq, got[1 - i]);
				REQUIRE_EQ(len, 60 + seq % 1400);
			}
			REQUIRE_EQ(got[1 - i], sent[i]);
		}
		/* The device is given the rings anew, where they stand. */
		if (rng_below(&test_rng, 8) == 0)
			rig_attach(r, 0);
	}
	REQUIRE_EQ(rig_all_drops(r, 0) + rig_all_drops(r, 1), 0);
	rig_free(r);
}

void test_pieces_talk(void)
{
	talk(MODERN, 32);
	talk(MODERN | VH_F_EVENT_IDX, 1024);
	talk(MODERN | VH_F_MRG_RXBUF, 1024);
	talk(MODERN | VH_F_MRG_RXBUF | VH_F_EVENT_IDX, 512);
	talk(MODERN | VH_F_IN_ORDER, 2048);
}

/* A hostile driver's entries, in a ring as scattered as that: the same answers as in any other. */
void test_pieces_broken(void)
{
	struct rig *r = rig_new();
	struct guest_queue *q;

	rig_add(r, &(struct guest_config){.features = MODERN, .tx_size = 1024, .scattered = true});
	rig_add(r, &(struct guest_config){.features = MODERN});
	q = &r->guest[0]->tx[0];
	q->avail->ring[q->avail_n % q->size] = (uint16_t)q->size;
	__atomic_store_n(&q->avail->idx, (uint16_t)(q->avail->idx + 1), __ATOMIC_RELEASE);
	REQUIRE_EQ(rig_poll(r, 0, 2), 0);
	REQUIRE(r->port[0]->tx[0].broken);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_RING), 1);
	rig_attach(r, 0);
	q->avail->idx = (uint16_t)(q->avail->idx + q->size);
	REQUIRE_EQ(rig_poll(r, 0, 2), 0);
	REQUIRE(r->port[0]->tx[0].broken);
	rig_free(r);
}

/* Parts of rings in a table of translations whose pages are told in any order. */
void test_pieces_find(void)
{
	static struct vh_pieces p;
	struct vh_iotlb *t = calloc(1, sizeof(*t));
	uint8_t *memory = aligned_alloc(PAGE, 16 * (size_t)PAGE);
	struct vh_guest_mem mem = {.n = 0};
	const uint64_t iova = 0xfff00000ULL;
	uint64_t asked;
	uint8_t access;

	REQUIRE(t != NULL && memory != NULL && vh_guest_mem_add(&mem, 0, 16 * PAGE, memory) == 0);
	vh_iotlb_init(t, nobody_asks, NULL);
	/* All that is missing is asked for at once. */
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_USED, t, iova + 100, 3 * PAGE, BOTH), VH_IOTLB_MISS);
	for (uint32_t i = 0; i < 4; i++)
		REQUIRE(vh_iotlb_take_miss(t, &asked, &access) && asked == iova + (uint64_t)i * PAGE);
	REQUIRE(!vh_iotlb_take_miss(t, &asked, &access));
	for (uint32_t i = 0; i < 4; i++)
		vh_iotlb_update(t, iova + (uint64_t)i * PAGE, iova + (uint64_t)i * PAGE + PAGE - 1,
			memory + (size_t)(14 - 3 * i) * PAGE, BOTH);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_USED, t, iova + 100, 3 * PAGE, BOTH), VH_IOTLB_HIT);
	REQUIRE(vh_pieces_held(&p, VH_PART_USED, &mem, 3 * PAGE));
	for (uint32_t offset = 0; offset < 3 * PAGE; offset++)
		REQUIRE(vh_pieces_at(&p, VH_PART_USED, offset) ==
			memory + (size_t)(14 - 3 * ((offset + 100) / PAGE)) * PAGE + (offset + 100) % PAGE);
	/* Of another length, and of somebody else's memory. */
	REQUIRE(!vh_pieces_held(&p, VH_PART_USED, &mem, 3 * PAGE - 1));
	mem.region[0].size = 14 * PAGE;
	REQUIRE(!vh_pieces_held(&p, VH_PART_USED, &mem, 3 * PAGE));
	/* The first words may end with a page, not lie in two. */
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_AVAIL, t, iova + PAGE - 4, 64, BOTH), VH_IOTLB_HIT);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_AVAIL, t, iova + PAGE - 2, 64, BOTH), VH_IOTLB_SCATTERED);
	/* A page that is in pieces itself. */
	vh_iotlb_update(t, iova + PAGE + 512, iova + PAGE + 1023, memory, BOTH);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_DESC, t, iova, 2 * PAGE, BOTH), VH_IOTLB_SCATTERED);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_DESC, t, iova, PAGE + 512, BOTH), VH_IOTLB_HIT);
	/* Not the device's to write. */
	vh_iotlb_update(t, iova + PAGE, iova + 2 * PAGE - 1, memory, VH_IOTLB_READ);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_USED, t, iova, 2 * PAGE, BOTH), VH_IOTLB_FAULT);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_DESC, t, iova, 2 * PAGE, VH_IOTLB_READ), VH_IOTLB_HIT);
	/* Entries that would cross a page's end, and pages that begin anywhere. */
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_DESC, t, iova + 8, PAGE, VH_IOTLB_READ), VH_IOTLB_SCATTERED);
	REQUIRE_EQ(
		vh_pieces_find(&p, VH_PART_USED, t, iova + 2, PAGE / 2, VH_IOTLB_READ), VH_IOTLB_SCATTERED);
	REQUIRE_EQ(
		vh_pieces_find(&p, VH_PART_AVAIL, t, iova + 1, PAGE / 2, VH_IOTLB_READ), VH_IOTLB_SCATTERED);
	vh_iotlb_update(t, iova + PAGE, iova + 2 * PAGE - 1, memory + 8, BOTH);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_DESC, t, iova, 2 * PAGE, VH_IOTLB_READ), VH_IOTLB_SCATTERED);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_DESC, t, iova, PAGE, VH_IOTLB_READ), VH_IOTLB_HIT);
	/* The longest there is, and one byte more. */
	vh_iotlb_update(t, 0, (uint64_t)VH_PIECES * PAGE, memory, BOTH);
	REQUIRE_EQ(
		vh_pieces_find(&p, VH_PART_DESC, t, PAGE - 16, VH_MAX_QUEUE_SIZE * 16, BOTH), VH_IOTLB_HIT);
	REQUIRE_EQ(vh_pieces_find(&p, VH_PART_DESC, t, PAGE - 16, VH_MAX_QUEUE_SIZE * 16 + 17, BOTH),
		VH_IOTLB_SCATTERED);
	free(memory);
	free(t);
}
