/*
 * Unfinished frames in the fuzz target: a strict stand-in for what finishes them in the switch
 * (native/dpdk/runtime/sw_offload.c), which requires all that the core promises to it, and a guest that sends
 * them to the hostile one.
 */
#include "offloads.h"
#include "pair.h"
#include "../../switch/parse_l4.h"
#include "../../test/rig/offload_rig.h"

#include <string.h>

static struct {
	struct vh_batch out;
	uint8_t copy[VH_MAX_FRAME];
} stand_in;

static struct vh_round *round_of(const struct vh_batch *b)
{
	for (uint32_t i = 0; i < VH_ROUNDS; i++)
		if (b == &r->lane[0]->round[i].batch)
			return &r->lane[0]->round[i];
	check_failed(__FILE__, __LINE__, "not the batch of one of the lane's rounds");
}

static void require_in_memory(const struct guest *g, const uint8_t *p, uint32_t len)
{
	bool inside = false;

	for (uint32_t k = 0; k < GUEST_REGIONS; k++)
		inside |= p >= g->region[k] && len <= GUEST_REGION_SIZE &&
			  (size_t)(p - g->region[k]) <= GUEST_REGION_SIZE - len;
	REQUIRE(inside);
}

/* Its parts lie in the sender's memory, and are as long as it says. */
static void require_frame(const struct guest *g, const struct vh_batch *b, const struct vh_frame *f)
{
	uint64_t total = f->len;

	require_in_memory(g, f->data, f->len);
	REQUIRE(f->first + f->more <= VH_BATCH_SEGS);
	for (uint32_t i = 0; i < f->more; i++) {
		require_in_memory(g, b->seg[f->first + i].p, b->seg[f->first + i].len);
		total += b->seg[f->first + i].len;
	}
	REQUIRE_EQ(total, f->total);
	REQUIRE(f->total >= VH_MIN_FRAME && f->total <= VH_MAX_FRAME);
}

/* What a card is told of the frame; its front ends where an overrun is seen. */
static void look_at_layers(const struct vh_batch *b, const struct vh_frame *f)
{
	uint32_t len = f->total < VH_LAYERS_BYTES ? f->total : VH_LAYERS_BYTES;
	uint8_t *front = stand_in.copy + sizeof(stand_in.copy) - len;
	struct vh_layers l;

	REQUIRE_EQ(vh_frame_read(b, f, 0, front, len), len);
	if (vh_layers_find(front, len, &l))
		REQUIRE(l.l4 >= 8 && (uint32_t)l.l2 + l.l3 + l.l4 <= len);
}

/* Where the headers end now; the sender may have changed them since. Return: whether they are still TCP's. */
static bool headers_end(
	const struct vh_batch *b, const struct vh_frame *f, const struct vh_offload *o, uint32_t *end)
{
	uint32_t len = f->total < VH_MAX_HEADERS ? f->total : VH_MAX_HEADERS;
	uint8_t *front = stand_in.copy + sizeof(stand_in.copy) - len;
	bool v6 = (o->gso_type & ~VH_GSO_ECN) == VH_GSO_TCPV6;
	struct vh_tcp_headers h;

	REQUIRE_EQ(vh_frame_read(b, f, 0, front, len), len);
	if (!vh_tcp_headers_parse(front, len, o->csum_start, v6, &h))
		return false;
	REQUIRE(h.ip < h.tcp && h.tcp == o->csum_start && h.payload <= len);
	*end = h.payload;
	return h.payload < f->total;
}

/* The frame's headers, and of its payload the `n` bytes at `at`. */
static void put(const struct vh_batch *b, const struct vh_frame *f, uint32_t headers, uint32_t at, uint32_t n)
{
	struct vh_batch *out = &stand_in.out;

	REQUIRE_EQ(vh_frame_read(b, f, at, stand_in.copy + at, n), n);
	out->seg[out->frames] = (struct vh_seg){.p = stand_in.copy + at, .len = n};
	out->frame[out->frames] = (struct vh_frame){.data = stand_in.copy,
		.len = headers,
		.total = headers + n,
		.more = n > 0,
		.first = out->frames};
	out->frames++;
}

