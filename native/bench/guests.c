/* The two guests of the bench: chains laid out once, offered and taken back for ever. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

void note_drops(const struct vh_counters *c)
{
	for (uint32_t i = 0; i < VH_DROP_COUNT; i++)
		if (c->drops[i] != 0)
			check_failed(__FILE__, __LINE__, "%s: this bench must not drop", vh_drop_name(i));
}

const char *bench_kind_name(const struct bench_case *c)
{
	static const char *const names[2][BENCH_KINDS] = {
		{"split", "split-mrg", "split-ind"}, {"packed", "packed-mrg", "packed-ind"}};

	return names[c->packed][c->kind];
}

uint32_t bench_buffers(const struct bench_case *c)
{
	return c->kind == BENCH_MERGEABLE ? (12 + c->size + 2047) / 2048 : 1;
}

/* Two buffers, header and frame, in a table; or everything in one buffer. */
static void shape_of(struct guest_shape *s, bool indirect, uint32_t header, uint32_t rest)
{
	*s = (struct guest_shape){.edge = -1, .n = indirect ? 2 : 1, .direct = indirect ? 0 : 1};
	s->len[0] = header + (indirect ? 0 : rest);
	s->len[1] = rest;
}

/* The bytes behind the header of a chain of the shape above. */
static struct place behind_header(const struct guest *g, const struct guest_chain *c)
{
	const struct guest_buf *b = &c->buf[c->n_bufs - 1];
	uint32_t skip = c->n_bufs == 1 ? g->hdr_len : 0;

	return (struct place){.p = guest_at(g, b->gpa) + skip, .len = b->len - skip};
}

/* The receiver's n-th address; the first is the guest's own. */
static void bench_address(uint8_t mac[6], uint32_t n)
{
	frame_mac(mac, 1);
	mac[3] = (uint8_t)(n >> 8);
	mac[4] = (uint8_t)n;
}

/* What the switch would learn from frames that the receiver sent. */
static void learn_addresses(struct bench *b)
{
	for (uint32_t n = 0; n + 1 < b->c.addresses; n++) {
		uint8_t mac[6];

		bench_address(mac, n);
		REQUIRE(vh_mac_learn(&b->r->sw->macs, vh_mac_key(mac, 0), 1, 1) <= VH_MAC_NEW);
	}
}

static void lay_out(struct bench *b)
{
	bool indirect = b->c.kind == BENCH_INDIRECT;
	uint32_t room = b->c.kind == BENCH_MERGEABLE ? 2048 - 12 : b->c.size;
	struct guest *from = b->r->guest[0], *to = b->r->guest[1];
	uint8_t dst[6], src[6], *f = malloc(b->c.size);
	struct guest_shape s;

	frame_mac(src, 0);
	for (uint32_t i = 0; i < b->c.ring; i++) {
		int32_t head;

		bench_address(dst, i % (b->c.addresses - 1));
		frame_make(f, dst, src, i, b->c.size);
		shape_of(&s, indirect, 12, b->c.size);
		head = guest_build_frame(from, b->tx, &s, f, b->c.size);
		REQUIRE(head >= 0);
		b->head[i] = (uint16_t)head;
		b->frame[i] = behind_header(from, &b->tx->chain[head]);
		shape_of(&s, indirect, 12, room);
		head = guest_build(to, b->rx, &s, true);
		REQUIRE(head >= 0);
		b->room[head] = behind_header(to, &b->rx->chain[head]);
		guest_stage(b->rx, (uint16_t)head);
	}
	guest_publish(b->rx);
	free(f);
}

struct bench *bench_open(const struct bench_case *c)
{
	struct guest_config g = {.features = VH_F_VERSION_1 | VH_F_INDIRECT_DESC |
					     (c->kind == BENCH_MERGEABLE ? VH_F_MRG_RXBUF : 0) |
					     (c->packed ? VH_F_RING_PACKED : 0),
		.tidy = true,
		.tx_size = c->ring,
		.rx_size = c->ring};
	struct bench *b = calloc(1, sizeof(*b));
	uint32_t most = c->ring / bench_buffers(c);

	b->c = *c;
	if (b->c.batch > most)
		b->c.batch = most;
	if (b->c.addresses < 2)
		b->c.addresses = 2;
	b->r = rig_new();
	rig_add(b->r, &g);
	rig_add(b->r, &g);
	rig_learn_all(b->r);
	learn_addresses(b);
	b->tx = &b->r->guest[0]->tx[0];
	b->rx = &b->r->guest[1]->rx[0];
	guest_want_interrupts(b->tx, false);
	guest_want_interrupts(b->rx, false);
	b->head = calloc(c->ring, sizeof(*b->head));
	b->frame = calloc(c->ring, sizeof(*b->frame));
	b->room = calloc(c->ring, sizeof(*b->room));
	b->overhead = bench_overhead();
	lay_out(b);
	return b;
}

void bench_close(struct bench *b)
{
	rig_free(b->r);
	free(b->head);
	free(b->frame);
	free(b->room);
	free(b);
}

void bench_offer(struct bench *b, uint32_t n)
{
	for (; n > 0 && b->sent - b->reaped < b->c.ring; n--, b->sent++) {
		uint32_t i = b->sent % b->c.ring;

		if (b->touch)
			memset(b->frame[i].p + FRAME_MIN, (int)b->sent, b->frame[i].len - FRAME_MIN);
		guest_stage(b->tx, b->head[i]);
	}
	guest_publish(b->tx);
}

void bench_take(struct bench *b)
{
	struct vh_used_elem e;

	while (guest_used(b->tx, &e))
		b->reaped++;
	while (guest_used(b->rx, &e)) {
		if (b->touch)
			for (uint32_t i = 0; i < b->room[e.id].len && i < e.len; i++)
				b->sum = (uint8_t)(b->sum + b->room[e.id].p[i]);
		guest_stage(b->rx, (uint16_t)e.id);
	}
	guest_publish(b->rx);
}
