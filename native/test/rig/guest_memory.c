/* The mock guest's memory: regions between inaccessible pages, and an allocator for buffers in them. */
#include "guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* GCC says it in one way, clang in the other. */
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_POISON 1
#endif
#endif
#ifdef HAVE_POISON
#include <sanitizer/asan_interface.h>
#endif

#define GUARD (64U << 10)
#define EDGE_CHUNK UINT32_MAX
/* So that neighbouring buffers are never adjacent, and an overrun by a block of copying is seen. */
#define REDZONE 48U

static const struct {
	uint32_t size, count;
} classes[GUEST_CLASSES] = {{192, 3072}, {2176, 2304}, {9344, 1152}, {69696, 40}};

static const uint64_t region_gpa[GUEST_REGIONS] = {0, GUEST_REGION_SIZE, GUEST_HIGH};

static void lock_away(const struct guest *g, const uint8_t *p, uint32_t len)
{
#ifdef HAVE_POISON
	if (g->config.exact)
		ASAN_POISON_MEMORY_REGION(p, len);
#else
	(void)g, (void)p, (void)len;
#endif
}

/* The sanitizer's grain is 8 bytes: a buffer may begin anywhere in the first grain, its end is exact. */
static void lend(const struct guest *g, const uint8_t *p, uint32_t len)
{
#ifdef HAVE_POISON
	uint32_t slack = (uintptr_t)p % 8;

	if (g->config.exact)
		ASAN_UNPOISON_MEMORY_REGION(p - slack, len + slack);
#else
	(void)g, (void)p, (void)len;
#endif
}

/* Where each region's share of the buffers starts and ends; the rings lie at the start of regions 0 and 2. */
static void limits(uint64_t at[GUEST_REGIONS], uint64_t end[GUEST_REGIONS])
{
	for (int r = 0; r < GUEST_REGIONS; r++) {
		at[r] = region_gpa[r] + (r == 1 ? GUEST_EDGE : GUEST_REGION_SIZE / 2);
		end[r] = region_gpa[r] + GUEST_REGION_SIZE - (r == 0 ? GUEST_EDGE : 0);
	}
}

static void make_class(struct guest_class *c, uint32_t i, uint64_t at[], const uint64_t end[])
{
	uint32_t made = 0;

	c->size = classes[i].size;
	c->gpa = calloc(classes[i].count, sizeof(*c->gpa));
	c->free = calloc(classes[i].count, sizeof(*c->free));
	for (uint32_t k = 0; k < classes[i].count; k++) {
		uint32_t r = k % GUEST_REGIONS;

		if (at[r] + c->size > end[r])
			continue;
		c->gpa[made++] = at[r];
		at[r] += c->size;
	}
	/* The lowest on top of the stack. */
	for (uint32_t k = 0; k < made; k++)
		c->free[c->n_free++] = made - 1 - k;
}

