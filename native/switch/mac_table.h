/*
 * The learning table: (VLAN, MAC) -> port, with the time an address was last seen.
 *
 * Theory of operation: two-choice hashing into buckets of one cache line (4 slots). An address lives in one
 * of two buckets, so a lookup touches at most two cache lines however full the table is, and deleting needs
 * no tombstones. The hash is seeded at random: a guest cannot aim its addresses at one bucket.
 *
 *   Where both buckets are full, an address of the first bucket moves over to its other one, if that has
 * room. If none can, the port that has most addresses of those in the two gives one up, provided that it has
 * more than the newcomer's port and than its share: ports that flood addresses share what there is among
 * themselves, and one with a few addresses always has them learned. An uplink stands for a network, and
 * counts for VH_MAC_UPLINK_SHARE guests. A port at its own limit replaces its own addresses, slowly enough to
 * be no burden to others.
 *
 * Threading: any number of workers look up and refresh without a lock; inserting, moving and forgetting take
 * the table's lock. A slot is published key last and withdrawn key first; a reader checks the key again after
 * it has read the value, so it never pairs one address with another's port.
 */
#ifndef VH_SWITCH_MAC_TABLE_H
#define VH_SWITCH_MAC_TABLE_H

#include "../base/defs.h"
#include "../base/spinlock.h"

#define VH_MAC_BUCKETS 4096
#define VH_MAC_SLOTS 4
/* Addresses that one port may hold, where it was not told another number. */
#define VH_MAC_PER_PORT 2048
/* Addresses of a port that no other takes from it; all ports' and uplinks' together fill three quarters. */
#define VH_MAC_SHARE 32U
/* Addresses that a port at its limit may replace in a second. */
#define VH_MAC_REPLACED 64U
/* Buckets that are searched for the one to be replaced. */
#define VH_MAC_SEARCH 64U
/* The same for all uplinks together, which have whole networks behind them: half the table. */
#define VH_MAC_UPLINKS 8192
#define VH_MAC_UPLINK_SHARE 16U
/*
 * Seconds for which a guest's address stays its own though frames with it come from an uplink: the network
 * may send a guest's broadcast back to us. A guest that has moved to another host is silent here.
 */
#define VH_MAC_HOLD 10
/*
 * Moves of an address in a second: then it stays where it is until the next. Every move has all senders look
 * up their own addresses anew, so two guests that fight for one would make everybody pay.
 */
#define VH_MAC_MOVES 4U
#define VH_NO_PORT UINT16_MAX

struct vh_mac_slot {
	uint64_t key; /* vh_mac_key(); 0 = free */
	uint64_t val; /* moves in that second << 48 | port << 32 | second in which it was last seen */
};

struct vh_mac_bucket {
	struct vh_mac_slot slot[VH_MAC_SLOTS];
} VH_CACHE_ALIGNED;

struct vh_mac_table {
	uint64_t seed;
	struct vh_spinlock lock;
	uint32_t used;	     /* under lock; read relaxed */
	uint32_t generation; /* grows with every change of where an address is; lets callers cache a learn */
	uint16_t per_port[VH_MAX_IDS]; /* under lock; read relaxed */
	uint16_t limit[VH_MAX_PORTS];  /* set before the port has an address */
	/* Of ports at their limit, under lock: the second in which they replaced so many, and where to look.
	 */
	uint32_t replaced_at[VH_MAX_PORTS], replaced[VH_MAX_PORTS], hand[VH_MAX_PORTS];
	struct vh_mac_bucket bucket[VH_MAC_BUCKETS];
};

enum vh_learned {
	VH_MAC_SEEN,	/* known here already; its age starts anew */
	VH_MAC_NEW,	/* learned */
	VH_MAC_MOVED,	/* was known on another port */
	VH_MAC_HELD,	/* a guest's, which an uplink claims; or it has moved too often in this second */
	VH_MAC_REFUSED, /* no address of a station, or no room for it: its port has as many as it may */
};

struct vh_mac_entry {
	uint64_t key;
	uint16_t port;
	uint32_t age; /* seconds */
};

/* Key of an address (as 6 bytes in memory order) in a VLAN (0 = untagged). Never 0: bit 63 marks it as used.
 */
static inline uint64_t vh_mac_key(const uint8_t *mac, uint16_t vlan)
{
	uint32_t high;
	uint16_t low;

	__builtin_memcpy(&high, mac, 4);
	__builtin_memcpy(&low, mac + 4, 2);
	return 1ULL << 63 | (uint64_t)(vlan & 0xfff) << 48 | (uint64_t)low << 32 | high;
}

