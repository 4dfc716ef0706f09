/* The mock guest as a virtio-net driver: frames with their headers, in every layout. */
#include "guest.h"

#include <stdlib.h>
#include <string.h>

/* Cuts `total` into up to `most` pieces at random, the first of at least `front` bytes. */
static uint32_t cut(uint32_t *len, uint32_t total, uint32_t front, uint32_t most, struct rng *rng)
{
	uint32_t n = 0, left = total;

	while (n + 1 < most && left > 1) {
		uint32_t low = n == 0 && front > 0 ? front : 1;
		uint32_t piece;

		if (low >= left)
			break;
		piece = rng_between(rng, low, left - 1);
		/* Mostly small pieces, so that there are many. */
		if (rng_below(rng, 3) > 0 && piece > low + 100)
			piece = low + piece % 100;
		len[n++] = piece;
		left -= piece;
	}
	len[n++] = left;
	return n;
}

void guest_shape(
	struct guest_shape *s, enum guest_layout layout, uint32_t total, uint32_t header, struct rng *rng)
{
	s->edge = -1;
	s->n = 1;
	s->len[0] = total;
	switch (layout) {
	case LAYOUT_HEADER_APART:
		s->n = total > header ? 2 : 1;
		s->len[0] = total < header ? total : header;
		s->len[1] = total - s->len[0];
		break;
	case LAYOUT_SEGMENTS:
	case LAYOUT_INDIRECT:
	case LAYOUT_DIRECT_THEN_INDIRECT:
		s->n = cut(s->len, total, header, rng_between(rng, 2, 9), rng);
		break;
	case LAYOUT_EDGE:
		if (total > header) {
			s->edge = 0;
			s->edge_front = rng_between(rng, header, total - 1);
		}
		break;
	case LAYOUT_HEADER_SPLIT:
		if (total > header) {
			s->n = 3;
			s->len[0] = rng_between(rng, 1, header - 1);
			s->len[1] = rng_between(rng, 1, total - s->len[0] - 1);
			s->len[2] = total - s->len[0] - s->len[1];
		}
		break;
	default:
		break;
	}
	s->direct = s->n;
	if (layout == LAYOUT_INDIRECT)
		s->direct = 0;
	if (layout == LAYOUT_DIRECT_THEN_INDIRECT)
		s->direct = rng_below(rng, s->n);
}

int32_t guest_build_frame(
	struct guest *g, struct guest_queue *q, const struct guest_shape *s, const void *frame, uint32_t len)
{
	int32_t head = guest_build(g, q, s, false);
	uint8_t *bytes;
	uint32_t at = 0;

	if (head < 0)
		return head;
	/* The header that most drivers send: no offload, so nothing but zeroes. */
	bytes = calloc(1, g->hdr_len + len);
	memcpy(bytes + g->hdr_len, frame, len);
	for (uint32_t i = 0; i < s->n; i++) {
		guest_write(g, q->chain[head].buf[i].gpa, bytes + at, s->len[i]);
		at += s->len[i];
	}
	free(bytes);
	REQUIRE_EQ(at, g->hdr_len + len);
	return head;
}

bool guest_send_shape(
	struct guest *g, uint32_t pair, const struct guest_shape *s, const void *frame, uint32_t len)
{
	int32_t head = guest_build_frame(g, &g->tx[pair], s, frame, len);

	if (head < 0)
		return false;
	guest_stage(&g->tx[pair], (uint16_t)head);
	guest_publish(&g->tx[pair]);
	return true;
}

bool guest_send(struct guest *g, uint32_t pair, const void *frame, uint32_t len, enum guest_layout layout)
{
	struct guest_shape s;

	guest_shape(&s, layout, g->hdr_len + len, g->hdr_len, &test_rng);
	return guest_send_shape(g, pair, &s, frame, len);
}

uint32_t guest_reap(struct guest *g, uint32_t pair)
{
	struct guest_queue *q = &g->tx[pair];
	struct vh_used_elem e;
	uint32_t n = 0;

	for (; guest_used(q, &e); n++) {
		REQUIRE_EQ(e.id, q->in_flight[(q->done - 1) % q->size].id);
		REQUIRE_EQ(e.len, 0);
		guest_release(g, q, (uint16_t)e.id);
	}
	return n;
}

