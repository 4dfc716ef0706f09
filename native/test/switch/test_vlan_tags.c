/*
 * VLAN isolation as a property: whatever a guest or the network sends, with however many tags, cut off
 * anywhere, in any pieces, unfinished or changed while it is forwarded, what is delivered has only tags that
 * its sender may send and its receiver may get (vlan_oracle.h).
 */
#include "../rig/offload_rig.h"
#include "../tests.h"
#include "../rig/uplink_rig.h"
#include "../rig/vlan_oracle.h"

#include <stdlib.h>
#include <string.h>

#define GUESTS ORACLE_GUESTS
#define UPLINK GUESTS
#define OUTSIDE 100
#define FRAMES 1200

/* The rig, the frame on its way, and where it lies. */
static struct {
	struct rig *r;
	struct uplink_rig *u;
	struct offload_frame frame;
	uint32_t from, changed;
	uint64_t got[GUESTS + 1][GUESTS + 1], tagged, stacked;
} t;

static uint32_t any(const uint32_t *of, uint32_t n)
{
	return of[rng_below(&test_rng, n)];
}

static void put_tag(uint8_t *p)
{
	static const uint32_t types[] = {0x8100, 0x8100, 0x88a8, 0x9100, 0x9200},
			      vlans[] = {0, 10, 20, 1001, 1002, 30};
	uint32_t type = any(types, 5), tci = any(vlans, t.from == UPLINK ? 5 : 6) | rng_below(&test_rng, 16)
											    << 12;

	memcpy(p, (uint8_t[]){(uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(tci >> 8), (uint8_t)tci}, 4);
}

/* TCP with tags in front, finished or not; now and then as long as can be, or cut off. */
static void make(void)
{
	struct offload_frame *f = &t.frame;
	uint32_t tags = rng_below(&test_rng, 3) > 0 ? rng_below(&test_rng, 2) : rng_below(&test_rng, 5),
		 how = rng_below(&test_rng, 24);
	uint32_t most = sizeof(f->data) - 4 * tags - 100, dst = rng_below(&test_rng, 2 * GUESTS);
	uint32_t payload = how == 0 ? most - rng_below(&test_rng, 30) : 1 + rng_below(&test_rng, 1200);
	uint32_t start = 0;

	offload_make(f, dst >= GUESTS ? UINT32_MAX : dst, rng_below(&test_rng, 2) == 0, 0, payload, 7,
		how == 1 ? 100 : 0);
	if (how == 0)
		f->len = (uint32_t)sizeof(f->data) - 4 * tags - rng_below(&test_rng, 8);
	frame_mac(f->data + 6, t.from == UPLINK ? OUTSIDE : t.from);
	memmove(f->data + 12 + 4 * tags, f->data + 12, f->len - 12);
	for (uint32_t i = 0; i < tags; i++)
		put_tag(f->data + 12 + 4 * i);
	f->len += 4 * tags;
	f->header.csum_start = (uint16_t)(f->header.csum_start + 4 * tags);
	if (how > 1 && how < 6)
		f->len = rng_between(&test_rng, VH_MIN_FRAME, 40);
	/* A checksum anywhere: where it would come to lie with a tag more or less is the question. */
	if (how == 0)
		start = 65535 - rng_below(&test_rng, 8);
	else if (how == 6 || how == 7)
		start = rng_below(&test_rng, 40);
	if (start > 0) {
		f->header.csum_start = (uint16_t)start;
		f->header.csum_offset = (uint16_t)rng_between(&test_rng, 8, 20);
	}
	if (how > 15)
		memset(&f->header, 0, sizeof(f->header));
}

/* Other tags, or none, into a frame of a guest's that was judged already. */
static void change(void *context)
{
	const struct guest *g = t.from == UPLINK ? NULL : t.r->guest[t.from];
	const struct guest_chain *chain = NULL;
	uint8_t front[16];
	uint32_t at = 0;

	(void)context;
	if (g == NULL || rng_below(&test_rng, 2) == 0)
		return;
	for (uint32_t i = 0; i < sizeof(front); i += 4)
		put_tag(front + i);
	for (uint32_t id = 0; chain == NULL && id < g->tx[0].size; id++)
		if (g->tx[0].chain[id].n_descs > 0)
			chain = &g->tx[0].chain[id];
	REQUIRE(chain != NULL);
	for (uint32_t i = 0; i < chain->n_bufs; i++)
		for (uint32_t k = 0; k < chain->buf[i].len; k++, at++)
			if (at >= g->hdr_len + 12 && at < g->hdr_len + 12 + sizeof(front))
				*guest_at(g, chain->buf[i].gpa + k) = front[at - g->hdr_len - 12];
	t.changed++;
}

/* The plainest softener: the checksum put where it belongs, segments with the frame's headers. */
static const struct vh_batch *soften(void *context, uint16_t worker, const struct vh_batch *b, uint16_t frame,
	uint32_t from, uint32_t *total)
{
	static uint8_t copy[VH_MAX_FRAME + 64];
	static struct vh_batch out;
	const struct vh_offload *o = &b->offload[frame];
	uint32_t len = vh_frame_read(b, &b->frame[frame], 0, copy, sizeof(copy)), n = len - o->hdr_len;
	struct vh_virtio_header h = {
		.flags = VH_HDR_NEEDS_CSUM, .csum_start = o->csum_start, .csum_offset = o->csum_offset};

	(void)context, (void)worker;
	oracle_finish(copy, len, &h);
	out.frames = 0;
	*total = o->hdr_len == 0 ? 1 : (n + o->gso_size - 1) / o->gso_size;
	for (; out.frames < VH_BATCH && from < *total; from++, out.frames++) {
		uint32_t at = o->hdr_len + from * o->gso_size, left = len - at;

		out.seg[out.frames] = (struct vh_seg){
			.p = copy + at, .len = o->hdr_len == 0 || left < o->gso_size ? left : o->gso_size};
		out.frame[out.frames] = (struct vh_frame){.data = copy,
			.len = o->hdr_len,
			.total = o->hdr_len + out.seg[out.frames].len,
			.more = 1,
			.first = out.frames};
	}
	return &out;
}

static void send(void)
{
	struct uplink_rig *u = t.u;

	if (t.from != UPLINK) {
		offload_send(t.r, t.from, &t.frame, (enum guest_layout)rng_below(&test_rng, LAYOUT_COUNT));
		REQUIRE_EQ(rig_poll(t.r, t.from, 1), 1);
		REQUIRE_EQ(guest_reap(t.r->guest[t.from], 0), 1);
		return;
	}
	if (t.frame.len > UPLINK_ROOM)
		t.frame.len = UPLINK_ROOM;
	u->checks = rng_below(&test_rng, 2) == 0;
	uplink_arrive(u, t.frame.data, t.frame.len);
	REQUIRE_EQ(uplink_poll(u, 1), 1);
	free(u->in[0]);
	u->n_in = u->taken = 0;
	memset(u->given_back, 0, sizeof(u->given_back));
}

static void look(uint32_t to, uint8_t *frame, uint32_t len, const struct vh_virtio_header *h)
{
	uint16_t vlans[16];
	uint32_t n;

	oracle_finish(frame, len, h);
	n = oracle_tags(frame, len, vlans);
	t.got[t.from][to]++;
	t.tagged += n > 0;
	t.stacked +=
		n > 1 && oracle_modes[t.from].mode == VH_VLAN_TRUNK && oracle_modes[to].mode == VH_VLAN_TRUNK;
	oracle_require(&oracle_modes[t.from], &oracle_modes[to], frame, len);
}

static void look_everywhere(void)
{
	static uint8_t f[VH_MAX_FRAME + 64];
	struct vh_virtio_header h;

	for (uint32_t to = 0; to < GUESTS; to++) {
		int32_t len;

		while ((len = guest_receive_header(t.r->guest[to], 0, &h, f, sizeof(f))) != GUEST_NOTHING)
			if (len > 0)
				look(to, f, (uint32_t)len, &h);
		guest_post_all(t.r->guest[to], 0, 2000, LAYOUT_SINGLE);
	}
	for (; t.u->read < t.u->n_out; t.u->read++) {
		struct uplink_frame *out = &t.u->out[t.u->read];

		vh_offload_put(&out->offload, (uint8_t *)&h);
		look(UPLINK, out->data, out->len, &h);
	}
	t.u->n_out = t.u->read = 0;
}

/* First of all ports, so that a frame has changed before any guest has it. */
static void start(void)
{
	t.r = rig_new();
	t.u = uplink_new(t.r, 0);
	t.u->meanwhile = change;
	t.u->port.flood_unknown_unicast = true;
	t.u->port.rx[0].rx_offloads = rng_below(&test_rng, 2) == 0 ? VH_F_GUEST_CSUM : 0;
	t.r->sw->soften = (struct vh_soften){.hook = soften};
	for (uint32_t i = 0; i < GUESTS; i++) {
		uint64_t features = rng_below(&test_rng, 3) == 0   ? VH_F_VERSION_1 | VH_F_INDIRECT_DESC
				    : rng_below(&test_rng, 2) == 0 ? OFFLOAD_PLAIN
								   : OFFLOAD_ON;

		rig_add(t.r, &(struct guest_config){.features = features, .exact = true});
		/* All may ask for a checksum, or there is nothing to be wrong with. */
		if ((features & VH_F_CSUM) == 0 && i % 2 == 0)
			t.r->port[i]->tx[0].tx_offloads = VH_F_SENDER_OFFLOADS;
		oracle_set(t.r, i, &oracle_modes[i]);
		guest_post_all(t.r->guest[i], 0, 2000, LAYOUT_SINGLE);
	}
}

void test_vlan_whatever_is_sent(void)
{
	for (uint32_t run = 0; run < 3; run++) {
		start();
		for (uint32_t i = 0; i < FRAMES; i++) {
			t.from = rng_below(&test_rng, GUESTS + 1);
			make();
			send();
			look_everywhere();
		}
		uplink_free(t.u);
		rig_free(t.r);
	}
	/* It was not that nothing came through. */
	for (uint32_t i = 0; i < GUESTS; i++) {
		REQUIRE(t.got[i][UPLINK] > 0 && t.got[UPLINK][i] > 0 && t.got[i][i == 7 ? 6 : 7] > 0);
		REQUIRE(i == 0 || t.got[0][i] > 0);
	}
	REQUIRE(t.got[1][2] > 0 && t.got[3][5] > 0 && t.got[5][6] > 0 && t.got[6][4] > 0 && t.got[5][1] > 0);
	REQUIRE(t.tagged > 100 && t.stacked > 0 && t.changed > 100);
}

/* Two tags in front, as numbers of their VLANs; whose guest may send them. */
void test_vlan_two_tags(void)
{
	static const struct {
		uint16_t vlans[3];
		const char *may; /* by guest: + it is forwarded, - it is counted */
	} cases[] = {
		{{0, 20, UNTAGGED}, "+-------"},
		{{0, 10, UNTAGGED}, "+-------"},
		{{10, 20, UNTAGGED}, "+-----++"},
		{{20, 20, UNTAGGED}, "+-----++"},
		{{10, 10, UNTAGGED}, "+----+++"},
		{{10, 30, UNTAGGED}, "+------+"},
		{{1001, 20, UNTAGGED}, "+------+"},
		{{1002, 1002, UNTAGGED}, "+------+"},
		{{10, 10, 10}, "+-------"},
	};
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100, 0x9200};

	start();
	t.u->meanwhile = NULL;
	for (uint32_t i = 0; i < 9 * GUESTS * 16; i++) {
		const uint16_t *vlans = cases[i / GUESTS % 9].vlans;
		uint8_t *f = t.frame.data;
		uint64_t refused;
		bool may;

		t.from = i % GUESTS;
		may = cases[i / GUESTS % 9].may[t.from] == '+';
		refused = rig_drops(t.r, t.from, VH_DROP_TX_BAD_VLAN);
		offload_make(&t.frame, UINT32_MAX, false, vlans[2] == UNTAGGED ? 2 : 3, 100, i, 0);
		frame_mac(f + 6, t.from);
		for (uint32_t k = 0; k < 3 && vlans[k] != UNTAGGED; k++)
			frame_tag(f + 4 * k, types[rng_below(&test_rng, 4)], vlans[k]);
		memset(&t.frame.header, 0, sizeof(t.frame.header));
		memset(t.got, 0, sizeof(t.got));
		send();
		look_everywhere();
		REQUIRE_EQ(rig_drops(t.r, t.from, VH_DROP_TX_BAD_VLAN) - refused, !may);
		REQUIRE_EQ(t.got[t.from][UPLINK], may);
	}
	uplink_free(t.u);
	rig_free(t.r);
}
