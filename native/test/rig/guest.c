/* The mock guest: its queues, and the chains that its driver makes. */
#include "guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((uint32_t)VH_IOTLB_PAGE)

static uint32_t aligned(uint32_t bytes)
{
	return (bytes + 63) & ~63U;
}

/* Bytes of the three parts, large enough for both types. */
static void part_sizes(const struct guest_queue *q, uint32_t bytes[VH_PARTS])
{
	bytes[VH_PART_DESC] = q->size * (uint32_t)sizeof(*q->desc);
	bytes[VH_PART_AVAIL] = (uint32_t)sizeof(*q->avail) + q->size * 2 + 2;
	bytes[VH_PART_USED] = (uint32_t)sizeof(*q->used) + q->size * 8 + 2;
}

static void set_parts(struct guest_queue *q, uint8_t *const part[VH_PARTS])
{
	q->desc = (struct vh_desc *)(void *)part[VH_PART_DESC];
	q->avail = (struct vh_avail *)(void *)part[VH_PART_AVAIL];
	q->used = (struct vh_used *)(void *)part[VH_PART_USED];
}

/* What a ring of this type, with event index, has of each part. */
static uint32_t part_bytes(const struct guest *g, const struct guest_queue *q, enum vh_part part)
{
	uint32_t event = (g->config.features & VH_F_EVENT_IDX) != 0 ? sizeof(uint16_t) : 0;

	if (part == VH_PART_DESC)
		return q->size * (uint32_t)sizeof(*q->desc);
	if ((g->config.features & VH_F_RING_PACKED) != 0)
		return sizeof(struct vh_packed_event);
	return part == VH_PART_AVAIL ? (uint32_t)sizeof(*q->avail) + q->size * 2 + event
				     : (uint32_t)sizeof(*q->used) + q->size * 8 + event;
}

