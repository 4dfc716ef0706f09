/* Translations of I/O virtual addresses: the table itself. */
#include "../../virtio/memory/iotlb.h"
#include "../rig/check.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

#define PAGES 64U
#define PAGE VH_IOTLB_PAGE

static uint32_t asked;

static void ask(void *context)
{
	(void)context;
	asked++;
}

static struct vh_iotlb *table(void)
{
	struct vh_iotlb *t = calloc(1, sizeof(*t));

	vh_iotlb_init(t, ask, NULL);
	asked = 0;
	return t;
}

static void in_order(const struct vh_iotlb *t)
{
	REQUIRE(t->n <= VH_IOTLB_ENTRIES);
	for (uint32_t i = 0; i < t->n; i++) {
		REQUIRE(t->entry[i].first <= t->entry[i].last);
		REQUIRE(i == 0 || t->entry[i - 1].last < t->entry[i].first);
	}
}

/* What is known of a page: 0 nothing, else 1 + the host page, or UINT32_MAX: not reachable. */
struct page {
	uint32_t at;
	uint8_t access;
};

static void compare(struct vh_iotlb *t, const struct page *model, uint8_t *host, uint64_t base)
{
	for (uint32_t i = 0; i < PAGES; i++) {
		uint8_t *p = NULL;
		uint32_t got = 0;
		enum vh_iotlb_result wanted = VH_IOTLB_HIT;

		if (model[i].at == 0)
			wanted = VH_IOTLB_MISS;
		else if (model[i].at == UINT32_MAX || (model[i].access & VH_IOTLB_WRITE) == 0)
			wanted = VH_IOTLB_FAULT;
		REQUIRE_EQ(vh_iotlb_part(t, base + i * PAGE + 7, 16, VH_IOTLB_WRITE, &p, &got), wanted);
		if (wanted == VH_IOTLB_HIT) {
			REQUIRE_EQ(got, 16);
			REQUIRE(p == host + (model[i].at - 1) * PAGE + 7);
		}
	}
}

/* Random updates and removals of page ranges, against a table with an entry a page. */
static void model_run(uint64_t base)
{
	uint8_t *host = malloc(PAGES * PAGE);
	struct page model[PAGES] = {0};
	struct vh_iotlb *t = table();

	for (uint32_t step = 0; step < 3000; step++) {
		uint32_t from = rng_below(&test_rng, PAGES), n = rng_between(&test_rng, 1, PAGES - from);
		/* Mostly where it was, so that neighbours come to be merged. */
		uint32_t to = rng_below(&test_rng, 3) > 0 ? from : rng_below(&test_rng, PAGES - n + 1);
		uint8_t access = (uint8_t)rng_between(&test_rng, 1, 3);
		bool remove = rng_below(&test_rng, 3) == 0, nowhere = rng_below(&test_rng, 8) == 0;
		uint64_t first = base + from * PAGE, last = first + (n * PAGE - 1);

		if (remove)
			vh_iotlb_remove(t, first, last);
		else
			vh_iotlb_update(t, first, last, nowhere ? NULL : host + to * PAGE, access);
		for (uint32_t i = 0; i < n; i++)
			model[from + i] = remove ? (struct page){0}
						 : (struct page){.at = nowhere ? UINT32_MAX : to + i + 1,
							   .access = access};
		in_order(t);
		t->misses = 0;
		compare(t, model, host, base);
	}
	vh_iotlb_remove(t, 0, UINT64_MAX);
	REQUIRE_EQ(t->n, 0);
	/* All there is, in one. */
	vh_iotlb_update(t, 0, UINT64_MAX, NULL, VH_IOTLB_READ);
	REQUIRE_EQ(t->n, 1);
	vh_iotlb_remove(t, base, base + PAGES * PAGE - 1);
	in_order(t);
	free(t);
	free(host);
}

void test_iotlb_model(void)
{
	model_run(0);
	model_run(1ULL << 40);
	/* Up to the end of all addresses. */
	model_run(0 - PAGES * PAGE);
}

