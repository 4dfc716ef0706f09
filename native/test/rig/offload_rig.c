#include "offload_rig.h"

#include <string.h>

/* What the stand-in sends: addresses, EtherType, the frame's seq, the piece's number. */
#define PIECE 22U

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Return: where TCP begins. */
static uint32_t put_ip(uint8_t *p, uint32_t at, bool v6, uint32_t payload)
{
	if (v6) {
		memset(p + at, 0, 40);
		p[at] = 0x60;
		put16(p + at + 4, 20 + payload);
		p[at + 6] = 6;
		return at + 40;
	}
	memset(p + at, 0, 20);
	p[at] = 0x45;
	put16(p + at + 2, 40 + payload);
	/* Must not be fragmented, which is no fragment. */
	put16(p + at + 6, 0x4000);
	p[at + 9] = 6;
	return at + 20;
}

void offload_make(struct offload_frame *f, uint32_t to, bool v6, uint32_t tags, uint32_t payload,
	uint32_t seq, uint32_t gso_size)
{
	uint32_t at = 12, tcp;

	frame_mac(f->data, to);
	if (to == UINT32_MAX)
		memset(f->data, 0xff, 6);
	frame_mac(f->data + 6, 0);
	for (; tags > 0; tags--, at += 4) {
		put16(f->data + at, tags == 2 ? 0x88a8 : 0x8100);
		put16(f->data + at + 2, 0);
	}
	put16(f->data + at, v6 ? 0x86dd : 0x0800);
	tcp = put_ip(f->data, at + 2, v6, payload);
	memset(f->data + tcp, 0, 20);
	memcpy(f->data + tcp + 4, &seq, 4);
	f->data[tcp + 12] = 0x50;
	f->len = tcp + 20 + payload;
	REQUIRE(f->len <= sizeof(f->data));
	for (uint32_t i = 0; i < payload; i++)
		f->data[tcp + 20 + i] = (uint8_t)(seq * 31 + i * 7 + (i >> 8));
	f->header = (struct vh_virtio_header){.flags = VH_HDR_NEEDS_CSUM,
		.gso_type = gso_size == 0 ? VH_GSO_NONE
			    : v6	  ? VH_GSO_TCPV6
					  : VH_GSO_TCPV4,
		.hdr_len = gso_size == 0 ? 0 : (uint16_t)(tcp + 20),
		.gso_size = (uint16_t)gso_size,
		.csum_start = (uint16_t)tcp,
		.csum_offset = 16};
}

void offload_send(struct rig *r, uint32_t from, const struct offload_frame *f, enum guest_layout layout)
{
	struct guest *g = r->guest[from];
	struct guest_queue *q = &g->tx[0];
	uint8_t header[12] = {0};
	struct guest_shape s;
	uint32_t at = 0;
	int32_t head;

	memcpy(header, &f->header, sizeof(f->header));
	guest_shape(&s, layout, g->hdr_len + f->len, g->hdr_len, &test_rng);
	head = guest_build_frame(g, q, &s, f->data, f->len);
	REQUIRE(head >= 0);
	for (uint32_t i = 0; i < s.n && at < g->hdr_len; i++) {
		uint32_t n = s.len[i] < g->hdr_len - at ? s.len[i] : g->hdr_len - at;

		guest_write(g, q->chain[head].buf[i].gpa, header + at, n);
		at += n;
	}
	guest_stage(q, (uint16_t)head);
	guest_publish(q);
}

static struct {
	uint32_t fail;
	struct vh_batch out;
	uint8_t bytes[VH_BATCH][PIECE];
} stand_in;

static const struct vh_batch *pieces(void *context, uint16_t worker, const struct vh_batch *b, uint16_t frame,
	uint32_t from, uint32_t *total)
{
	const struct vh_offload *o = &b->offload[frame];
	const struct vh_frame *f = &b->frame[frame];
	uint8_t seq[4];

	REQUIRE(context == &stand_in && worker == 0 && f->offload != 0);
	REQUIRE_EQ(vh_frame_read(b, f, o->csum_start + 4U, seq, 4), 4);
	if (memcmp(seq, &stand_in.fail, 4) == 0)
		return NULL;
	*total = o->gso_type == VH_GSO_NONE ? 1 : (f->total - o->hdr_len + o->gso_size - 1) / o->gso_size;
	REQUIRE(from < *total);
	for (stand_in.out.frames = 0; stand_in.out.frames < VH_BATCH && from < *total; from++) {
		uint8_t *p = stand_in.bytes[stand_in.out.frames];

		REQUIRE_EQ(vh_frame_read(b, f, 0, p, 14), 14);
		memcpy(p + 14, seq, 4);
		memcpy(p + 18, &from, 4);
		stand_in.out.frame[stand_in.out.frames++] =
			(struct vh_frame){.data = p, .len = PIECE, .total = PIECE};
	}
	return &stand_in.out;
}

void offload_hook(struct rig *r, uint32_t fail)
{
	stand_in.fail = fail;
	r->sw->soften = (struct vh_soften){.hook = pieces, .context = &stand_in};
}

void offload_require_piece(struct rig *r, uint32_t i, uint32_t seq, uint32_t n)
{
	uint8_t f[VH_MAX_FRAME];
	uint32_t got[2];

	REQUIRE_EQ(guest_receive(r->guest[i], 0, f, sizeof(f)), PIECE);
	memcpy(got, f + 14, sizeof(got));
	REQUIRE_EQ(got[0], seq);
	REQUIRE_EQ(got[1], n);
}

void offload_require_nothing(struct rig *r, uint32_t i)
{
	uint8_t f[VH_MAX_FRAME];

	REQUIRE_EQ(guest_receive(r->guest[i], 0, f, sizeof(f)), GUEST_NOTHING);
}