static const struct vh_batch *finish(void *context, uint16_t worker, const struct vh_batch *b, uint16_t frame,
	uint32_t from, uint32_t *total)
{
	const struct vh_offload *o = &b->offload[frame];
	const struct vh_frame *f = &b->frame[frame];
	uint32_t headers = VH_MIN_FRAME, size;

	REQUIRE(context == &stand_in && worker == 0 && frame < b->frames && b->offloads > 0);
	REQUIRE(f->offload != 0 && f->offload == vh_offload_needs(o));
	require_frame(r->guest[round_of(b)->from->id], b, f);
	require_offload(o, f->total);
	look_at_layers(b, f);
	if (o->gso_type != VH_GSO_NONE && !headers_end(b, f, o, &headers))
		return NULL;
	size = o->gso_type == VH_GSO_NONE ? f->total : o->gso_size;
	*total = (f->total - headers + size - 1) / size;
	/* A frame that lacks nothing but its checksum may be all headers. */
	*total = *total == 0 ? 1 : *total;
	if (from >= *total)
		return NULL;
	REQUIRE_EQ(vh_frame_read(b, f, 0, stand_in.copy, headers), headers);
	for (stand_in.out.frames = 0; stand_in.out.frames < VH_BATCH && from < *total; from++) {
		uint32_t at = headers + from * size, left = f->total - at;

		put(b, f, headers, at, left < size ? left : size);
	}
	return &stand_in.out;
}

void finish_frames(void)
{
	r->sw->soften = (struct vh_soften){.hook = finish, .context = &stand_in};
}

/* Drops of the hostile guest's queue that stand for all that is left of a frame. */
static uint64_t rest_drops(void)
{
	return rig_drops(r, 0, VH_DROP_RX_RING_FULL) + rig_drops(r, 0, VH_DROP_RX_NOT_READY);
}

void send_unfinished(struct input *in)
{
	static struct offload_frame f;
	uint8_t how = in_u8(in);
	uint32_t payload = 1 + in_u16(in) % 20000,
		 gso = (how & 4) != 0 ? payload / (1 + in_u8(in) / 2) + 1 : 0;
	uint64_t drops, rest, got;
	const struct vh_vq *to = &r->port[0]->rx[0];
	uint32_t needs = VH_F_GUEST_CSUM, pieces = 1;
	uint8_t mac[6];

	settle(2);
	drops = rig_all_drops(r, 0);
	rest = rest_drops();
	got = rig_counters(r, 0).rx_packets;
	offload_make(&f, 0, (how & 1) != 0, (how & 2) / 2, payload, 1, gso);
	frame_mac(f.data + 6, 2);
	frame_mac(mac, 0);
	vh_mac_learn(&r->sw->macs, vh_mac_key(mac, 0), 0, r->lane[0]->now);
	offload_send(r, 2, &f, LAYOUT_SINGLE);
	rig_poll(r, 2, 1);
	/* Else it waits until a later step lets time pass. */
	if ((how & 8) == 0)
		return;
	settle(2);
	if (gso != 0)
		needs |= (how & 1) != 0 ? VH_F_GUEST_TSO6 : VH_F_GUEST_TSO4;
	if ((needs & ~(uint32_t)to->rx_offloads) != 0)
		pieces = gso == 0 ? 1 : (payload + gso - 1) / gso;
	drops = rig_all_drops(r, 0) - drops;
	rest = rest_drops() - rest;
	got = rig_counters(r, 0).rx_packets - got;
	/* Every piece is received or counted, but for the last count, which may stand for several. */
	REQUIRE(rest <= 1 && (rest == 0 ? got + drops == pieces : got + drops <= pieces));
}
