/* VLAN modes: who gets which frames, and what they look like there. */
#include "../rig/offload_rig.h"
#include "../tests.h"
#include "../rig/uplink_rig.h"

#include <string.h>

#define GUESTS 7
#define UPLINK GUESTS
#define OUTSIDE 100

static const struct mode {
	enum vh_vlan_mode mode;
	bool keep_tag;
	uint16_t vlans[2];
	uint32_t n;
} modes[GUESTS] = {
	{.mode = VH_VLAN_NONE},
	{.mode = VH_VLAN_AUTO},
	{.mode = VH_VLAN_AUTO, .keep_tag = true},
	{.mode = VH_VLAN_ACCESS, .vlans = {10}, .n = 1},
	{.mode = VH_VLAN_ACCESS, .vlans = {10}, .n = 1},
	{.mode = VH_VLAN_ACCESS, .vlans = {20}, .n = 1},
	{.mode = VH_VLAN_TRUNK, .vlans = {0, 10}, .n = 2},
};

/*
 * What becomes of a broadcast: for guests 0 to 6 and the uplink, u = untagged, t = with the tag `out`, . =
 * not at all. NULL: the sender may not send it.
 */
static const struct broadcast {
	uint32_t from;
	uint16_t tag; /* UNTAGGED: none */
	const char *to;
	uint16_t out;
} broadcasts[] = {
	{0, UNTAGGED, ".uu...uu", 0},
	{0, 10, "...uu.tt", 10},
	{0, 20, ".....u.t", 20},
	{0, 1001, ".......t", 1001},
	{0, 1003, ".......t", 1003},
	{1, UNTAGGED, "u.u...ut", 1001},
	{1, 1001, "u.u...ut", 1001},
	{1, 1002, NULL, 0},
	{1, 10, NULL, 0},
	{2, UNTAGGED, "uu....ut", 1002},
	{3, UNTAGGED, "t...u.tt", 10},
	{3, 10, NULL, 0},
	{3, 20, NULL, 0},
	{4, UNTAGGED, "t..u..tt", 10},
	{5, UNTAGGED, "t......t", 20},
	{6, UNTAGGED, "uuu....u", 0},
	{6, 10, "t..uu..t", 10},
	{6, 20, NULL, 0},
	{UPLINK, UNTAGGED, "u.....u.", 0},
	{UPLINK, 10, "t..uu.t.", 10},
	{UPLINK, 20, "t....u..", 20},
	{UPLINK, 1001, ".u......", 1001},
	{UPLINK, 1002, "..t.....", 1002},
	{UPLINK, 1003, "t.......", 1003},
};

static void set_mode(struct rig *r, uint32_t i, const struct mode *m)
{
	struct vh_vlan *v = &r->port[i]->vlan;

	v->mode = m->mode;
	v->keep_tag = m->keep_tag;
	v->id = m->vlans[0];
	for (uint32_t k = 0; k < m->n; k++)
		vh_vlan_allow(v, m->vlans[k]);
	r->sw->rules = 1;
}

/* Makes a frame with a tag in front of its EtherType. Return: its length. */
static uint32_t make(uint8_t *f, uint32_t dst, uint32_t src, uint32_t seq, uint16_t tag, uint32_t len)
{
	uint8_t d[6], s[6];

	frame_mac(d, dst);
	if (dst == UINT32_MAX)
		memset(d, 0xff, 6);
	frame_mac(s, src == UPLINK ? OUTSIDE : src);
	frame_make(f, d, s, seq, len);
	if (tag == UNTAGGED)
		return len;
	memmove(f + 16, f + 12, len - 12);
	frame_tag(f, 0x8100, tag);
	return len + 4;
}

/* Takes the tag off and checks the rest. Return: it, or UNTAGGED. */
static uint16_t check(uint8_t *f, int32_t len, uint32_t seq)
{
	uint16_t tag = UNTAGGED;

	REQUIRE(len > 0);
	if (f[12] == 0x81 && f[13] == 0) {
		tag = (uint16_t)(f[14] << 8 | f[15]);
		memmove(f + 12, f + 16, (size_t)len - 16);
		len -= 4;
	}
	REQUIRE_EQ(frame_check(f, (uint32_t)len), seq);
	return tag;
}

static int32_t receive(struct rig *r, struct uplink_rig *u, uint32_t at, uint8_t *f)
{
	return at == UPLINK ? uplink_sent(u, f) : guest_receive(r->guest[at], 0, f, UPLINK_ROOM);
}

static void require_nothing(struct rig *r, struct uplink_rig *u)
{
	uint8_t f[UPLINK_ROOM];

	for (uint32_t at = 0; at <= UPLINK; at++)
		REQUIRE_EQ(receive(r, u, at, f), GUEST_NOTHING);
}

static void send(struct rig *r, struct uplink_rig *u, uint32_t from, const uint8_t *f, uint32_t len,
	enum guest_layout layout)
{
	if (from == UPLINK) {
		uplink_arrive(u, f, len);
		REQUIRE_EQ(uplink_poll(u, 1), 1);
		return;
	}
	REQUIRE(guest_send(r->guest[from], 0, f, len, layout));
	REQUIRE_EQ(rig_poll(r, from, 1), 1);
	guest_reap(r->guest[from], 0);
}

