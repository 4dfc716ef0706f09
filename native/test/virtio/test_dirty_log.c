/*
 * The dirty log: a page that the device wrote to has its bit, a page that it did not touch has none, and
 * nothing outside of the bitmap is ever written.
 */
#include "../rig/rig.h"
#include "../tests.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE VH_LOG_PAGE
#define REGION_PAGES (GUEST_REGION_SIZE / PAGE)
#define LOG_BYTES ((GUEST_HIGH + GUEST_REGION_SIZE) / PAGE / 8)
#define MODERN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)

/* A guest whose writes are logged: the log, and its memory as it was when somebody looked last. */
struct watched {
	struct guest *g;
	struct vh_vq_log log; /* of both rings */
	uint8_t *memory;
	int pagemap;
};

static bool bit(const struct vh_dirty_log *log, uint64_t page)
{
	return (log->bitmap[page / 8] >> page % 8 & 1) != 0;
}

static uint32_t bits(const struct vh_dirty_log *log)
{
	uint32_t n = 0;

	for (uint64_t i = 0; i < log->bytes; i++)
		n += (uint32_t)__builtin_popcount(log->bitmap[i]);
	return n;
}

void test_dirty_log_marks(void)
{
	uint8_t bitmap[12];
	struct vh_dirty_log log = {.bitmap = bitmap + 4, .bytes = 4};
	static const struct {
		uint64_t addr, len;
		uint32_t pages;
	} in[] = {{0, 1, 1}, {4095, 2, 2}, {4096, 4096, 1}, {1, 4096, 2}, {31 * 4096, 4096, 1},
		{32 * 4096 - 1, 1, 1}, {0, 32 * 4096, 32}};
	static const struct {
		uint64_t addr, len;
	} out[] = {{0, 0}, {32 * 4096, 1}, {32 * 4096 - 1, 2}, {0, 32 * 4096 + 1}, {UINT64_MAX, 1},
		{UINT64_MAX, 2}, {4096, UINT64_MAX}, {1ULL << 47, 64}, {UINT64_MAX - 4095, 4096}};

	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		memset(bitmap, 0, sizeof(bitmap));
		REQUIRE(vh_log_covers(&log, in[i].addr, in[i].len));
		for (int twice = 0; twice < 2; twice++) {
			vh_log_mark(&log, in[i].addr, in[i].len);
			REQUIRE_EQ(bits(&log), in[i].pages);
		}
		for (uint64_t p = 0; p < in[i].pages; p++)
			REQUIRE(bit(&log, in[i].addr / PAGE + p));
	}
	memset(bitmap, 0, sizeof(bitmap));
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		REQUIRE(!vh_log_covers(&log, out[i].addr, out[i].len));
		vh_log_mark(&log, out[i].addr, out[i].len);
	}
	for (size_t i = 0; i < sizeof(bitmap); i++)
		REQUIRE_EQ(bitmap[i], 0);
	log.bytes = 0;
	REQUIRE(!vh_log_covers(&log, 0, 1));
}

/* The first guest-physical page of a region. */
static uint64_t first_page(int region)
{
	return (region == 2 ? GUEST_HIGH : (uint64_t)region * GUEST_REGION_SIZE) / PAGE;
}

/* /proc/pid/pagemap: nobody has ever touched a page that is neither in memory nor in swap space. */
#define TOUCHED (3ULL << 62)

/* Takes the memory as it is now for the last known state. Return: how many pages had changed; unmarked is
 * how many of those have no bit. */
static uint32_t look(const struct watched *w, uint32_t *unmarked)
{
	uint32_t changed = 0;

	*unmarked = 0;
	for (int r = 0; r < GUEST_REGIONS; r++) {
		static uint64_t entry[REGION_PAGES];

		REQUIRE_EQ(pread(w->pagemap, entry, sizeof(entry),
				   (off_t)((uintptr_t)w->g->region[r] / PAGE * sizeof(entry[0]))),
			sizeof(entry));
		for (uint64_t p = 0; p < REGION_PAGES; p++) {
			uint8_t *then = w->memory + ((uint64_t)r * REGION_PAGES + p) * PAGE;
			const uint8_t *now = w->g->region[r] + p * PAGE;

			/* Of 96 MiB, guests use little: to look is to touch. */
			if ((entry[p] & TOUCHED) == 0 || memcmp(then, now, PAGE) == 0)
				continue;
			memcpy(then, now, PAGE);
			changed++;
			*unmarked += !bit(&w->log.log, first_page(r) + p);
		}
	}
	return changed;
}

