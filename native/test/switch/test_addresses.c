/* Frames that no bridge forwards and no station sends: 802.1Q-2022, 8.6.3, and sources that are no station's.
 */
#include "../rig/rig.h"
#include "../tests.h"
#include "../rig/uplink_rig.h"

#include <string.h>

#define LEN 60U
#define NETWORK 3U

/* Three guests and an uplink; `rules`: sorted by rules though no port has a VLAN mode. */
struct company {
	struct rig *r;
	struct uplink_rig *u;
};

static struct company company_of(bool rules)
{
	struct company c = {.r = rig_guests(VH_F_VERSION_1 | VH_F_INDIRECT_DESC, 3)};

	c.u = uplink_new(c.r, 0);
	c.u->port.flood_unknown_unicast = true;
	__atomic_store_n(&c.r->sw->rules, rules, __ATOMIC_RELAXED);
	return c;
}

static void company_free(struct company *c)
{
	uplink_free(c->u);
	rig_free(c->r);
}

static struct vh_port *port_of(const struct company *c, uint32_t i)
{
	return i == NETWORK ? &c->u->port : c->r->port[i];
}

/* Sends one frame. Return: who got it, as bits. */
static uint32_t receivers(struct company *c, uint32_t from, const uint8_t dst[6], const uint8_t src[6])
{
	static uint32_t seq;
	uint8_t f[2048];
	uint32_t got = 0;

	frame_make(f, dst, src, ++seq, LEN);
	if (from == NETWORK) {
		uplink_arrive(c->u, f, LEN);
		REQUIRE_EQ(uplink_poll(c->u, 1), 1);
	} else {
		REQUIRE(guest_send(c->r->guest[from], 0, f, LEN, LAYOUT_SINGLE));
		REQUIRE_EQ(rig_poll(c->r, from, 1), 1);
		guest_reap(c->r->guest[from], 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		if (rig_receive(c->r, i, NULL) == GUEST_NOTHING)
			continue;
		got |= 1U << i;
		REQUIRE(guest_post(c->r->guest[i], 0, 2000, LAYOUT_SINGLE));
	}
	if (uplink_sent(c->u, f) != GUEST_NOTHING)
		got |= 1U << NETWORK;
	c->u->n_out = c->u->read = 0;
	return got;
}

static uint64_t drops(const struct company *c, uint32_t from, enum vh_drop reason)
{
	return from == NETWORK ? uplink_drops(c->u, reason) : rig_drops(c->r, from, reason);
}

/* Every address in and around the reserved ones, from `from`. */
static void require_reserved(struct company *c, uint32_t from, bool forward)
{
	static const uint8_t near[][6] = {{1, 0x80, 0xc2, 0, 0, 0}, {1, 0x80, 0xc2, 0, 1, 0},
		{1, 0x80, 0xc2, 1, 0, 0}, {1, 0x80, 0xc3, 0, 0, 0}, {3, 0x80, 0xc2, 0, 0, 0},
		{1, 0, 0x5e, 0, 0, 0}};
	uint32_t others = (from == NETWORK ? 7U : 15U) & ~(1U << from);
	uint64_t before = drops(c, from, VH_DROP_TX_RESERVED), refused = 0;
	uint8_t dst[6], src[6];

	frame_mac(src, 50 + from);
	port_of(c, from)->forward_reserved = forward;
	for (uint32_t k = 0; k < sizeof(near) / 6; k++) {
		for (uint32_t last = 0; last < 32; last++) {
			bool reserved = k == 0 && last < 16;

			memcpy(dst, near[k], 6);
			dst[5] = (uint8_t)last;
			refused += reserved && !forward;
			REQUIRE_EQ(receivers(c, from, dst, src), reserved && !forward ? 0 : others);
		}
	}
	REQUIRE_EQ(drops(c, from, VH_DROP_TX_RESERVED) - before, refused);
}

void test_addresses_reserved(void)
{
	for (int rules = 0; rules <= 1; rules++) {
		struct company c = company_of(rules == 1);

		for (uint32_t from = 0; from <= NETWORK; from += NETWORK) {
			require_reserved(&c, from, false);
			require_reserved(&c, from, true);
		}
		/* It is the sender's port that has the option. */
		require_reserved(&c, 1, false);
		company_free(&c);
	}
}

/* Sources that are no station's go nowhere, to nobody, and are not learned. */
void test_addresses_sources(void)
{
	static const uint8_t bad[][6] = {{0}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {1, 0x80, 0xc2, 0, 0, 0},
		{3, 0, 0, 0, 0, 1}, {1, 0, 0, 0, 0, 0}};
	uint8_t everybody[6], station[6];

	memset(everybody, 0xff, 6);
	for (int rules = 0; rules <= 1; rules++) {
		struct company c = company_of(rules == 1);

		for (uint32_t from = 0; from <= NETWORK; from += NETWORK) {
			for (uint32_t i = 0; i < sizeof(bad) / 6; i++) {
				frame_mac(station, 1);
				REQUIRE_EQ(receivers(&c, from, station, bad[i]), 0);
				REQUIRE_EQ(receivers(&c, from, everybody, bad[i]), 0);
			}
			REQUIRE_EQ(drops(&c, from, VH_DROP_TX_BAD_SOURCE), 2 * sizeof(bad) / 6);
		}
		REQUIRE_EQ(c.r->sw->macs.used, 0);
		company_free(&c);
	}
}

/* A round of good ones and others, in any order. Return: how many of either kind: good, and *bad. */
static uint32_t send_mixed(struct company *c, uint32_t *bad, uint32_t seqs[VH_BATCH])
{
	static const uint8_t reserved[6] = {1, 0x80, 0xc2, 0, 0, 2}, none[6];
	uint32_t n = rng_between(&test_rng, 1, VH_BATCH), good = 0;
	uint8_t f[LEN], dst[6], src[6];

	frame_mac(src, 0);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t kind = rng_below(&test_rng, 4);

		frame_mac(dst, 1);
		if (kind == 1)
			memset(dst, 0xff, 6);
		if (kind < 2)
			seqs[good++] = i;
		frame_make(f, kind == 2 ? reserved : dst, kind == 3 ? none : src, i, sizeof(f));
		REQUIRE(guest_send(c->r->guest[0], 0, f, sizeof(f), LAYOUT_SINGLE));
	}
	REQUIRE_EQ(rig_poll(c->r, 0, 1), n);
	guest_reap(c->r->guest[0], 0);
	*bad += n - good;
	return good;
}

/* In a round, those between them go where they always went, in the order in which they were sent. */
void test_addresses_mixed(void)
{
	for (int rules = 0; rules <= 1; rules++) {
		struct company c = company_of(rules == 1);
		uint32_t seqs[VH_BATCH], bad = 0;

		rig_learn_all(c.r);
		for (uint32_t round = 0; round < 20; round++) {
			uint32_t good = send_mixed(&c, &bad, seqs);

			for (uint32_t i = 0; i < good; i++) {
				REQUIRE_EQ(rig_receive(c.r, 1, NULL), seqs[i]);
				REQUIRE(guest_post(c.r->guest[1], 0, 2000, LAYOUT_SINGLE));
			}
			REQUIRE_EQ(rig_receive(c.r, 1, NULL), GUEST_NOTHING);
			REQUIRE_EQ(rig_all_drops(c.r, 0), bad);
			c.u->n_out = c.u->read = 0;
		}
		company_free(&c);
	}
}