static struct rig *all_modes(struct uplink_rig **u)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < GUESTS; i++) {
		rig_add(r, &(struct guest_config){
				   .features = VH_F_VERSION_1 | VH_F_INDIRECT_DESC, .exact = true});
		guest_post_all(r->guest[i], 0, 2000, LAYOUT_SINGLE);
		set_mode(r, i, &modes[i]);
	}
	*u = uplink_new(r, 0);
	return r;
}

/* One frame with that mode of sender and tag. `dst`: UINT32_MAX, or the one that alone shall get it. */
static void one(struct rig *r, struct uplink_rig *u, const struct broadcast *b, uint32_t dst)
{
	static uint32_t seq;
	uint8_t f[UPLINK_ROOM];
	uint32_t len = make(f, dst, b->from, ++seq, b->tag, 64);

	send(r, u, b->from, f, len, LAYOUT_SINGLE);
	for (uint32_t at = 0; at <= UPLINK; at++) {
		if (b->to == NULL || b->to[at] == '.' || (dst != UINT32_MAX && dst != at))
			continue;
		REQUIRE_EQ(check(f, receive(r, u, at, f), seq), b->to[at] == 'u' ? UNTAGGED : b->out);
	}
	require_nothing(r, u);
}

void test_vlan_who_gets_what(void)
{
	struct uplink_rig *u;
	struct rig *r = all_modes(&u);
	size_t n = sizeof(broadcasts) / sizeof(broadcasts[0]);
	uint64_t bad = 0;

	for (size_t i = 0; i < n; i++) {
		one(r, u, &broadcasts[i], UINT32_MAX);
		bad += broadcasts[i].to == NULL;
	}
	/* Everybody is known now, in all of its VLANs: to each one alone. */
	for (size_t i = 0; i < n; i++)
		for (uint32_t at = 0; broadcasts[i].to != NULL && at < GUESTS; at++)
			if (broadcasts[i].to[at] != '.')
				one(r, u, &broadcasts[i], at);
	for (uint32_t i = 0; i < GUESTS; i++)
		bad -= rig_drops(r, i, VH_DROP_TX_BAD_VLAN);
	REQUIRE_EQ(bad, 0);
	/* A guest under another's tag: not even where the address is right. */
	one(r, u, &(struct broadcast){UPLINK, 1001, "........", 0}, 2);
	one(r, u, &(struct broadcast){UPLINK, 10, "........", 0}, 5);
	REQUIRE_EQ(uplink_drops(u, VH_DROP_TX_UNKNOWN_UNICAST), 2);
	uplink_free(u);
	rig_free(r);
}

void test_vlan_every_layout(void)
{
	struct uplink_rig *u;
	struct rig *r = all_modes(&u);
	uint8_t f[UPLINK_ROOM];

	for (uint32_t i = 0; i < 40U * LAYOUT_COUNT; i++) {
		/* A guest of VLAN 10 to one of its own, one that wants tags, and the uplink; and back. */
		bool up = i % 2 == 0;
		uint32_t len = make(f, UINT32_MAX, up ? 3 : 6, i, up ? UNTAGGED : 0x600a,
			rng_between(&test_rng, FRAME_MIN, 1500));

		send(r, u, up ? 3 : 6, f, len, (enum guest_layout)(i % LAYOUT_COUNT));
		REQUIRE_EQ(check(f, receive(r, u, 4, f), i), UNTAGGED);
		/* The priority that the guest gave it stays. */
		REQUIRE_EQ(check(f, receive(r, u, UPLINK, f), i), up ? 10 : 0x600a);
		REQUIRE_EQ(check(f, receive(r, u, up ? 6 : 3, f), i), up ? 10 : UNTAGGED);
		REQUIRE_EQ(check(f, receive(r, u, 0, f), i), up ? 10 : 0x600a);
		require_nothing(r, u);
		for (uint32_t g = 0; g < GUESTS; g++)
			guest_post(r->guest[g], 0, 2000, LAYOUT_SINGLE);
	}
	uplink_free(u);
	rig_free(r);
}

/* The buffer of a frame that is on its way; its tag is changed when it has been looked at. */
static uint8_t *victim;

static void change_tag(void *context)
{
	(void)context;
	frame_tag(victim, 0x8100, 20);
}