static void watch(struct watched *w, struct guest *g)
{
	*w = (struct watched){.g = g,
		.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
		.memory = calloc(GUEST_REGIONS, GUEST_REGION_SIZE),
		.log = {.memory = true, .log = {.bitmap = calloc(1, LOG_BYTES), .bytes = LOG_BYTES}}};
	REQUIRE(w->memory != NULL && w->log.log.bitmap != NULL && w->pagemap >= 0);
}

static void forget(struct watched *w)
{
	free(w->memory);
	free(w->log.log.bitmap);
	close(w->pagemap);
}

/* Only what happens from here on counts. */
static void begin(struct watched *w)
{
	uint32_t ignored;

	look(w, &ignored);
	memset(w->log.log.bitmap, 0, LOG_BYTES);
}

/* Every change since begin() was marked, and nothing else that is worth mentioning: what stood there already
 * is not written again, but counts as written. */
static void must_be_marked(const struct watched *w, bool something)
{
	uint32_t unmarked, changed = look(w, &unmarked), marked = bits(&w->log.log);

	REQUIRE_EQ(unmarked, 0);
	REQUIRE(changed > 0 || !something);
	REQUIRE(marked <= changed + 8);
}

/* One turn of the switch: guest 0 has sent some frames to guest 1, whose rings are logged as guest 0's are.
 */
static void turn(struct rig *r, struct watched *w, uint32_t *seq, uint64_t features)
{
	uint32_t frames = rng_between(&test_rng, 1, 20);
	bool merge = (features & VH_F_MRG_RXBUF) != 0;

	for (uint32_t i = 0; i < frames; i++) {
		uint32_t len = rng_between(&test_rng, FRAME_MIN, rng_below(&test_rng, 4) == 0 ? 9000 : 1500);
		enum guest_layout layout =
			rng_below(&test_rng, 2) == 0
				? LAYOUT_SINGLE
				: (enum guest_layout)rng_below(&test_rng, LAYOUT_HEADER_SPLIT);

		guest_post(r->guest[1], 0, merge ? 700 : len + 12 + rng_below(&test_rng, 100), layout);
		rig_send(r, 0, 1, (*seq)++, len, (enum guest_layout)rng_below(&test_rng, LAYOUT_COUNT));
	}
	begin(&w[0]);
	begin(&w[1]);
	REQUIRE(rig_poll(r, 0, 1) > 0);
	must_be_marked(&w[0], true);
	must_be_marked(&w[1], true);
	/* What says whether to kick lies apart from the rest where a ring is long enough. */
	begin(&w[0]);
	vh_vq_want_kicks(&r->port[0]->tx[0], true);
	must_be_marked(&w[0], true);
	begin(&w[0]);
	vh_vq_want_kicks(&r->port[0]->tx[0], false);
	must_be_marked(&w[0], (features & VH_F_EVENT_IDX) == 0 || on_packed());
	guest_reap(r->guest[0], 0);
	while (rig_receive(r, 1, NULL) != GUEST_NOTHING)
		;
}

static void every_write(uint64_t features, bool scattered)
{
	struct rig *r = rig_new();
	struct watched w[2];
	uint32_t seq = 1;

	for (uint32_t i = 0; i < 2; i++) {
		/* Rings of several pages, which soon begin anew. */
		rig_add(r, &(struct guest_config){.features = features,
				   .tx_size = odd_size(2048),
				   .rx_size = odd_size(2048),
				   .start = 2000,
				   .scattered = scattered});
		watch(&w[i], r->guest[i]);
	}
	rig_learn_all(r);
	for (uint32_t i = 0; i < 2; i++)
		r->port[i]->tx[0].log = r->port[i]->rx[0].log = &w[i].log;
	for (uint32_t i = 0; i < 16; i++)
		turn(r, w, &seq, features);
	/* Nothing happens: nothing is marked. */
	begin(&w[0]);
	begin(&w[1]);
	rig_poll(r, 0, 1);
	REQUIRE_EQ(bits(&w[0].log.log) + bits(&w[1].log.log), 0);
	forget(&w[0]);
	forget(&w[1]);
	rig_free(r);
}

