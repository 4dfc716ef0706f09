/*
 * The learning table under concurrency: readers must never get a port for an address that was never learned
 * there, whatever writers move, forget and put into the same slots.
 */
#include "../../switch/mac_table.h"
#include "../rig/check.h"
#include "../tests.h"

#include <pthread.h>
#include <stdlib.h>

/* Many addresses for the four slots of one bucket, so that slots change hands all the time. */
#define KEYS 24
#define PORTS 16
#define FILLER_PORT 200
#define ROUNDS 60000

static struct vh_mac_table *table;
static uint64_t keys[KEYS];
static uint32_t writers_left;

/* Address i is only ever learned on ports i % PORTS and the one after it. */
static bool right_port(uint32_t i, uint16_t port)
{
	return port == i % PORTS || port == (i + 1) % PORTS;
}

static void *write_table(void *arg)
{
	struct rng rng = rng_of((uintptr_t)arg + 77);

	for (uint32_t n = 0; n < ROUNDS; n++) {
		uint32_t i = rng_below(&rng, KEYS);

		vh_mac_learn(table, keys[i], (uint16_t)((i + rng_below(&rng, 2)) % PORTS), n);
		/* Rare: one sweep visits the whole table. */
		if (n % 256 == 0)
			vh_mac_forget_port(table, (uint16_t)rng_below(&rng, PORTS));
		if (n % 1024 == 0)
			vh_mac_age(table, n, 0);
	}
	__atomic_sub_fetch(&writers_left, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *read_table(void *arg)
{
	struct rng rng = rng_of((uintptr_t)arg + 99);
	uint64_t found = 0;

	while (__atomic_load_n(&writers_left, __ATOMIC_RELAXED) > 0) {
		for (uint32_t n = 0; n < 1000; n++) {
			uint32_t i = rng_below(&rng, KEYS);
			uint16_t port = mac_lookup(table, keys[i]);

			if (port == VH_NO_PORT)
				continue;
			REQUIRE(right_port(i, port));
			found++;
		}
	}
	return (void *)(uintptr_t)(found > 0);
}

/* Fills every bucket but the first with addresses that no writer touches and that never grow old. */
static void fill_others(void)
{
	for (uint64_t i = VH_MAC_SLOTS; i < VH_MAC_BUCKETS * VH_MAC_SLOTS; i++)
		table->bucket[i / VH_MAC_SLOTS].slot[i % VH_MAC_SLOTS] =
			(struct vh_mac_slot){.key = 1ULL << 63 | 0xffffULL << 32 | i << 4,
				.val = (uint64_t)FILLER_PORT << 32 | 0x40000000};
}

/* Addresses that can only live in the first bucket: the others refuse them. */
static void choose_keys(void)
{
	for (uint32_t i = 0, n = 0; n < KEYS; i++) {
		uint8_t mac[6] = {
			2, 0, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		uint64_t key = vh_mac_key(mac, 0);

		REQUIRE(i < 1000000);
		if (vh_mac_learn(table, key, 0, 1) != VH_MAC_NEW)
			continue;
		keys[n++] = key;
		REQUIRE_EQ(vh_mac_forget_port(table, 0), 1);
	}
}

void test_mac_readers_and_writers(void)
{
	pthread_t thread[5];
	void *found = NULL;
	uint64_t any = 0;

	table = aligned_alloc(VH_CACHE_LINE, sizeof(*table));
	vh_mac_init(table, rng_next(&test_rng));
	fill_others();
	choose_keys();
	writers_left = 2;
	for (uintptr_t i = 0; i < 5; i++)
		REQUIRE_EQ(pthread_create(&thread[i], NULL, i < 2 ? write_table : read_table, (void *)i), 0);
	for (uint32_t i = 0; i < 5; i++) {
		pthread_join(thread[i], &found);
		any += (uintptr_t)found;
	}
	REQUIRE_EQ(any, 3);
	for (uint16_t p = 0; p < PORTS; p++)
		vh_mac_forget_port(table, p);
	REQUIRE_EQ(table->used, 0);
	for (uint32_t p = 0; p < PORTS; p++)
		REQUIRE_EQ(table->per_port[p], 0);
	free(table);
}