void test_vlan_changed_meanwhile(void)
{
	struct uplink_rig *u;
	struct rig *r = all_modes(&u);
	uint8_t f[UPLINK_ROOM];
	static const uint32_t from[] = {6, 3, 1};
	static const uint16_t tag[] = {10, UNTAGGED, UNTAGGED}, out[] = {10, 10, 1001};

	u->meanwhile = change_tag;
	for (uint32_t i = 0; i < 3; i++) {
		struct guest *g = r->guest[from[i]];
		uint32_t len = make(f, 50, from[i], i, tag[i], 64);
		const struct guest_chain *chain = NULL;

		REQUIRE(guest_send(g, 0, f, len, LAYOUT_SINGLE));
		for (uint32_t id = 0; chain == NULL; id++)
			if (g->tx[0].chain[id].n_descs > 0)
				chain = &g->tx[0].chain[id];
		victim = guest_at(g, chain->buf[0].gpa) + 12;
		REQUIRE_EQ(rig_poll(r, from[i], 1), 1);
		len = (uint32_t)uplink_sent(u, f);
		REQUIRE(len > 18);
		/* What was checked is what goes out, tag and EtherType. */
		REQUIRE_EQ(f[12] << 8 | f[13], 0x8100);
		REQUIRE_EQ(f[14] << 8 | f[15], out[i]);
		REQUIRE_EQ(f[16] << 8 | f[17], 0x88b5);
		guest_reap(g, 0);
	}
	uplink_free(u);
	rig_free(r);
}

void test_vlan_lengths(void)
{
	static uint8_t f[VH_MAX_FRAME + 4];
	uint8_t got[UPLINK_ROOM];
	struct rig *r = rig_new();
	struct uplink_rig *u;

	rig_add(r, &(struct guest_config){.features = VH_F_VERSION_1 | VH_F_INDIRECT_DESC, .exact = true});
	set_mode(r, 0, &(struct mode){.mode = VH_VLAN_ACCESS, .vlans = {10}, .n = 1});
	u = uplink_new(r, 0);
	/* As long as a frame may be: with a tag it would be longer. */
	make(f, 50, 0, 1, UNTAGGED, VH_MAX_FRAME);
	send(r, u, 0, f, VH_MAX_FRAME, LAYOUT_INDIRECT);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_TOO_LONG), 1);
	/* One that ends where the rest of its tag would stand: whoever fills it up makes a whole one of it.
	 */
	for (uint32_t len = VH_MIN_FRAME; len < VH_MIN_FRAME + 4; len++) {
		make(f, 50, 0, 1, UNTAGGED, FRAME_MIN);
		frame_tag(f, 0x8100, 0);
		send(r, u, 0, f, len, LAYOUT_SINGLE);
		REQUIRE_EQ(uplink_sent(u, got), GUEST_NOTHING);
	}
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_VLAN), 4);
	/* As short as it may be. */
	for (uint32_t len = VH_MIN_FRAME; len < VH_MIN_FRAME + 4; len++) {
		make(f, 50, 0, 1, UNTAGGED, FRAME_MIN);
		send(r, u, 0, f, len, LAYOUT_SINGLE);
		REQUIRE_EQ(uplink_sent(u, got), len + 4);
		REQUIRE_EQ(got[14] << 8 | got[15], 10);
		REQUIRE(memcmp(got + 16, f + 12, len - 12) == 0);
	}
	uplink_free(u);
	rig_free(r);
}

/* An unfinished frame keeps its meaning where its tag comes or goes. */
void test_vlan_offloads(void)
{
	static struct offload_frame frame;
	static uint8_t got[VH_MAX_FRAME];
	struct vh_virtio_header h;
	struct rig *r = rig_new();
	struct uplink_rig *u;

	for (uint32_t i = 0; i < 2; i++) {
		rig_add(r, &(struct guest_config){.features = OFFLOAD_ON, .exact = true});
		guest_post_all(r->guest[i], 0, 2000, LAYOUT_SINGLE);
		set_mode(r, i, &modes[i == 0 ? 3 : 6]);
	}
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t gso = i == 0 ? 0 : 1448;
		int32_t len;

		offload_make(&frame, UINT32_MAX, false, 0, 3000, i, gso);
		offload_send(r, 0, &frame, LAYOUT_SINGLE);
		REQUIRE_EQ(rig_poll(r, 0, 1), 1);
		len = guest_receive_header(r->guest[1], 0, &h, got, sizeof(got));
		REQUIRE_EQ(len, frame.len + 4);
		REQUIRE_EQ(got[14] << 8 | got[15], 10);
		REQUIRE_EQ(h.csum_start, frame.header.csum_start + 4);
		REQUIRE_EQ(h.csum_offset, frame.header.csum_offset);
		REQUIRE_EQ(h.gso_size, gso);
		REQUIRE(memcmp(got + 16, frame.data + 12, frame.len - 12) == 0);
	}
	/* Out to the network nothing is left unfinished, and the segments have the tag. */
	u = uplink_new(r, 0);
	offload_hook(r, UINT32_MAX);
	offload_make(&frame, UINT32_MAX, false, 0, 3000, 7, 1448);
	offload_send(r, 0, &frame, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(u->n_out, 3);
	while (uplink_sent(u, got) != GUEST_NOTHING)
		REQUIRE_EQ(got[12] << 8 | got[13], 0x8100);
	/* A checksum over the headers that we write would be none of the guest's business. */
	offload_make(&frame, UINT32_MAX, false, 0, 100, 3, 0);
	frame.header.csum_start = 10;
	offload_send(r, 0, &frame, LAYOUT_SINGLE);
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_BAD_OFFLOAD), 1);
	uplink_free(u);
	rig_free(r);
}
