/* Forwarding: what goes where, in which order. */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

#define MODERN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)

static void send_raw(struct rig *r, uint32_t from, const uint8_t *f, uint32_t len)
{
	REQUIRE(guest_send(r->guest[from], 0, f, len, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, from, 1), 1);
	guest_reap(r->guest[from], 0);
}

/* Sends between addresses (guest numbers). Return: the set of guests that got the frame, as bits. */
static uint32_t receivers(struct rig *r, uint32_t on, const uint8_t dst[6], uint32_t src)
{
	static uint32_t seq;
	uint32_t got = 0;
	uint8_t f[60], mac[6];

	frame_mac(mac, src);
	frame_make(f, dst, mac, ++seq, sizeof(f));
	send_raw(r, on, f, sizeof(f));
	for (uint32_t i = 0; i < r->n; i++) {
		int64_t s = rig_receive(r, i, NULL);

		if (s == GUEST_NOTHING)
			continue;
		REQUIRE_EQ(s, seq);
		REQUIRE_EQ(rig_receive(r, i, NULL), GUEST_NOTHING);
		got |= 1U << i;
	}
	return got;
}

static uint32_t between(struct rig *r, uint32_t src, uint32_t dst)
{
	uint8_t mac[6];

	frame_mac(mac, dst);
	return receivers(r, src, mac, src);
}

void test_switch_learns_and_floods(void)
{
	struct rig *r = rig_guests(MODERN, 4);
	uint8_t broadcast[6], multicast[6] = {0x33, 0x33, 0, 0, 0, 1};

	memset(broadcast, 0xff, 6);
	REQUIRE_EQ(between(r, 0, 1), 0xe);
	REQUIRE_EQ(between(r, 1, 0), 0x1);
	REQUIRE_EQ(between(r, 0, 1), 0x2);
	REQUIRE_EQ(between(r, 0, 3), 0xe);
	REQUIRE_EQ(receivers(r, 2, broadcast, 2), 0xb);
	REQUIRE_EQ(receivers(r, 2, multicast, 2), 0xb);
	REQUIRE_EQ(between(r, 0, 2), 0x4);
	/* The destination is behind the sender's own port. */
	REQUIRE_EQ(between(r, 0, 0), 0);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_HAIRPIN), 1);
	/* Counters to the frame: 9 sent, floods counted once for every receiver. */
	REQUIRE_EQ(rig_counters(r, 0).tx_packets, 5);
	REQUIRE_EQ(rig_counters(r, 0).rx_packets, 3);
	REQUIRE_EQ(rig_counters(r, 1).rx_packets, 5);
	REQUIRE_EQ(rig_counters(r, 2).rx_packets, 3);
	REQUIRE_EQ(rig_counters(r, 3).rx_packets, 4);
	REQUIRE_EQ(rig_counters(r, 3).rx_bytes, 4 * 60);
	/* Forgotten: flooded again. */
	REQUIRE(vh_mac_age(&r->sw->macs, 301, 300) >= 3);
	REQUIRE_EQ(between(r, 0, 2), 0xe);
	rig_free(r);
}

void test_switch_moves(void)
{
	struct rig *r = rig_guests(MODERN, 3);
	uint8_t a[6], b[6];

	frame_mac(a, 0);
	rig_learn_all(r);
	REQUIRE_EQ(between(r, 1, 0), 0x1);
	/* Guest 0's address now speaks from guest 2's port, and then from guest 0's again. */
	frame_mac(b, 1);
	for (uint32_t i = 0; i < VH_MAC_MOVES / 2; i++) {
		REQUIRE_EQ(receivers(r, 2, b, 0), 0x2);
		REQUIRE_EQ(between(r, 1, 0), 0x4);
		REQUIRE_EQ(receivers(r, 0, b, 0), 0x2);
		REQUIRE_EQ(between(r, 1, 0), 0x1);
	}
	/* Often enough for this second. Its frames go on all the same. */
	REQUIRE_EQ(receivers(r, 2, b, 0), 0x2);
	REQUIRE_EQ(between(r, 1, 0), 0x1);
	/* Forgetting a port makes its next frame learn again although it was just seen on that queue. */
	REQUIRE_EQ(vh_mac_forget_port(&r->sw->macs, 0), 1);
	REQUIRE_EQ(between(r, 0, 1), 0x2);
	REQUIRE_EQ(mac_lookup(&r->sw->macs, vh_mac_key(a, 0)), 0);
	rig_require_balance(r);
	rig_free(r);
}

