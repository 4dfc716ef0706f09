/* The mock guest's side of a split virtqueue: descriptors, available and used ring, notifications. */
#include "guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static uint32_t aligned(uint32_t bytes)
{
	return (bytes + 63) & ~63U;
}

/* Takes the rings' memory from `*at` on. */
static void make_queue(struct guest *g, struct guest_queue *q, uint32_t size, uint64_t *at)
{
	q->size = size;
	q->features = g->config.features;
	q->desc = (struct vh_desc *)(void *)guest_at(g, *at);
	*at += aligned(size * (uint32_t)sizeof(*q->desc));
	q->avail = (struct vh_avail *)(void *)guest_at(g, *at);
	*at += aligned((uint32_t)sizeof(*q->avail) + size * 2 + 2);
	q->used = (struct vh_used *)(void *)guest_at(g, *at);
	*at += aligned((uint32_t)sizeof(*q->used) + size * 8 + 2);
	q->free_desc = calloc(size, sizeof(*q->free_desc));
	q->in_flight = calloc(size, sizeof(*q->in_flight));
	q->chain = calloc(size, sizeof(*q->chain));
	q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	REQUIRE(q->call_fd >= 0);
	guest_reset_queue(g, q);
}

void guest_reset_queue(struct guest *g, struct guest_queue *q)
{
	for (uint32_t i = 0; i < q->size; i++)
		if (q->chain[i].n_descs > 0)
			guest_release(g, q, (uint16_t)i);
	memset(q->desc, 0, q->size * sizeof(*q->desc));
	memset(q->avail, 0, sizeof(*q->avail) + q->size * 2 + 2);
	memset(q->used, 0, sizeof(*q->used) + q->size * 8 + 2);
	q->avail_idx = q->last_used = q->kicked_idx = g->config.start;
	q->avail->idx = q->used->idx = g->config.start;
	if ((q->features & VH_F_EVENT_IDX) != 0) {
		/* As if both sides had run up to `start`. */
		q->avail->ring[q->size] = g->config.start;
		memcpy(&q->used->ring[q->size], &g->config.start, sizeof(uint16_t));
	}
	q->n_free = q->size;
	for (uint32_t i = 0; i < q->size; i++)
		q->free_desc[i] = (uint16_t)(q->size - 1 - i);
}

struct guest *guest_new(const struct guest_config *config)
{
	struct guest *g = calloc(1, sizeof(*g));
	uint64_t tx = 0, rx = GUEST_HIGH;

	g->config = *config;
	if (g->config.tx_size == 0)
		g->config.tx_size = 256;
	if (g->config.rx_size == 0)
		g->config.rx_size = 256;
	if (g->config.pairs == 0)
		g->config.pairs = 1;
	g->hdr_len = (config->features & (VH_F_MRG_RXBUF | VH_F_VERSION_1)) != 0 ? 12 : 10;
	REQUIRE_EQ(pthread_mutex_init(&g->lock, NULL), 0);
	guest_memory_make(g);
	for (uint32_t i = 0; i < g->config.pairs; i++) {
		make_queue(g, &g->tx[i], g->config.tx_size, &tx);
		make_queue(g, &g->rx[i], g->config.rx_size, &rx);
	}
	return g;
}

static void free_queue(struct guest *g, struct guest_queue *q)
{
	guest_reset_queue(g, q);
	free(q->free_desc);
	free(q->in_flight);
	free(q->chain);
	close(q->call_fd);
}