/* The parts begin anywhere that they may, and no page of a ring lies beside the one before. */
static void scatter(struct guest *g, struct guest_queue *q, uint64_t *at)
{
	static const uint32_t align[VH_PARTS] = {sizeof(struct vh_desc), 2, 4};
	uint32_t bytes[VH_PARTS], offset[VH_PARTS], total = 0, pages;
	uint8_t *part[VH_PARTS], *to;
	int fd = memfd_create("ring", MFD_CLOEXEC);

	part_sizes(q, bytes);
	for (int i = 0; i < VH_PARTS; i++) {
		offset[i] = total + rng_below(&test_rng, PAGE / align[i]) * align[i];
		/* The first two words stay together. */
		if (offset[i] % PAGE > PAGE - 4)
			offset[i] -= 4;
		total = (offset[i] + bytes[i] + PAGE - 1) & ~(PAGE - 1);
	}
	pages = total / PAGE;
	REQUIRE(fd >= 0 && ftruncate(fd, total) == 0);
	q->view = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q->pieces = calloc(1, sizeof(*q->pieces));
	REQUIRE(q->view != MAP_FAILED && q->pieces != NULL);
	q->view_bytes = total;
	*at = (*at + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	to = guest_at(g, *at);
	/* Backwards, and a page of somebody else's between each two. */
	for (uint32_t i = 0; i < pages; i++)
		REQUIRE(mmap(to + (size_t)(pages - 1 - i) * 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, (off_t)i * PAGE) != MAP_FAILED);
	close(fd);
	*at += (uint64_t)pages * 2 * PAGE;
	for (int i = 0; i < VH_PARTS; i++) {
		uint32_t first = offset[i] / PAGE;

		part[i] = q->view + offset[i];
		q->pieces->part[i].skew = offset[i] % PAGE;
		q->pieces->part[i].bytes = part_bytes(g, q, (enum vh_part)i);
		for (uint32_t k = 0; first + k < pages && k < VH_PIECES; k++)
			q->pieces->part[i].page[k] = to + (size_t)(pages - 1 - first - k) * 2 * PAGE;
	}
	set_parts(q, part);
}

/* Takes the rings' memory from `*at` on. */
static void place_ring(struct guest *g, struct guest_queue *q, uint64_t *at)
{
	uint32_t bytes[VH_PARTS];
	uint8_t *part[VH_PARTS];

	part_sizes(q, bytes);
	for (int i = 0; i < VH_PARTS; i++) {
		part[i] = guest_at(g, *at);
		*at += aligned(bytes[i]);
	}
	set_parts(q, part);
}

static void make_queue(struct guest *g, struct guest_queue *q, uint32_t size, uint64_t *at)
{
	q->size = size;
	if (g->config.scattered)
		scatter(g, q, at);
	else
		place_ring(g, q, at);
	q->free_id = calloc(size, sizeof(*q->free_id));
	q->in_flight = calloc(size, sizeof(*q->in_flight));
	q->chain = calloc(size, sizeof(*q->chain));
	q->record = mmap(NULL, sizeof(*q->record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(q->record != MAP_FAILED);
	q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	REQUIRE(q->call_fd >= 0);
	q->line = (struct vh_line){.fd = q->call_fd, .call = &q->call};
	guest_reset_queue(g, q);
}

void guest_reset_queue(struct guest *g, struct guest_queue *q)
{
	for (uint32_t i = 0; i < q->size; i++)
		if (q->chain[i].n_descs > 0)
			guest_release(g, q, (uint16_t)i);
	q->features = g->config.features;
	q->packed = (q->features & VH_F_RING_PACKED) != 0;
	q->in_order = (q->features & VH_F_IN_ORDER) != 0;
	q->tidy = q->in_order || g->config.tidy;
	q->rng = rng_of(rng_next(&test_rng));
	guest_ring_reset(q, g->config.start);
	q->n_free = q->n_ids = q->size;
	q->first_id = 0;
	for (uint32_t i = 0; i < q->size; i++)
		q->free_id[i] = (uint16_t)i;
}

struct guest *guest_new(const struct guest_config *config)
{
	struct guest *g = calloc(1, sizeof(*g));
	uint64_t tx = 0, rx = GUEST_HIGH;

	g->config = *config;
	g->config.features |= test_ring;
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
	free(q->free_id);
	free(q->in_flight);
	free(q->chain);
	free(q->pieces);
	if (q->view != NULL)
		munmap(q->view, q->view_bytes);
	munmap(q->record, sizeof(*q->record));
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

struct vh_vq_config guest_queue_config(struct guest *g, struct guest_queue *q, uint64_t at)
{
	const struct vh_pieces *p = q->pieces;

	return (struct vh_vq_config){.desc = p == NULL ? q->desc : vh_pieces_at(p, VH_PART_DESC, 0),
		.avail = p == NULL ? (void *)q->avail : vh_pieces_at(p, VH_PART_AVAIL, 0),
		.used = p == NULL ? q->used : vh_pieces_at(p, VH_PART_USED, 0),
		.pieces = p,
		.size = q->size,
		.features = g->config.features,
		.mem = &g->mem,
		.space = g->space,
		.record = q->record,
		.last_avail = guest_place(q, at),
		.last_used = guest_place(q, at),
		.line = &q->line};
}

const char *guest_attach(struct guest *g, struct guest_queue *q, struct vh_vq *vq)
{
	const struct vh_vq_config c = guest_queue_config(g, q, q->used_n);

	return vh_vq_setup(vq, &c);
}

/* Where the order is free, any; else in turn, as an in-order ring asks for (virtio 1.2, 2.7.9). */
static uint16_t take_id(struct guest_queue *q)
{
	uint32_t k;
	uint16_t id;

	if (q->tidy) {
		id = q->free_id[q->first_id];
		q->first_id = (q->first_id + 1) % q->size;
		q->n_ids--;
		return id;
	}
	k = rng_below(&q->rng, q->n_ids);
	id = q->free_id[k];
	q->free_id[k] = q->free_id[--q->n_ids];
	return id;
}

static void give_id(struct guest_queue *q, uint16_t id)
{
	q->free_id[q->tidy ? (q->first_id + q->n_ids) % q->size : q->n_ids] = id;
	q->n_ids++;
}

static bool alloc_bufs(struct guest *g, const struct guest_shape *s, uint32_t in_table, struct guest_chain *c)
{
	c->buf = calloc(s->n + 1, sizeof(*c->buf));
	for (c->n_bufs = 0; c->n_bufs < s->n; c->n_bufs++) {
		uint32_t i = c->n_bufs;

		if (!((int)i == s->edge ? guest_alloc_edge(g, s->len[i], s->edge_front, &c->buf[i])
					: guest_alloc(g, s->len[i], &c->buf[i])))
			return false;
	}
	if (in_table > 0) {
		if (!guest_alloc(g, in_table * (uint32_t)sizeof(struct vh_desc), &c->buf[s->n]))
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
		.next = (uint16_t)next};
}

/* Split rings: the chain's own descriptors. */
static void write_descs(struct guest_queue *q, const struct guest_chain *c, uint32_t direct)
{
	for (uint32_t i = 0; i < direct; i++)
		q->desc[c->desc[i]] = descriptor(
			&c->buf[i], c->write, i + 1 == c->n_descs, i + 1 < c->n_descs ? c->desc[i + 1] : 0);
	if (c->table)
		q->desc[c->desc[direct]] = (struct vh_desc){.addr = c->buf[c->n_bufs].gpa,
			.len = c->buf[c->n_bufs].len,
			.flags = VH_DESC_INDIRECT};
}

/* The buffers from number `direct` on. In a packed ring's table order is all: NEXT and id mean nothing. */
static void write_table(struct guest *g, struct guest_queue *q, const struct guest_chain *c, uint32_t direct)
{
	for (uint32_t i = direct; i < c->n_bufs; i++) {
		struct vh_desc d =
			descriptor(&c->buf[i], c->write, i + 1 == c->n_bufs || q->packed, i + 1 - direct);

		if (q->packed && rng_below(&q->rng, 2) == 0)
			d.flags |= VH_DESC_NEXT;
		guest_put_desc(q, guest_at(g, c->buf[c->n_bufs].gpa + (i - direct) * sizeof(d)), d);
	}
}

int32_t guest_build(struct guest *g, struct guest_queue *q, const struct guest_shape *s, bool write)
{
	uint32_t direct = q->packed && s->direct < s->n ? 0 : s->direct;
	uint32_t need = direct + (direct < s->n ? 1 : 0);
	struct guest_chain c = {.write = write, .n_descs = need};
	uint16_t id;

	if (q->n_free < need)
		return -1;
	if (!alloc_bufs(g, s, s->n - direct, &c)) {
		free_bufs(g, &c);
		return -1;
	}
	write_table(g, q, &c, direct);
	q->n_free -= need;
	if (q->packed) {
		id = take_id(q);
	} else {
		c.desc = calloc(need, sizeof(*c.desc));
		for (uint32_t i = 0; i < need; i++)
			c.desc[i] = take_id(q);
		write_descs(q, &c, direct);
		id = c.desc[0];
	}
	q->chain[id] = c;
	return id;
}

void guest_release(struct guest *g, struct guest_queue *q, uint16_t id)
{
	struct guest_chain *c = &q->chain[id];

	REQUIRE(id < q->size && c->n_descs > 0);
	q->n_free += c->n_descs;
	if (q->packed)
		give_id(q, id);
	for (uint32_t i = 0; !q->packed && i < c->n_descs; i++)
		give_id(q, c->desc[i]);
	free_bufs(g, c);
}