void test_dirty_log_every_write(void)
{
	every_write(MODERN, false);
	every_write(MODERN | VH_F_MRG_RXBUF | VH_F_EVENT_IDX, false);
}

void test_dirty_log_scattered(void)
{
	every_write(MODERN, true);
	every_write(MODERN | VH_F_MRG_RXBUF | VH_F_EVENT_IDX, true);
}

/* A used ring that lies somewhere else in the log than in memory. */
void test_dirty_log_used_ring(void)
{
	struct rig *r = rig_guests(MODERN, 2);
	uint8_t *bitmap = calloc(1, LOG_BYTES);
	struct vh_vq_log log = {.log = {.bitmap = bitmap, .bytes = LOG_BYTES}, .used_ring = true};
	uint64_t page;

	REQUIRE(bitmap != NULL);
	/* Element 0 in one page, element 1 in the next: 4 bytes of flags and index, 8 bytes each. */
	log.used = 100 * PAGE + PAGE - 12;
	r->port[0]->tx[0].log = &log;
	for (uint32_t i = 0; i < 3; i++) {
		memset(bitmap, 0, LOG_BYTES);
		REQUIRE(rig_send(r, 0, 1, i, 64, LAYOUT_SINGLE));
		REQUIRE_EQ(rig_poll(r, 0, 1), 1);
		/* Packed: only the event area is a used ring's, and it was not written. */
		REQUIRE_EQ(bits(&log.log), on_packed() ? 0 : i == 0 ? 1 : 2);
		for (page = 100; page < 102 && !on_packed(); page++)
			REQUIRE_EQ(bit(&log.log, page), page == 100 || i > 0);
	}
	memset(bitmap, 0, LOG_BYTES);
	vh_vq_want_kicks(&r->port[0]->tx[0], true);
	REQUIRE_EQ(bits(&log.log), 1);
	REQUIRE(bit(&log.log, 100));
	free(bitmap);
	rig_free(r);
}

/* Which logs a queue is set up with. */
void test_dirty_log_setup(void)
{
	struct guest *g = guest_new(&(struct guest_config){.features = 0});
	struct guest_queue *q = &g->rx[0];
	static uint8_t bitmap[LOG_BYTES];
	struct vh_vq_log log = {.log = {.bitmap = bitmap, .bytes = LOG_BYTES}};
	struct vh_vq_config c = guest_queue_config(g, q, q->used_n);
	/* What a used ring needs that ends with the log's last page. */
	uint64_t used = on_packed() ? 4 : 4 + 8 * (uint64_t)q->size + 2, end = GUEST_HIGH + GUEST_REGION_SIZE;
	static struct vh_vq vq;

	c.log = &log;
	c.line = NULL;
	log.memory = log.used_ring = true;
	log.used = end - used;
	REQUIRE(vh_vq_setup(&vq, &c) == NULL);
	REQUIRE(vq.log == &log);
	log.used++;
	REQUIRE(strstr(vh_vq_setup(&vq, &c), "used ring") != NULL);
	log.used = UINT64_MAX - 1;
	REQUIRE(strstr(vh_vq_setup(&vq, &c), "used ring") != NULL);
	log.used_ring = false;
	REQUIRE(vh_vq_setup(&vq, &c) == NULL);
	log.log.bytes--;
	REQUIRE(strstr(vh_vq_setup(&vq, &c), "memory") != NULL);
	/* No log at all, though it shall be logged. */
	log.log = (struct vh_dirty_log){0};
	REQUIRE(strstr(vh_vq_setup(&vq, &c), "memory") != NULL);
	log.memory = false;
	REQUIRE(vh_vq_setup(&vq, &c) == NULL);
	guest_free(g);
}