void guest_free(struct guest *g)
{
	for (uint32_t i = 0; i < g->config.pairs; i++) {
		free_queue(g, &g->tx[i]);
		free_queue(g, &g->rx[i]);
	}
	guest_memory_free(g);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

const char *guest_attach(struct guest *g, struct guest_queue *q, struct vh_vq *vq)
{
	struct vh_vq_config c = {.desc = q->desc,
		.avail = q->avail,
		.used = q->used,
		.size = q->size,
		.features = g->config.features,
		.mem = &g->mem,
		.last_avail = q->last_used,
		.last_used = q->last_used,
		.call_fd = q->call_fd};

	return vh_vq_setup(vq, &c);
}

static bool alloc_bufs(struct guest *g, const struct guest_shape *s, struct guest_chain *c)
{
	bool table = s->direct < s->n;

	c->buf = calloc(s->n + 1, sizeof(*c->buf));
	for (c->n_bufs = 0; c->n_bufs < s->n; c->n_bufs++) {
		uint32_t i = c->n_bufs;

		if (!((int)i == s->edge ? guest_alloc_edge(g, s->len[i], s->edge_front, &c->buf[i])
					: guest_alloc(g, s->len[i], &c->buf[i])))
			return false;
	}
	if (table) {
		if (!guest_alloc(g, (s->n - s->direct) * (uint32_t)sizeof(struct vh_desc), &c->buf[s->n]))
			return false;
		c->table = true;
	}
	return true;
}

static void free_bufs(struct guest *g, struct guest_chain *c)
{
	for (uint32_t i = 0; i < c->n_bufs + c->table; i++)
		guest_free_buf(g, &c->buf[i]);
	free(c->buf);
	free(c->desc);
	*c = (struct guest_chain){0};
}

static struct vh_desc descriptor(const struct guest_buf *b, bool write, bool last, uint32_t next)
{
	return (struct vh_desc){.addr = b->gpa,
		.len = b->len,
		.flags = (uint16_t)((write ? VH_DESC_WRITE : 0) | (last ? 0 : VH_DESC_NEXT)),
		.next = (uint16_t)(last ? 0 : next)};
}

static void write_descs(struct guest *g, struct guest_queue *q, const struct guest_shape *s,
	struct guest_chain *c, bool write)
{
	for (uint32_t i = 0; i < s->direct; i++)
		q->desc[c->desc[i]] = descriptor(
			&c->buf[i], write, i + 1 == c->n_descs, i + 1 < c->n_descs ? c->desc[i + 1] : 0);
	if (!c->table)
		return;
	q->desc[c->desc[s->direct]] = (struct vh_desc){
		.addr = c->buf[s->n].gpa, .len = c->buf[s->n].len, .flags = VH_DESC_INDIRECT};
	for (uint32_t i = s->direct; i < s->n; i++) {
		struct vh_desc d = descriptor(&c->buf[i], write, i + 1 == s->n, i + 1 - s->direct);

		guest_write(g, c->buf[s->n].gpa + (i - s->direct) * sizeof(d), &d, sizeof(d));
	}
}

int32_t guest_build(struct guest *g, struct guest_queue *q, const struct guest_shape *s, bool write)
{
	uint32_t need = s->direct + (s->direct < s->n ? 1 : 0);
	struct guest_chain c = {0};

	if (q->n_free < need || s->n > q->size)
		return -1;
	if (!alloc_bufs(g, s, &c)) {
		free_bufs(g, &c);
		return -1;
	}
	c.n_descs = need;
	c.desc = calloc(need, sizeof(*c.desc));
	for (uint32_t i = 0; i < need; i++)
		c.desc[i] = q->free_desc[--q->n_free];
	write_descs(g, q, s, &c, write);
	q->chain[c.desc[0]] = c;
	return c.desc[0];
}

void guest_release(struct guest *g, struct guest_queue *q, uint16_t head)
{
	struct guest_chain *c = &q->chain[head];

	REQUIRE(head < q->size && c->n_descs > 0);
	for (uint32_t i = 0; i < c->n_descs; i++)
		q->free_desc[q->n_free++] = c->desc[i];
	free_bufs(g, c);
}

void guest_stage(struct guest_queue *q, uint16_t head)
{
	uint16_t at = q->avail_idx & (uint16_t)(q->size - 1);

	q->in_flight[at] = head;
	__atomic_store_n(&q->avail->ring[at], head, __ATOMIC_RELAXED);
	q->avail_idx++;
}

void guest_publish(struct guest_queue *q)
{
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
}

bool guest_should_kick(struct guest_queue *q)
{
	uint16_t from = q->kicked_idx, event;

	q->kicked_idx = q->avail_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((q->features & VH_F_EVENT_IDX) == 0)
		return (__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & 1) == 0;
	event = __atomic_load_n((uint16_t *)(void *)&q->used->ring[q->size], __ATOMIC_RELAXED);
	/* Whether the entry at `event` is among [from, avail_idx). */
	return (uint16_t)(event - from) < (uint16_t)(q->avail_idx - from);
}

bool guest_used(struct guest_queue *q, struct vh_used_elem *out)
{
	if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->last_used)
		return false;
	*out = q->used->ring[q->last_used & (q->size - 1)];
	q->last_used++;
	return true;
}

void guest_want_interrupts(struct guest_queue *q, bool on)
{
	if ((q->features & VH_F_EVENT_IDX) == 0)
		__atomic_store_n(&q->avail->flags, on ? 0 : 1, __ATOMIC_RELAXED);
	else
		/* Off: an event that lies as far in the future as can be. */
		__atomic_store_n(
			&q->avail->ring[q->size], (uint16_t)(q->last_used - (on ? 0 : 1)), __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint64_t guest_interrupts(struct guest_queue *q)
{
	uint64_t n = 0;

	return read(q->call_fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}
