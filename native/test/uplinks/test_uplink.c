/* Uplinks: what goes out to the network, what comes in, and whose buffers are whose. */
#include "../tests.h"
#include "../rig/uplink_rig.h"

#include <string.h>

/* Hosts in the network have the addresses of guests from this number on. */
#define OUTSIDE 100

/* UINT32_MAX: everybody. */
static void make(uint8_t *f, uint32_t dst, uint32_t src, uint32_t seq)
{
	uint8_t d[6], s[6];

	frame_mac(d, dst);
	if (dst == UINT32_MAX)
		memset(d, 0xff, 6);
	frame_mac(s, src);
	frame_make(f, d, s, seq, 60);
}

static void send_from(struct rig *r, uint32_t guest, uint32_t dst, uint32_t seq)
{
	uint8_t f[60];

	make(f, dst, guest, seq);
	REQUIRE(guest_send(r->guest[guest], 0, f, sizeof(f), LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, guest, 1), 1);
	guest_reap(r->guest[guest], 0);
}

static void arrive(struct uplink_rig *u, uint32_t dst, uint32_t src, uint32_t seq)
{
	uint8_t f[60];

	make(f, dst, src, seq);
	uplink_arrive(u, f, sizeof(f));
}

/* Who got the frame with this number, and nothing else: guests as bits, uplinks from bit 16 on. */
static uint32_t who(struct rig *r, struct uplink_rig *const *u, uint32_t n_uplinks, uint32_t seq)
{
	uint8_t f[UPLINK_ROOM];
	uint32_t got = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		int64_t s = rig_receive(r, i, NULL);

		if (s == GUEST_NOTHING)
			continue;
		REQUIRE_EQ(s, seq);
		REQUIRE_EQ(rig_receive(r, i, NULL), GUEST_NOTHING);
		got |= 1U << i;
	}
	for (uint32_t i = 0; i < n_uplinks; i++) {
		int32_t len = uplink_sent(u[i], f);

		if (len == GUEST_NOTHING)
			continue;
		REQUIRE_EQ(frame_check(f, (uint32_t)len), seq);
		REQUIRE_EQ(uplink_sent(u[i], f), GUEST_NOTHING);
		got |= 0x10000U << i;
	}
	return got;
}

void test_uplink_both_ways(void)
{
	struct rig *r = rig_guests(VH_F_VERSION_1, 3);
	struct uplink_rig *u[2] = {uplink_new(r, 0), uplink_new(r, 1)};

	send_from(r, 0, 1, 1);
	REQUIRE_EQ(who(r, u, 2, 1), 0x30006);
	send_from(r, 1, 0, 2);
	REQUIRE_EQ(who(r, u, 2, 2), 0x1);
	send_from(r, 1, UINT32_MAX, 3);
	REQUIRE_EQ(who(r, u, 2, 3), 0x30005);
	/* A host speaks: to a known guest, and from then on it is known where it is. */
	arrive(u[1], 0, OUTSIDE, 4);
	REQUIRE_EQ(uplink_poll(u[1], 1), 1);
	REQUIRE_EQ(who(r, u, 2, 4), 0x1);
	send_from(r, 2, OUTSIDE, 5);
	REQUIRE_EQ(who(r, u, 2, 5), 0x20000);
	arrive(u[1], UINT32_MAX, OUTSIDE, 6);
	REQUIRE_EQ(uplink_poll(u[1], 1), 1);
	REQUIRE_EQ(who(r, u, 2, 6), 0x7);
	REQUIRE_EQ(uplink_lent(u[1]), 0);
	uplink_free(u[0]);
	uplink_free(u[1]);
	rig_free(r);
}

void test_uplink_unknown_unicast(void)
{
	struct rig *r = rig_guests(VH_F_VERSION_1, 2);
	struct uplink_rig *u[2] = {uplink_new(r, 0), uplink_new(r, 1)};

	rig_learn_all(r);
	arrive(u[1], UINT32_MAX, OUTSIDE + 1, 1);
	uplink_poll(u[1], 1);
	REQUIRE_EQ(who(r, u, 2, 1), 0x3);
	/* Nobody is known to have it. */
	arrive(u[0], 50, OUTSIDE, 2);
	/* A host behind the other uplink: the switch is no bridge between networks. */
	arrive(u[0], OUTSIDE + 1, OUTSIDE, 2);
	uplink_poll(u[0], 1);
	REQUIRE_EQ(who(r, u, 2, 0), 0);
	REQUIRE_EQ(uplink_drops(u[0], VH_DROP_TX_UNKNOWN_UNICAST), 2);
	/* Behind the same one. */
	arrive(u[0], OUTSIDE, OUTSIDE + 2, 3);
	uplink_poll(u[0], 1);
	REQUIRE_EQ(who(r, u, 2, 0), 0);
	REQUIRE_EQ(uplink_drops(u[0], VH_DROP_TX_HAIRPIN), 1);
	u[0]->port.flood_unknown_unicast = true;
	arrive(u[0], 50, OUTSIDE, 4);
	uplink_poll(u[0], 1);
	REQUIRE_EQ(who(r, u, 2, 4), 0x3);
	arrive(u[0], OUTSIDE + 1, OUTSIDE, 5);
	uplink_poll(u[0], 1);
	REQUIRE_EQ(who(r, u, 2, 0), 0);
	uplink_free(u[0]);
	uplink_free(u[1]);
	rig_free(r);
}