/* Sends a tagged frame. Return: who got it, as bits. */
static uint32_t tagged(struct rig *r, uint32_t src, uint32_t dst, uint16_t type, uint16_t tci)
{
	uint8_t f[60], out[2000], d[6], s[6];
	uint32_t got = 0;

	frame_mac(d, dst);
	frame_mac(s, src);
	frame_make(f, d, s, 1, sizeof(f));
	frame_tag(f, type, tci);
	send_raw(r, src, f, sizeof(f));
	for (uint32_t i = 0; i < r->n; i++) {
		int32_t n = guest_receive(r->guest[i], 0, out, sizeof(out));

		if (n == GUEST_NOTHING)
			continue;
		REQUIRE_EQ(n, sizeof(f));
		/* Tags pass unchanged. */
		REQUIRE(memcmp(f, out, sizeof(f)) == 0);
		got |= 1U << i;
	}
	return got;
}

void test_switch_vlans(void)
{
	struct rig *r = rig_guests(MODERN, 3);

	REQUIRE_EQ(tagged(r, 0, 1, 0x8100, 5), 0x6);
	REQUIRE_EQ(tagged(r, 1, 0, 0x8100, 5), 0x1);
	/* Known in VLAN 5, unknown in 6 and untagged; priority bits and DEI make no other VLAN. */
	REQUIRE_EQ(tagged(r, 1, 0, 0x8100, 6), 0x5);
	REQUIRE_EQ(tagged(r, 1, 0, 0x8100, 0xf005), 0x1);
	REQUIRE_EQ(tagged(r, 1, 0, 0x88a8, 5), 0x1);
	REQUIRE_EQ(between(r, 1, 0), 0x5);
	/* A priority tag (VLAN 0) is the untagged LAN. */
	REQUIRE_EQ(tagged(r, 0, 1, 0x8100, 0xe000), 0x2);
	REQUIRE_EQ(between(r, 1, 0), 0x1);
	rig_free(r);
}

/* The addresses may lie in several segments, and end with the frame. */
void test_switch_short_first_segment(void)
{
	struct rig *r = rig_guests(MODERN, 3);
	struct guest_shape s = {.edge = -1};
	uint8_t f[60], mac[6];

	rig_learn_all(r);
	frame_mac(mac, 0);
	for (uint32_t len = VH_MIN_FRAME; len < 40; len++) {
		for (uint32_t cut = 1; cut < 20 && cut + 1 < len; cut++) {
			uint8_t out[100];

			memset(f, (int)len, sizeof(f));
			frame_mac(f, 2);
			frame_mac(f + 6, 0);
			s.n = 4;
			s.len[0] = 12;
			s.len[1] = cut;
			s.len[2] = 1;
			s.len[3] = len - cut - 1;
			s.direct = s.n;
			REQUIRE(s.len[3] > 0 && guest_send_shape(r->guest[0], 0, &s, f, len));
			REQUIRE_EQ(rig_poll(r, 0, 1), 1);
			guest_reap(r->guest[0], 0);
			REQUIRE_EQ(guest_receive(r->guest[2], 0, out, sizeof(out)), len);
			REQUIRE(memcmp(out, f, len) == 0);
			REQUIRE(guest_post(r->guest[2], 0, 2000, LAYOUT_SINGLE));
		}
	}
	REQUIRE_EQ(rig_counters(r, 1).rx_packets, 0);
	rig_require_balance(r);
	rig_free(r);
}

/* Frames to one receiver keep their order when flooded ones stand between unicast ones. */
void test_switch_order_of_flood_and_unicast(void)
{
	struct rig *r = rig_guests(MODERN, 4);
	uint32_t next[4] = {0};
	uint8_t f[60], dst[6], src[6];

	rig_learn_all(r);
	frame_mac(src, 0);
	for (uint32_t round = 0; round < 50; round++) {
		uint32_t to[VH_BATCH], n = rng_between(&test_rng, 1, VH_BATCH);

		for (uint32_t i = 0; i < n; i++) {
			to[i] = rng_between(&test_rng, 1, 4);
			frame_mac(dst, to[i]);
			if (to[i] == 4)
				memset(dst, 0xff, 6);
			frame_make(f, dst, src, i, sizeof(f));
			REQUIRE(guest_send(r->guest[0], 0, f, sizeof(f), LAYOUT_SINGLE));
		}
		REQUIRE_EQ(rig_poll(r, 0, 1), n);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), n);
		for (uint32_t g = 1; g < 4; g++) {
			for (uint32_t i = 0; i < n; i++)
				if (to[i] == g || to[i] == 4)
					REQUIRE_EQ(rig_receive(r, g, NULL), i);
			REQUIRE_EQ(rig_receive(r, g, NULL), GUEST_NOTHING);
			guest_post_all(r->guest[g], 0, 2000, LAYOUT_SINGLE);
		}
		next[0] += n;
	}
	REQUIRE_EQ(rig_counters(r, 0).tx_packets, next[0]);
	rig_free(r);
}