void guest_memory_make(struct guest *g)
{
	uint64_t at[GUEST_REGIONS], end[GUEST_REGIONS];

	for (int r = 0; r < GUEST_REGIONS; r++) {
		uint8_t *whole = mmap(NULL, GUEST_REGION_SIZE + 2 * GUARD, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		REQUIRE(whole != MAP_FAILED);
		g->region[r] = whole + GUARD;
		REQUIRE_EQ(mprotect(g->region[r], GUEST_REGION_SIZE, PROT_READ | PROT_WRITE), 0);
		REQUIRE_EQ(vh_guest_mem_add(&g->mem, region_gpa[r], GUEST_REGION_SIZE, g->region[r]), 0);
	}
	limits(at, end);
	for (int r = 0; r < GUEST_REGIONS; r++)
		lock_away(g, guest_at(g, at[r]), (uint32_t)(end[r] - at[r]));
	lock_away(g, guest_at(g, end[0]), GUEST_EDGE);
	lock_away(g, guest_at(g, region_gpa[1]), GUEST_EDGE);
	for (uint32_t i = 0; i < GUEST_CLASSES; i++)
		make_class(&g->class[i], i, at, end);
}

void guest_memory_free(struct guest *g)
{
	for (int r = 0; r < GUEST_REGIONS; r++) {
		lend(g, g->region[r], GUEST_REGION_SIZE);
		munmap(g->region[r] - GUARD, GUEST_REGION_SIZE + 2 * GUARD);
	}
	for (uint32_t i = 0; i < GUEST_CLASSES; i++) {
		free(g->class[i].gpa);
		free(g->class[i].free);
	}
}

uint8_t *guest_at(const struct guest *g, uint64_t gpa)
{
	for (int r = 0; r < GUEST_REGIONS; r++)
		if (gpa >= region_gpa[r] && gpa - region_gpa[r] < GUEST_REGION_SIZE)
			return g->region[r] + (gpa - region_gpa[r]);
	check_failed(__FILE__, __LINE__, "the driver itself used address %#llx", (unsigned long long)gpa);
}

/* Under the lock. Return: a chunk of the smallest class that has one, or EDGE_CHUNK. */
static uint32_t take_chunk(struct guest *g, uint32_t len)
{
	for (uint32_t i = 0; i < GUEST_CLASSES; i++) {
		struct guest_class *c = &g->class[i];

		if (c->size >= len + REDZONE && c->n_free > 0)
			return c->free[--c->n_free] * GUEST_CLASSES + i;
	}
	return EDGE_CHUNK;
}

bool guest_alloc(struct guest *g, uint32_t len, struct guest_buf *out)
{
	uint32_t chunk;

	pthread_mutex_lock(&g->lock);
	chunk = take_chunk(g, len);
	pthread_mutex_unlock(&g->lock);
	if (chunk == EDGE_CHUNK)
		return false;
	*out = (struct guest_buf){.gpa = g->class[chunk % GUEST_CLASSES].gpa[chunk / GUEST_CLASSES],
		.len = len,
		.chunk = chunk};
	lend(g, guest_at(g, out->gpa), len);
	return true;
}

bool guest_alloc_edge(struct guest *g, uint32_t len, uint32_t front, struct guest_buf *out)
{
	bool busy;

	if (front == 0 || front >= len || len > GUEST_EDGE)
		return false;
	pthread_mutex_lock(&g->lock);
	busy = g->edge_busy;
	g->edge_busy = true;
	pthread_mutex_unlock(&g->lock);
	if (busy)
		return false;
	*out = (struct guest_buf){.gpa = region_gpa[1] - front, .len = len, .chunk = EDGE_CHUNK};
	lend(g, guest_at(g, out->gpa), front);
	lend(g, guest_at(g, region_gpa[1]), len - front);
	return true;
}

void guest_free_buf(struct guest *g, const struct guest_buf *b)
{
	struct guest_class *c;

	pthread_mutex_lock(&g->lock);
	if (b->chunk == EDGE_CHUNK) {
		g->edge_busy = false;
		lock_away(g, guest_at(g, region_gpa[1] - GUEST_EDGE), GUEST_EDGE);
		lock_away(g, guest_at(g, region_gpa[1]), GUEST_EDGE);
	} else {
		c = &g->class[b->chunk % GUEST_CLASSES];
		lock_away(g, guest_at(g, c->gpa[b->chunk / GUEST_CLASSES]), c->size);
		c->free[c->n_free++] = b->chunk / GUEST_CLASSES;
	}
	pthread_mutex_unlock(&g->lock);
}

/* Bytes of [gpa, gpa + len) before the border between the first two regions. */
static uint32_t front_of(uint64_t gpa, uint32_t len)
{
	return gpa < region_gpa[1] && region_gpa[1] - gpa < len ? (uint32_t)(region_gpa[1] - gpa) : len;
}

void guest_write(const struct guest *g, uint64_t gpa, const void *from, uint32_t len)
{
	uint32_t front = front_of(gpa, len);

	memcpy(guest_at(g, gpa), from, front);
	if (front < len)
		memcpy(guest_at(g, gpa + front), (const uint8_t *)from + front, len - front);
}

void guest_read(const struct guest *g, uint64_t gpa, void *to, uint32_t len)
{
	uint32_t front = front_of(gpa, len);

	memcpy(to, guest_at(g, gpa), front);
	if (front < len)
		memcpy((uint8_t *)to + front, guest_at(g, gpa + front), len - front);
}
