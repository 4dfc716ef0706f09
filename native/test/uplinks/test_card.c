/* A card that switches between guests (--vm2vm 2): what goes there, and what becomes of what it gives back.
 */
#include "../tests.h"
#include "../rig/uplink_rig.h"

#include <string.h>

#define GUESTS 4
/* Its frames come with their tag. */
#define KEEPS_TAG 2
/* The card has no queue for it. */
#define BEYOND 3
#define OUTSIDE 100
#define ALL UINT32_MAX
#define LONGEST 200

/* Makes a frame, with a tag (all 16 bits) unless that is UNTAGGED. Return: its length. */
static uint32_t make(uint8_t *f, uint32_t dst, uint32_t src, uint16_t tag, uint32_t seq)
{
	uint8_t d[6], s[6];

	memset(d, 0xff, 6);
	if (dst != ALL)
		frame_mac(d, dst);
	frame_mac(s, src);
	frame_make(f, d, s, seq, 64);
	if (tag == UNTAGGED)
		return 64;
	memmove(f + 16, f + 12, 52);
	frame_tag(f, 0x8100, tag);
	return 68;
}

static struct rig *with_card(struct uplink_rig **u)
{
	struct rig *r = rig_guests(VH_F_VERSION_1, GUESTS);
	uint8_t mac[6];

	for (uint32_t i = 0; i < GUESTS; i++) {
		r->port[i]->vlan.mode = VH_VLAN_AUTO;
		r->port[i]->vlan.keep_tag = i == KEEPS_TAG;
		frame_mac(mac, i);
		r->port[i]->at_card = i == BEYOND ? 0 : vh_mac_key(mac, 0);
	}
	*u = uplink_new(r, 0);
	r->sw->rules = 1;
	r->sw->card_longest = LONGEST;
	r->sw->card = &(*u)->port;
	rig_learn_all(r);
	return r;
}

static void done(struct rig *r, struct uplink_rig *u)
{
	uplink_free(u);
	rig_free(r);
}

static void say(struct rig *r, uint32_t from, const uint8_t *f, uint32_t len)
{
	REQUIRE(guest_send(r->guest[from], 0, f, len, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, from, 1), 1);
	guest_reap(r->guest[from], 0);
}

/* The guest gets just this frame, with that tag, and nobody else anything. guest: GUESTS for the card. */
static void only(struct rig *r, struct uplink_rig *u, uint32_t guest, uint16_t tag, uint32_t seq)
{
	uint8_t f[UPLINK_ROOM];

	for (uint32_t i = 0; i <= GUESTS; i++) {
		int32_t len = i == GUESTS ? uplink_sent(u, f) : guest_receive(r->guest[i], 0, f, sizeof(f));

		if (i != guest) {
			REQUIRE_EQ(len, GUEST_NOTHING);
			continue;
		}
		REQUIRE(len > 0);
		if (tag != UNTAGGED) {
			REQUIRE_EQ(f[12] << 8 | f[13], 0x8100);
			REQUIRE_EQ(f[14] << 8 | f[15], tag);
			memmove(f + 12, f + 16, (size_t)len - 16);
			len -= 4;
		}
		REQUIRE_EQ(frame_check(f, (uint32_t)len), seq);
	}
}

/* The card gives the frame back that it was given last. */
static void loop(struct uplink_rig *u)
{
	const struct uplink_frame *f = &u->out[u->n_out - 1];

	uplink_arrive(u, f->data, f->len);
	REQUIRE_EQ(uplink_poll(u, 1), 1);
}

void test_card_between_guests(void)
{
	struct uplink_rig *u;
	struct rig *r = with_card(&u);
	uint8_t f[UPLINK_ROOM];

	say(r, 0, f, make(f, 1, 0, UNTAGGED, 1));
	only(r, u, GUESTS, 1001, 1);
	loop(u);
	only(r, u, 1, UNTAGGED, 1);
	/* The sender's own tag, and its priority. */
	say(r, 1, f, make(f, 0, 1, 0x6000 | 1001, 2));
	only(r, u, GUESTS, 0x6000 | 1000, 2);
	loop(u);
	only(r, u, 0, UNTAGGED, 2);
	/* As without a card no tag from a neighbour, but one from the network. */
	say(r, 0, f, make(f, KEEPS_TAG, 0, UNTAGGED, 3));
	only(r, u, GUESTS, 1000 + KEEPS_TAG, 3);
	loop(u);
	only(r, u, KEEPS_TAG, UNTAGGED, 3);
	uplink_arrive(u, f, make(f, KEEPS_TAG, OUTSIDE, 1000 + KEEPS_TAG, 4));
	REQUIRE_EQ(uplink_poll(u, 1), 1);
	only(r, u, KEEPS_TAG, 1000 + KEEPS_TAG, 4);
	done(r, u);
}

static void everybody_but_first(struct rig *r, struct uplink_rig *u, uint32_t seq)
{
	for (uint32_t i = 1; i < GUESTS; i++)
		REQUIRE_EQ(rig_receive(r, i, NULL), seq);
	only(r, u, GUESTS, 1000, seq);
}

void test_card_groups_come_once(void)
{
	struct uplink_rig *u;
	struct rig *r = with_card(&u);
	uint8_t f[UPLINK_ROOM];

	say(r, 0, f, make(f, ALL, 0, UNTAGGED, 1));
	everybody_but_first(r, u, 1);
	loop(u);
	only(r, u, ALL, UNTAGGED, 0);
	REQUIRE_EQ(uplink_drops(u, VH_DROP_TX_HAIRPIN), 1);
	/* Nobody here has it; a card may give such back as well, and the network may be asked to flood them.
	 */
	u->port.flood_unknown_unicast = true;
	say(r, 0, f, make(f, OUTSIDE, 0, UNTAGGED, 2));
	everybody_but_first(r, u, 2);
	loop(u);
	only(r, u, ALL, UNTAGGED, 0);
	/* The network's own. */
	uplink_arrive(u, f, make(f, ALL, OUTSIDE, 1000, 3));
	REQUIRE_EQ(uplink_poll(u, 1), 1);
	only(r, u, 0, UNTAGGED, 3);
	done(r, u);
}

void test_card_is_not_asked(void)
{
	struct uplink_rig *u;
	struct rig *r = with_card(&u);
	uint8_t f[UPLINK_ROOM], mac[6];

	say(r, 0, f, make(f, BEYOND, 0, UNTAGGED, 1));
	only(r, u, BEYOND, UNTAGGED, 1);
	/* The guest's address at the card is another one. */
	frame_mac(mac, OUTSIDE);
	r->port[1]->at_card = vh_mac_key(mac, 0);
	say(r, 0, f, make(f, 1, 0, UNTAGGED, 2));
	only(r, u, 1, UNTAGGED, 2);
	/* Just as long as it takes them, and longer. */
	make(f, KEEPS_TAG, 0, UNTAGGED, 0);
	frame_make(f, f, f + 6, 3, LONGEST - 4);
	say(r, 0, f, LONGEST - 4);
	only(r, u, GUESTS, 1000 + KEEPS_TAG, 3);
	frame_make(f, f, f + 6, 4, LONGEST - 3);
	say(r, 0, f, LONGEST - 3);
	only(r, u, KEEPS_TAG, UNTAGGED, 4);
	/* It has gone. */
	vh_uplink_stop(&u->port);
	say(r, 1, f, make(f, 0, 1, UNTAGGED, 5));
	only(r, u, 0, UNTAGGED, 5);
	done(r, u);
}