void test_uplink_does_not_take_addresses(void)
{
	struct rig *r = rig_guests(VH_F_VERSION_1, 2);
	struct uplink_rig *u = uplink_new(r, 0);

	rig_learn_all(r);
	/* The network sends guest 0's own broadcast back: its address stays. */
	r->lane[0]->now = VH_MAC_HOLD;
	arrive(u, UINT32_MAX, 0, 1);
	uplink_poll(u, 1);
	REQUIRE_EQ(who(r, &u, 1, 1), 0x3);
	send_from(r, 1, 0, 2);
	REQUIRE_EQ(who(r, &u, 1, 2), 0x1);
	/* It has moved away: silent here for a while, and then heard out there. */
	r->lane[0]->now = VH_MAC_HOLD + 1;
	arrive(u, 1, 0, 3);
	uplink_poll(u, 1);
	REQUIRE_EQ(who(r, &u, 1, 3), 0x2);
	send_from(r, 1, 0, 4);
	REQUIRE_EQ(who(r, &u, 1, 4), 0x10000);
	/* And back: a guest's own word counts at once. */
	send_from(r, 0, 1, 5);
	REQUIRE_EQ(who(r, &u, 1, 5), 0x2);
	send_from(r, 1, 0, 6);
	REQUIRE_EQ(who(r, &u, 1, 6), 0x1);
	uplink_free(u);
	rig_free(r);
}

void test_uplink_parked(void)
{
	struct rig *r = rig_new();
	struct uplink_rig *u = uplink_new(r, 0);

	rig_add(r, &(struct guest_config){.features = VH_F_VERSION_1, .exact = true});
	rig_learn_all(r);
	rig_retry(r, 3, 10);
	for (uint32_t i = 0; i < 20; i++)
		arrive(u, 0, OUTSIDE, i);
	for (uint32_t i = 0; i < 12; i++)
		REQUIRE(guest_post(r->guest[0], 0, 2000, LAYOUT_SINGLE));
	REQUIRE_EQ(uplink_poll(u, 1), 0);
	REQUIRE_EQ(uplink_lent(u), 20);
	for (uint32_t i = 0; i < 8; i++)
		REQUIRE(guest_post(r->guest[0], 0, 2000, LAYOUT_SINGLE));
	rig_tick(r, 10);
	REQUIRE_EQ(uplink_poll(u, 1), 20);
	REQUIRE_EQ(uplink_lent(u), 0);
	for (uint32_t i = 0; i < 20; i++)
		REQUIRE_EQ(rig_receive(r, 0, NULL), i);
	/* Nobody takes them: the control thread ends the round, and the driver has its buffers back. */
	arrive(u, 0, OUTSIDE, 20);
	REQUIRE_EQ(uplink_poll(u, 1), 0);
	REQUIRE_EQ(uplink_lent(u), 1);
	vh_uplink_stop(&u->port);
	vh_switch_flush(r->sw, &u->port, 0);
	REQUIRE_EQ(uplink_lent(u), 0);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_RX_RING_FULL), 1);
	uplink_free(u);
	rig_free(r);
}

void test_uplink_full_or_gone(void)
{
	struct rig *r = rig_guests(VH_F_VERSION_1, 1);
	struct uplink_rig *u = uplink_new(r, 0);
	uint8_t f[60];

	rig_retry(r, 3, 10);
	arrive(u, UINT32_MAX, OUTSIDE, 0);
	uplink_poll(u, 1);
	REQUIRE_EQ(who(r, &u, 1, 0), 0x1);
	u->room = 7;
	for (uint32_t i = 0; i < 10; i++) {
		make(f, OUTSIDE, 0, i);
		REQUIRE(guest_send(r->guest[0], 0, f, sizeof(f), LAYOUT_SINGLE));
	}
	/* Not waited for, retrying or not. */
	REQUIRE_EQ(rig_poll(r, 0, 1), 10);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 10);
	REQUIRE_EQ(u->n_out, 7);
	REQUIRE_EQ(uplink_drops(u, VH_DROP_RX_RING_FULL), 3);
	vh_uplink_stop(&u->port);
	send_from(r, 0, OUTSIDE, 1);
	REQUIRE_EQ(uplink_drops(u, VH_DROP_RX_NOT_READY), 1);
	uplink_free(u);
	rig_free(r);
}

void test_uplink_isolated_guests(void)
{
	struct rig *r = rig_guests(VH_F_VERSION_1, 3);
	struct uplink_rig *u = uplink_new(r, 0);

	rig_learn_all(r);
	r->sw->isolate = true;
	r->sw->rules = 1;
	send_from(r, 0, 1, 1);
	REQUIRE_EQ(who(r, &u, 1, 1), 0x10000);
	send_from(r, 0, UINT32_MAX, 2);
	REQUIRE_EQ(who(r, &u, 1, 2), 0x10000);
	send_from(r, 0, 50, 3);
	REQUIRE_EQ(who(r, &u, 1, 3), 0x10000);
	/* What the network sends back is delivered, though the sender is one of ours. */
	arrive(u, 1, 0, 4);
	uplink_poll(u, 1);
	REQUIRE_EQ(who(r, &u, 1, 4), 0x2);
	vh_uplink_stop(&u->port);
	send_from(r, 0, UINT32_MAX, 5);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_NO_DESTINATION), 1);
	uplink_free(u);
	rig_free(r);
}
