/* The learning table, one thread. */
#include "../../switch/mac_table.h"
#include "../rig/check.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

static struct vh_mac_table *table_new(void)
{
	struct vh_mac_table *t = aligned_alloc(VH_CACHE_LINE, sizeof(*t));

	REQUIRE(t != NULL);
	vh_mac_init(t, rng_next(&test_rng));
	return t;
}

static uint64_t key_of(uint32_t i, uint16_t vlan)
{
	uint8_t mac[6] = {0x02, 0x10, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

	return vh_mac_key(mac, vlan);
}

void test_mac_learn_move_age(void)
{
	struct vh_mac_table *t = table_new();
	struct vh_mac_entry e[4];
	uint8_t mac[6], group[6] = {0x01, 0, 0x5e, 0, 0, 1}, none[6] = {0};
	uint16_t vlan;

	vh_mac_key_bytes(vh_mac_key((uint8_t[]){2, 3, 4, 5, 6, 7}, 4095), mac, &vlan);
	REQUIRE(memcmp(mac, (uint8_t[]){2, 3, 4, 5, 6, 7}, 6) == 0);
	REQUIRE_EQ(vlan, 4095);

	REQUIRE_EQ(mac_lookup(t, key_of(1, 0)), VH_NO_PORT);
	REQUIRE_EQ(vh_mac_learn(t, key_of(1, 0), 5, 100), VH_MAC_NEW);
	REQUIRE_EQ(vh_mac_learn(t, key_of(1, 0), 5, 110), VH_MAC_SEEN);
	REQUIRE_EQ(mac_lookup(t, key_of(1, 0)), 5);
	/* The same address in another VLAN is another address. */
	REQUIRE_EQ(mac_lookup(t, key_of(1, 7)), VH_NO_PORT);
	REQUIRE_EQ(vh_mac_learn(t, key_of(1, 7), 6, 110), VH_MAC_NEW);
	REQUIRE_EQ(vh_mac_learn(t, key_of(1, 0), 9, 120), VH_MAC_MOVED);
	REQUIRE_EQ(mac_lookup(t, key_of(1, 0)), 9);
	REQUIRE_EQ(mac_lookup(t, key_of(1, 7)), 6);
	REQUIRE_EQ(t->per_port[5], 0);
	REQUIRE_EQ(t->per_port[9], 1);
	REQUIRE_EQ(t->used, 2);

	REQUIRE_EQ(vh_mac_learn(t, vh_mac_key(group, 0), 1, 1), VH_MAC_REFUSED);
	REQUIRE_EQ(vh_mac_learn(t, vh_mac_key(none, 0), 1, 1), VH_MAC_REFUSED);
	REQUIRE_EQ(vh_mac_learn(t, vh_mac_key(none, 9), 1, 1), VH_MAC_REFUSED);

	REQUIRE_EQ(vh_mac_list(t, 130, e, 1), 1);
	REQUIRE_EQ(vh_mac_list(t, 130, e, 4), 2);
	REQUIRE_EQ(e[0].age + e[1].age, 30);
	/* A clock behind the worker's: age 0, and nothing is forgotten. */
	REQUIRE_EQ(vh_mac_list(t, 90, e, 4), 2);
	REQUIRE_EQ(e[0].age, 0);
	REQUIRE_EQ(vh_mac_age(t, 90, 1), 0);
	REQUIRE_EQ(vh_mac_age(t, 120, 10), 1);
	REQUIRE_EQ(mac_lookup(t, key_of(1, 7)), VH_NO_PORT);
	REQUIRE_EQ(vh_mac_forget_port(t, 5), 0);
	REQUIRE_EQ(vh_mac_forget_port(t, 9), 1);
	REQUIRE_EQ(mac_lookup(t, key_of(1, 0)), VH_NO_PORT);
	REQUIRE_EQ(t->used, 0);
	free(t);
}

void test_mac_limits(void)
{
	struct vh_mac_table *t = table_new();
	uint32_t learned = 0, i, refused = 0;
	enum vh_learned got;

	/* At its limit a port only replaces its own, a few in a second. */
	for (i = 0; i < 4 * VH_MAC_PER_PORT; i++)
		learned += vh_mac_learn(t, key_of(i, 0), 3, 1) == VH_MAC_NEW;
	REQUIRE_EQ(learned, VH_MAC_PER_PORT + VH_MAC_REPLACED);
	REQUIRE_EQ(t->per_port[3], VH_MAC_PER_PORT);
	REQUIRE_EQ(vh_mac_learn(t, key_of(i, 0), 3, 1), VH_MAC_REFUSED);
	REQUIRE_EQ(vh_mac_learn(t, key_of(i, 0), 3, 2), VH_MAC_NEW);
	REQUIRE_EQ(mac_lookup(t, key_of(i, 0)), 3);
	REQUIRE_EQ(t->per_port[3], VH_MAC_PER_PORT);
	/* It cannot take other ports' addresses either. */
	REQUIRE_EQ(vh_mac_learn(t, key_of(1U << 24, 0), 4, 1), VH_MAC_NEW);
	REQUIRE_EQ(vh_mac_learn(t, key_of(1U << 24, 0), 3, 1), VH_MAC_REFUSED);
	REQUIRE_EQ(mac_lookup(t, key_of(1U << 24, 0)), 4);
	REQUIRE_EQ(vh_mac_forget_port(t, 3), VH_MAC_PER_PORT);
	/* Its limit may be another. */
	vh_mac_limit(t, 3, 1);
	REQUIRE_EQ(vh_mac_learn(t, key_of(0, 0), 3, 5), VH_MAC_NEW);
	for (i = 1; i < 200; i++)
		(void)vh_mac_learn(t, key_of(i, 0), 3, 5 + i / 3);
	REQUIRE_EQ(t->per_port[3], 1);
	REQUIRE_EQ(vh_mac_forget_port(t, 3), 1);
	vh_mac_limit(t, 3, VH_MAC_PER_PORT);

	/* All uplinks together leave guests half of the table. */
	for (i = learned = 0; i < 4 * VH_MAC_UPLINKS; i++)
		learned += vh_mac_learn(t, key_of(i, 2), (uint16_t)(VH_MAX_PORTS + i % 3), 1) == VH_MAC_NEW;
	REQUIRE_EQ(learned, VH_MAC_UPLINKS);
	REQUIRE_EQ(vh_mac_learn(t, key_of(0, 3), 3, 1), VH_MAC_NEW);
	REQUIRE_EQ(vh_mac_forget_port(t, 3), 1);
	for (i = 0; i < 3; i++)
		REQUIRE(vh_mac_forget_port(t, (uint16_t)(VH_MAX_PORTS + i)) > 0);
	REQUIRE_EQ(t->used, 0 + 1);

	/* A full table keeps what it has where all have the same. */
	for (i = 0; i < VH_MAC_BUCKETS * VH_MAC_SLOTS * 2; i++) {
		got = vh_mac_learn(t, key_of(i, 1), (uint16_t)(10 + i % 60), 1);
		REQUIRE(got == VH_MAC_NEW || got == VH_MAC_REFUSED);
		refused += got == VH_MAC_REFUSED;
	}
	REQUIRE(refused > 0);
	REQUIRE(t->used > VH_MAC_BUCKETS * VH_MAC_SLOTS * 98 / 100);
	REQUIRE(t->used <= VH_MAC_BUCKETS * VH_MAC_SLOTS);
	for (i = learned = 0; i < VH_MAC_BUCKETS * VH_MAC_SLOTS * 2; i++) {
		uint16_t port = mac_lookup(t, key_of(i, 1));

		REQUIRE(port == VH_NO_PORT || port == 10 + i % 60);
		learned += port != VH_NO_PORT;
	}
	REQUIRE_EQ(learned + 1, t->used);
	free(t);
}

/* All ports but one, and all uplinks, learn what they can. */
static void flood_table(struct vh_mac_table *t, uint32_t from, uint32_t now)
{
	for (uint32_t i = 0; i < 3000; i++)
		for (uint16_t port = 1; port < VH_MAX_IDS; port++)
			(void)vh_mac_learn(t, key_of(from + i * VH_MAX_IDS + port, 0), port, now);
}

/* Whatever others learn, a port has its share of the table, at once and for good. */
void test_mac_share(void)
{
	struct vh_mac_table *t = table_new();
	uint32_t tags = 0;

	for (uint32_t now = 1; now <= 3; now++) {
		flood_table(t, now << 22, now);
		REQUIRE(t->used > VH_MAC_BUCKETS * VH_MAC_SLOTS * 98 / 100);
		for (uint32_t i = 0; i < VH_MAC_SHARE; i++)
			REQUIRE_EQ(
				vh_mac_learn(t, key_of(i, 7), 0, now), now == 1 ? VH_MAC_NEW : VH_MAC_SEEN);
		flood_table(t, now << 22 | 1U << 21, now);
		for (uint32_t i = 0; i < VH_MAC_SHARE; i++)
			REQUIRE_EQ(mac_lookup(t, key_of(i, 7)), 0);
	}
	/* One address under as many tags as there are takes no more than others have. */
	REQUIRE(vh_mac_forget_port(t, 1) > VH_MAC_SHARE);
	for (uint16_t vlan = 0; vlan < 4096; vlan++)
		tags += vh_mac_learn(t, key_of(1U << 29, vlan), 1, 4) == VH_MAC_NEW;
	REQUIRE(tags >= VH_MAC_SHARE);
	for (uint32_t i = 0; i < VH_MAC_SHARE; i++)
		REQUIRE_EQ(mac_lookup(t, key_of(i, 7)), 0);
	free(t);
}

/* A guest's own network behind a card keeps its place beside eight guests that flood the table. */
void test_mac_share_of_uplink(void)
{
	struct vh_mac_table *t = table_new();
	uint32_t found = 0;

	for (uint32_t i = 0; i < VH_MAC_UPLINKS; i++)
		REQUIRE_EQ(vh_mac_learn(t, key_of(i, 0), VH_MAX_PORTS, 1), VH_MAC_NEW);
	for (uint32_t i = 0; i < 4 * VH_MAC_PER_PORT; i++)
		for (uint16_t port = 0; port < 8; port++)
			(void)vh_mac_learn(t, key_of(1U << 24 | i << 3 | port, 0), port, 1);
	for (uint32_t i = 0; i < VH_MAC_UPLINKS; i++)
		found += mac_lookup(t, key_of(i, 0)) == VH_MAX_PORTS;
	/* But for a few in buckets that are full of them when the first guest comes. */
	REQUIRE(found > VH_MAC_UPLINKS * 99 / 100);
	free(t);
}

/* Random calls against a plain array. */
void test_mac_random_model(void)
{
	enum { KEYS = 600, PORTS = 5 };
	struct vh_mac_table *t = table_new();
	uint16_t port[KEYS];
	uint32_t seen[KEYS] = {0}, moves[KEYS] = {0}, now = 1000, used = 0;

	memset(port, 0xff, sizeof(port));
	for (uint32_t step = 0; step < 30000; step++) {
		uint32_t k = rng_below(&test_rng, KEYS), what = rng_below(&test_rng, 1000), gone = 0;
		uint16_t p = (uint16_t)rng_below(&test_rng, PORTS);
		uint64_t key = key_of(k, (uint16_t)(k % 3));

		if (what < 2 || what == 2) {
			for (uint32_t i = 0; i < KEYS; i++) {
				bool old = port[i] != VH_NO_PORT &&
					   (what == 2 ? port[i] == p : now - seen[i] >= 30);

				port[i] = old ? VH_NO_PORT : port[i];
				gone += old;
			}
			REQUIRE_EQ(what == 2 ? vh_mac_forget_port(t, p) : vh_mac_age(t, now, 30), gone);
			used -= gone;
		} else if (what < 500) {
			enum vh_learned want = port[k] == VH_NO_PORT ? VH_MAC_NEW
					       : port[k] == p	     ? VH_MAC_SEEN
								     : VH_MAC_MOVED;

			if (want == VH_MAC_NEW || seen[k] != now)
				moves[k] = 0;
			if (want == VH_MAC_MOVED && moves[k] == VH_MAC_MOVES)
				want = VH_MAC_HELD;
			REQUIRE_EQ(vh_mac_learn(t, key, p, now), want);
			used += want == VH_MAC_NEW;
			moves[k] += want == VH_MAC_MOVED;
			port[k] = want == VH_MAC_HELD ? port[k] : p;
			seen[k] = now;
		} else {
			REQUIRE_EQ(mac_lookup(t, key), port[k]);
		}
		REQUIRE_EQ(t->used, used);
		now += rng_below(&test_rng, 20) == 0;
	}
	free(t);
}

/* Two ports that fight for an address, which is the one's at first. */
void test_mac_fight(void)
{
	struct vh_mac_table *t = table_new();
	uint64_t key = key_of(1, 0);

	for (uint32_t now = 1; now < 100; now++) {
		uint32_t before;

		vh_mac_learn(t, key, 7, now);
		before = t->generation;
		for (uint32_t i = 0; i < 1000; i++) {
			vh_mac_learn(t, key, 8, now);
			vh_mac_learn(t, key, 7, now);
		}
		/* Others look their addresses up again no more often than that. */
		REQUIRE(t->generation - before <= VH_MAC_MOVES);
		/* And it stays whose it was. */
		REQUIRE_EQ(mac_lookup(t, key), 7);
		REQUIRE_EQ(t->per_port[7], 1);
		REQUIRE_EQ(t->per_port[8], 0);
	}
	/* One that moves for good is taken at its word. */
	REQUIRE_EQ(vh_mac_learn(t, key, 8, 100), VH_MAC_MOVED);
	REQUIRE_EQ(mac_lookup(t, key), 8);
	free(t);
}