void test_iotlb_misses(void)
{
	static uint8_t host[2 * 4096];
	struct vh_iotlb *t = table();
	uint64_t iova;
	uint8_t access, *p;
	uint32_t got;

	REQUIRE(!vh_iotlb_take_miss(t, &iova, &access));
	for (uint32_t i = 0; i < 3; i++)
		REQUIRE_EQ(vh_iotlb_part(t, 0x5123 + i, 8, VH_IOTLB_READ, &p, &got), VH_IOTLB_MISS);
	REQUIRE_EQ(vh_iotlb_part(t, 0x5123, 8, VH_IOTLB_WRITE, &p, &got), VH_IOTLB_MISS);
	/* Once for each page and access; whoever asks is woken once until it has taken all. */
	REQUIRE_EQ(asked, 1);
	REQUIRE(vh_iotlb_take_miss(t, &iova, &access));
	REQUIRE_EQ(iova, 0x5000);
	REQUIRE_EQ(access, VH_IOTLB_READ);
	REQUIRE(vh_iotlb_take_miss(t, &iova, &access));
	REQUIRE_EQ(access, VH_IOTLB_WRITE);
	REQUIRE(!vh_iotlb_take_miss(t, &iova, &access));
	REQUIRE_EQ(vh_iotlb_part(t, 0x7000, 8, VH_IOTLB_WRITE, &p, &got), VH_IOTLB_MISS);
	REQUIRE_EQ(asked, 2);
	REQUIRE(vh_iotlb_take_miss(t, &iova, &access));
	REQUIRE(!vh_iotlb_take_miss(t, &iova, &access));
	/* The answer. */
	vh_iotlb_update(t, 0x5000, 0x5fff, host, VH_IOTLB_READ);
	REQUIRE_EQ(t->misses, 1);
	REQUIRE_EQ(vh_iotlb_part(t, 0x5123, 8, VH_IOTLB_READ, &p, &got), VH_IOTLB_HIT);
	REQUIRE(p == host + 0x123);
	REQUIRE_EQ(vh_iotlb_part(t, 0x5123, 8, VH_IOTLB_WRITE, &p, &got), VH_IOTLB_FAULT);
	/* A part only, up to the end of what is known. */
	REQUIRE_EQ(vh_iotlb_part(t, 0x5ff0, 0x20, VH_IOTLB_READ, &p, &got), VH_IOTLB_HIT);
	REQUIRE_EQ(got, 0x10);
	/* No answer: a fault, and after it the question anew. */
	t->patience_ms = 0;
	REQUIRE_EQ(vh_iotlb_part(t, 0x7000, 8, VH_IOTLB_WRITE, &p, &got), VH_IOTLB_FAULT);
	REQUIRE_EQ(vh_iotlb_part(t, 0x7000, 8, VH_IOTLB_WRITE, &p, &got), VH_IOTLB_MISS);
	REQUIRE_EQ(asked, 3);
	free(t);
}

void test_iotlb_full(void)
{
	static uint8_t host[4096];
	struct vh_iotlb *t = table();
	uint8_t *p;
	uint32_t got, hits = 0;

	/* Every second page, so that nothing can be merged. */
	for (uint64_t i = 0; i < 3 * VH_IOTLB_ENTRIES; i++) {
		vh_iotlb_update(t, i * 2 * PAGE, i * 2 * PAGE + PAGE - 1, host, VH_IOTLB_READ);
		in_order(t);
	}
	REQUIRE_EQ(t->n, VH_IOTLB_ENTRIES);
	for (uint64_t i = 0; i < 3 * VH_IOTLB_ENTRIES; i++)
		hits += vh_iotlb_part(t, i * 2 * PAGE, 1, VH_IOTLB_READ, &p, &got) == VH_IOTLB_HIT;
	REQUIRE_EQ(hits, VH_IOTLB_ENTRIES);
	REQUIRE_EQ(t->misses, VH_IOTLB_MISSES);
	/* A piece out of the middle of one, with no room for the second half. */
	vh_iotlb_remove(t, t->entry[5].first + 64, t->entry[5].first + 127);
	in_order(t);
	REQUIRE_EQ(t->n, VH_IOTLB_ENTRIES);
	/* Those that nobody answers make room. */
	t->patience_ms = 0;
	REQUIRE_EQ(vh_iotlb_part(t, 1ULL << 50, 1, VH_IOTLB_READ, &p, &got), VH_IOTLB_MISS);
	REQUIRE_EQ(t->miss[VH_IOTLB_MISSES - 1].iova, 1LL << 50);
	vh_iotlb_clear(t);
	REQUIRE_EQ(t->n + t->misses, 0);
	free(t);
}

void test_iotlb_whole(void)
{
	static uint8_t host[4 * 4096];
	struct vh_iotlb *t = table();
	uint8_t *p;

	vh_iotlb_update(t, 0x1000, 0x1fff, host, VH_IOTLB_READ | VH_IOTLB_WRITE);
	REQUIRE_EQ(vh_iotlb_whole(t, 0x1800, 0x3000, VH_IOTLB_READ, &p), VH_IOTLB_MISS);
	/* All three pages behind it were asked for. */
	REQUIRE_EQ(t->misses, 3);
	vh_iotlb_update(t, 0x2000, 0x2fff, host + 0x1000, VH_IOTLB_READ);
	vh_iotlb_update(t, 0x4000, 0x4fff, host + 0x3000, VH_IOTLB_READ);
	vh_iotlb_update(t, 0x3000, 0x3fff, host + 0x2000, VH_IOTLB_READ);
	REQUIRE_EQ(vh_iotlb_whole(t, 0x1800, 0x3000, VH_IOTLB_READ, &p), VH_IOTLB_HIT);
	REQUIRE(p == host + 0x800);
	REQUIRE_EQ(vh_iotlb_whole(t, 0x1800, 0x3000, VH_IOTLB_WRITE, &p), VH_IOTLB_FAULT);
	REQUIRE(vh_iotlb_reaches(t, host + 0x10, 0x3000, VH_IOTLB_READ));
	REQUIRE(!vh_iotlb_reaches(t, host + 0x10, 0x3000, VH_IOTLB_WRITE));
	REQUIRE(!vh_iotlb_reaches(t, host + 0x3fff, 2, VH_IOTLB_READ));
	vh_iotlb_update(t, 0x3000, 0x3fff, host, VH_IOTLB_READ);
	REQUIRE_EQ(vh_iotlb_whole(t, 0x1800, 0x3000, VH_IOTLB_READ, &p), VH_IOTLB_SCATTERED);
	REQUIRE(!vh_iotlb_reaches(t, host + 0x2000, 1, VH_IOTLB_READ));
	free(t);
}