/* Whether it is a group address: bit 0 of the first byte. */
static inline bool vh_mac_is_group(uint64_t key)
{
	return (key & 1) != 0;
}

/* Whether it is all zeroes, which is no station's. */
static inline bool vh_mac_is_none(uint64_t key)
{
	return key << 16 == 0;
}

/* Whether it is one of 01:80:c2:00:00:00 to 0f, which no bridge forwards (802.1Q-2022, 8.6.3). */
static inline bool vh_mac_is_reserved(uint64_t key)
{
	return (key & 0xf0ffffffffffULL) == 0x00c28001ULL;
}

void vh_mac_key_bytes(uint64_t key, uint8_t mac[6], uint16_t *vlan);

/* seed: random; the table's memory is the caller's, zeroed here. */
void vh_mac_init(struct vh_mac_table *t, uint64_t seed);

/* Finaliser of a 64-bit multiply-xorshift hash; both bucket numbers are cut from one result. */
static inline uint64_t vh_mac_hash(const struct vh_mac_table *t, uint64_t key)
{
	uint64_t x = key ^ t->seed;

	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

/*
 * All four slots are compared whatever the first says: in which of them an address lies is not to be
 * foretold, and a branch that is often guessed wrong costs more than the comparisons.
 */
static inline struct vh_mac_slot *vh_mac_find_in(const struct vh_mac_bucket *b, uint64_t key)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < VH_MAC_SLOTS; i++)
		found |= (uint32_t)(__atomic_load_n(&b->slot[i].key, __ATOMIC_ACQUIRE) == key) << i;
	return vh_likely(found != 0) ? (struct vh_mac_slot *)&b->slot[__builtin_ctz(found)] : NULL;
}

/* The two buckets an address may lie in; most lie in the first. */
struct vh_mac_place {
	uint32_t first, second;
};

static inline struct vh_mac_place vh_mac_place(const struct vh_mac_table *t, uint64_t key)
{
	uint64_t h = vh_mac_hash(t, key);

	return (struct vh_mac_place){
		.first = (uint32_t)h % VH_MAC_BUCKETS, .second = (uint32_t)(h >> 32) % VH_MAC_BUCKETS};
}

/* The slot of an address, or NULL. Good until the table changes. */
static inline struct vh_mac_slot *vh_mac_find(
	const struct vh_mac_table *t, uint64_t key, struct vh_mac_place at)
{
	struct vh_mac_slot *s = vh_mac_find_in(&t->bucket[at.first], key);

	return vh_likely(s != NULL) ? s : vh_mac_find_in(&t->bucket[at.second], key);
}

static inline uint16_t vh_mac_port(uint64_t val)
{
	return (uint16_t)(val >> 32);
}

/* Return: the port that key was learned on, or VH_NO_PORT. Inline: every frame needs it. */
static inline uint16_t vh_mac_lookup(const struct vh_mac_table *t, uint64_t key, struct vh_mac_place at)
{
	const struct vh_mac_slot *s = vh_mac_find(t, key, at);
	uint64_t val;

	if (s == NULL)
		return VH_NO_PORT;
	val = __atomic_load_n(&s->val, __ATOMIC_ACQUIRE);
	/* The slot may have been given to another address in between: then the value is not ours. */
	return __atomic_load_n(&s->key, __ATOMIC_RELAXED) == key ? vh_mac_port(val) : VH_NO_PORT;
}

/* How many addresses a guest's port may have from now on, 1 to UINT16_MAX. */
void vh_mac_limit(struct vh_mac_table *t, uint16_t port, uint16_t limit);

/* Notes that key was seen on port at `now` (seconds). */
enum vh_learned vh_mac_learn(struct vh_mac_table *t, uint64_t key, uint16_t port, uint32_t now);

/* Forgets all addresses of a port. Return: how many. */
uint32_t vh_mac_forget_port(struct vh_mac_table *t, uint16_t port);

/* Forgets addresses not seen for `max_age` seconds or more. Return: how many. */
uint32_t vh_mac_age(struct vh_mac_table *t, uint32_t now, uint32_t max_age);

/* Copies up to `max` entries. Return: how many. */
uint32_t vh_mac_list(struct vh_mac_table *t, uint32_t now, struct vh_mac_entry *out, uint32_t max);

#endif