bool guest_post(struct guest *g, uint32_t pair, uint32_t size, enum guest_layout layout)
{
	struct guest_queue *q = &g->rx[pair];
	struct guest_shape s;
	int32_t head;

	guest_shape(&s, layout, size, g->hdr_len, &test_rng);
	head = guest_build(g, q, &s, true);
	if (head < 0)
		return false;
	guest_stage(q, (uint16_t)head);
	guest_publish(q);
	return true;
}

uint32_t guest_post_all(struct guest *g, uint32_t pair, uint32_t size, enum guest_layout layout)
{
	uint32_t n = 0;

	while (guest_post(g, pair, size, layout))
		n++;
	return n;
}

/* Reads up to `len` bytes of a used chain, from its start. */
static void read_chain(
	const struct guest *g, const struct guest_queue *q, uint16_t head, uint32_t len, uint8_t *to)
{
	const struct guest_chain *c = &q->chain[head];

	for (uint32_t i = 0; i < c->n_bufs && len > 0; i++) {
		uint32_t n = c->buf[i].len < len ? c->buf[i].len : len;

		guest_read(g, c->buf[i].gpa, to, n);
		to += n;
		len -= n;
	}
	REQUIRE_EQ(len, 0);
}

/* A guest uses its memory for other things in between: what the device does not write must not matter. */
static void spoil_chain(const struct guest *g, const struct guest_queue *q, uint16_t head)
{
	static const uint8_t rubbish[12] = {
		0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5};
	const struct guest_buf *b = &q->chain[head].buf[0];

	guest_write(g, b->gpa, rubbish, b->len < sizeof(rubbish) ? b->len : (uint32_t)sizeof(rubbish));
}

/* The next used chain, whose bytes go to `to`. Return: how many, 0 too, or GUEST_NOTHING. */
static int32_t take(struct guest *g, struct guest_queue *q, uint8_t *to, uint32_t room)
{
	struct vh_used_elem e;

	if (!guest_used(q, &e))
		return GUEST_NOTHING;
	REQUIRE_EQ(e.id, q->in_flight[(q->done - 1) % q->size].id);
	REQUIRE(e.len <= room);
	read_chain(g, q, (uint16_t)e.id, e.len, to);
	/* Not always: a header that is still the one that is wanted is a case of its own. */
	if (q->done % 3 != 0)
		spoil_chain(g, q, (uint16_t)e.id);
	guest_release(g, q, (uint16_t)e.id);
	return (int32_t)e.len;
}

/* The next frame with its header, of which *buf is the place. Return: bytes of both, or as guest_receive().
 */
static int32_t receive_raw(struct guest *g, uint32_t pair, const uint8_t **out)
{
	static _Thread_local uint8_t buf[VH_MAX_FRAME + 12];
	struct guest_queue *q = &g->rx[pair];
	int32_t got = take(g, q, buf, sizeof(buf));
	uint32_t total, buffers = 1;

	if (got <= 0)
		return got == 0 ? GUEST_EMPTY : got;
	total = (uint32_t)got;
	REQUIRE(total >= g->hdr_len);
	if (g->hdr_len == 12) {
		buffers = buf[10] | (uint32_t)buf[11] << 8;
		REQUIRE(buffers >= 1);
		REQUIRE(buffers == 1 || (g->config.features & VH_F_MRG_RXBUF) != 0);
	}
	/* All buffers of a frame become visible together. */
	for (uint32_t i = 1; i < buffers; i++) {
		got = take(g, q, buf + total, (uint32_t)sizeof(buf) - total);
		REQUIRE(got > 0);
		total += (uint32_t)got;
	}
	*out = buf;
	return (int32_t)total;
}

int32_t guest_receive_header(
	struct guest *g, uint32_t pair, struct vh_virtio_header *header, void *out, uint32_t room)
{
	const uint8_t *buf = NULL;
	int32_t got = receive_raw(g, pair, &buf), total = got - (int32_t)g->hdr_len;

	if (got <= 0)
		return got;
	REQUIRE((uint32_t)total <= room);
	memcpy(header, buf, sizeof(*header));
	memcpy(out, buf + g->hdr_len, (uint32_t)total);
	return total;
}

int32_t guest_receive(struct guest *g, uint32_t pair, void *out, uint32_t room)
{
	static const struct vh_virtio_header nothing;
	struct vh_virtio_header header = {0};
	int32_t got = guest_receive_header(g, pair, &header, out, room);

	REQUIRE(memcmp(&header, &nothing, sizeof(header)) == 0);
	return got;
}
