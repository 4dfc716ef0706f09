/* Translation of guest addresses, and the copying of frames. */
#include "../../base/copy.h"
#include "../../virtio/memory/guest_mem.h"
#include "../rig/check.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

void test_guest_mem_add(void)
{
	static uint8_t host[64];
	struct vh_guest_mem m = {0};

	REQUIRE_EQ(vh_guest_mem_add(&m, 0x1000, 0, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x1000, 0x1000, NULL), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, UINT64_MAX - 10, 100, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0, UINT64_MAX, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x1000, 0x1000, host), 0);
	/* Overlaps: same, at the start, at the end, inside, around, by one byte. */
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x1000, 0x1000, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x0800, 0x1000, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x1800, 0x1000, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x1400, 0x100, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0, 0x10000, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0xfff, 2, host), -1);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x1fff, 2, host), -1);
	REQUIRE_EQ(m.n, 1);
	/* Neighbours are fine. */
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x2000, 1, host), 0);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0xfff, 1, host), 0);
	for (uint64_t i = m.n; i < VH_MAX_REGIONS; i++)
		REQUIRE_EQ(vh_guest_mem_add(&m, i << 32, 0x1000, host), 0);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x100 << 20, 0x1000, host), -1);
}

void test_guest_mem_translate(void)
{
	static uint8_t host[0x4000];
	uint8_t *a = host + 0x1000, *b = host + 0x2800;
	struct vh_guest_mem m = {0};
	uint32_t got;

	REQUIRE_EQ(vh_guest_mem_add(&m, 0x10000, 0x1000, a), 0);
	REQUIRE_EQ(vh_guest_mem_add(&m, 0x11000, 0x1000, b), 0);
	REQUIRE(vh_guest_mem_at(&m, 0x10000, 0x1000) == a);
	REQUIRE(vh_guest_mem_at(&m, 0x10fff, 1) == a + 0xfff);
	REQUIRE(vh_guest_mem_at(&m, 0x11000, 0x1000) == b);
	/* Only the whole range counts: neither before, behind, across, nor so long that it wraps. */
	REQUIRE(vh_guest_mem_at(&m, 0xffff, 1) == NULL);
	REQUIRE(vh_guest_mem_at(&m, 0x12000, 1) == NULL);
	REQUIRE(vh_guest_mem_at(&m, 0x10fff, 2) == NULL);
	REQUIRE(vh_guest_mem_at(&m, 0x11fff, 2) == NULL);
	REQUIRE(vh_guest_mem_at(&m, 0x11001, UINT32_MAX) == NULL);
	REQUIRE(vh_guest_mem_at(&m, UINT64_MAX, 1) == NULL);

	REQUIRE(vh_guest_mem_part(&m, 0x10ff0, 0x20, &got) == a + 0xff0);
	REQUIRE_EQ(got, 0x10);
	REQUIRE(vh_guest_mem_part(&m, 0x11000, 0x10, &got) == b);
	REQUIRE_EQ(got, 0x10);
	REQUIRE(vh_guest_mem_part(&m, 0x11ff0, UINT32_MAX, &got) == b + 0xff0);
	REQUIRE_EQ(got, 0x10);
	REQUIRE(vh_guest_mem_part(&m, 0x12000, 1, &got) == NULL);
	REQUIRE(vh_guest_mem_part(&m, 0xffff, 2, &got) == NULL);

	REQUIRE(vh_guest_mem_holds(&m, a, 0x1000));
	REQUIRE(vh_guest_mem_holds(&m, b + 1, 0xfff));
	REQUIRE(!vh_guest_mem_holds(&m, a + 1, 0x1000));
	REQUIRE(!vh_guest_mem_holds(&m, a - 1, 1));
	REQUIRE(!vh_guest_mem_holds(&m, a + 1, UINT64_MAX));
}

/* Source and target end where their allocations end, so that the sanitizer sees one byte too many. */
static void copy_one(uint32_t n, uint32_t from, uint32_t to)
{
	uint8_t *s = malloc(from + n), *d = malloc(to + n + 1);

	for (uint32_t i = 0; i < from + n; i++)
		s[i] = (uint8_t)(i * 13 + n);
	memset(d, 0xee, to + n + 1);
	vh_copy(d + to, s + from, n);
	REQUIRE(memcmp(d + to, s + from, n) == 0);
	for (uint32_t i = 0; i < to; i++)
		REQUIRE_EQ(d[i], 0xee);
	REQUIRE_EQ(d[to + n], 0xee);
	d = realloc(d, to + n);
	vh_copy(d + to, s + from, n);
	REQUIRE(memcmp(d + to, s + from, n) == 0);
	free(s);
	free(d);
}

void test_copy_exact(void)
{
	static const uint32_t offset[] = {0, 1, 7, 10, 12, 31, 63};

	for (uint32_t n = 1; n <= 1024; n++)
		for (uint32_t i = 0; i < 7; i++)
			copy_one(n, offset[i], offset[(i + n) % 7]);
	for (uint32_t n = 1; n <= 80; n++)
		for (uint32_t i = 0; i < 49; i++)
			copy_one(n, offset[i / 7], offset[i % 7]);
	copy_one(VH_MAX_FRAME, 3, 5);
}
