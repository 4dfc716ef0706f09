#include "uplink_rig.h"

#include <stdlib.h>
#include <string.h>

static struct uplink_rig *of(struct vh_port *port)
{
	return (struct uplink_rig *)(void *)port;
}

/* As drivers may do it: in one piece, or in two, each exactly as long as it is. */
static void add_frame(struct vh_batch *b, struct uplink_frame *from, uint32_t cut, bool checked)
{
	b->frame[b->frames] = (struct vh_frame){.data = from->data,
		.len = cut,
		.total = from->len,
		.more = cut < from->len,
		.first = b->segs,
		.offload = checked ? VH_CHECKED : 0};
	b->offload[b->frames] = (struct vh_offload){.checked = checked};
	b->offloads = (uint16_t)(b->offloads + checked);
	if (cut < from->len)
		b->seg[b->segs++] = (struct vh_seg){.p = from->data + cut, .len = from->len - cut};
	b->frames++;
}

static void collect(struct vh_port *port, uint16_t pair, struct vh_batch *b, struct vh_counters *own)
{
	struct uplink_rig *u = of(port);

	REQUIRE_EQ(pair, 0);
	b->frames = b->chains = b->segs = b->offloads = 0;
	b->walked = 0;
	while (u->taken < u->n_in && b->chains < VH_BATCH) {
		struct uplink_frame *f = u->in[u->taken];

		b->buffer[b->chains++] = &u->given_back[u->taken++];
		add_frame(b, f, rng_below(&test_rng, 2) == 0 ? f->len : rng_between(&test_rng, 1, f->len),
			u->checks);
		vh_count(&own->tx_packets, 1);
		vh_count(&own->tx_bytes, f->len);
	}
}

static void complete(const struct vh_batch *b)
{
	for (uint32_t i = 0; i < b->chains; i++) {
		bool *mark = b->buffer[i];

		REQUIRE(!*mark);
		*mark = true;
	}
}

static uint32_t deliver(struct vh_port *port, uint16_t pair, const struct vh_batch *b, const uint8_t *which,
	uint32_t n, struct vh_counters *own)
{
	struct uplink_rig *u = of(port);

	if (u->meanwhile != NULL)
		u->meanwhile(u->context);
	for (uint32_t i = 0; i < n; i++) {
		const struct vh_frame *f = &b->frame[which[i]];
		struct uplink_frame *to = &u->out[u->n_out];

		if (u->n_out == u->room) {
			vh_count(&own->drops[VH_DROP_RX_RING_FULL], n - i);
			return n;
		}
		if (f->total > UPLINK_ROOM) {
			vh_count(&own->drops[VH_DROP_RX_TOO_LONG], 1);
			continue;
		}
		to->len = vh_frame_read(b, f, 0, to->data, f->total);
		REQUIRE_EQ(to->len, f->total);
		to->queue = pair;
		to->unfinished = f->offload;
		to->offload = f->offload != 0 ? b->offload[which[i]] : (struct vh_offload){0};
		u->n_out++;
		vh_count(&own->rx_packets, 1);
		vh_count(&own->rx_bytes, f->total);
	}
	return n;
}

static bool takes(const struct vh_port *port, const struct vh_batch *b, uint8_t frame)
{
	REQUIRE(b->frame[frame].offload != 0);
	return !((const struct uplink_rig *)(const void *)port)->refuses;
}

static const struct vh_uplink_ops ops = {
	.collect = collect, .complete = complete, .deliver = deliver, .takes = takes};

struct uplink_rig *uplink_new(struct rig *r, uint32_t i)
{
	struct uplink_rig *u = aligned_alloc(
		VH_CACHE_LINE, (sizeof(*u) + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE);

	REQUIRE(u != NULL);
	memset(u, 0, sizeof(*u));
	u->rig = r;
	u->room = UPLINK_FRAMES;
	u->port.rx = u->rx;
	u->port.tx = u->tx;
	u->port.id = (uint16_t)(VH_MAX_PORTS + i);
	u->port.pairs = 1;
	u->port.outs = 1;
	u->port.uplink = &ops;
	vh_uplink_start(&u->port);
	r->list->port[r->list->n++] = &u->port;
	__atomic_store_n(&r->sw->port[u->port.id], &u->port, __ATOMIC_RELEASE);
	return u;
}

void uplink_free(struct uplink_rig *u)
{
	struct vh_counters c;

	vh_port_counters(&u->port, &c);
	note_drops(&c);
	REQUIRE_EQ(uplink_lent(u), 0);
	for (uint32_t i = 0; i < u->n_in; i++)
		free(u->in[i]);
	free(u);
}

void uplink_arrive(struct uplink_rig *u, const void *frame, uint32_t len)
{
	/* No longer than the frame: AddressSanitizer sees who reads beyond it. */
	struct uplink_frame *f = malloc(offsetof(struct uplink_frame, data) + len);

	REQUIRE(f != NULL && u->n_in < UPLINK_FRAMES && len <= UPLINK_ROOM);
	f->len = len;
	memcpy(f->data, frame, len);
	u->in[u->n_in++] = f;
}

uint32_t uplink_poll(struct uplink_rig *u, uint32_t rounds)
{
	uint32_t total = 0;

	for (; rounds > 0; rounds--)
		total += u->rig->poll(u->rig->sw, u->rig->lane[0], &u->port, 0);
	return total;
}

int32_t uplink_sent(struct uplink_rig *u, void *out)
{
	if (u->read == u->n_out)
		return GUEST_NOTHING;
	memcpy(out, u->out[u->read].data, u->out[u->read].len);
	return (int32_t)u->out[u->read++].len;
}

uint32_t uplink_lent(const struct uplink_rig *u)
{
	uint32_t n = u->taken;

	for (uint32_t i = 0; i < u->taken; i++)
		n -= u->given_back[i];
	return n;
}

uint64_t uplink_drops(const struct uplink_rig *u, enum vh_drop reason)
{
	struct vh_counters c;

	vh_port_counters(&u->port, &c);
	return c.drops[reason];
}
