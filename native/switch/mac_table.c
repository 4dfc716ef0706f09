#include "mac_table.h"

#include <string.h>

static inline uint64_t pack(uint16_t port, uint32_t now)
{
	return (uint64_t)port << 32 | now;
}

/* How often an address (its slot's value) has moved in this second. */
static inline uint32_t moves(uint64_t val, uint32_t now)
{
	return (uint32_t)val == now ? (uint32_t)(val >> 48) : 0;
}

static inline uint64_t pack_moved(uint16_t port, uint32_t now, uint32_t moves)
{
	return (uint64_t)moves << 48 | pack(port, now);
}

/* Under the lock. */
static inline void changed(struct vh_mac_table *t, int32_t used)
{
	__atomic_store_n(&t->used, t->used + (uint32_t)used, __ATOMIC_RELAXED);
	__atomic_store_n(&t->generation, t->generation + 1, __ATOMIC_RELEASE);
}

/* Under the lock; readers look without it. */
static inline void count_port(struct vh_mac_table *t, uint16_t port, int add)
{
	__atomic_store_n(&t->per_port[port], (uint16_t)(t->per_port[port] + add), __ATOMIC_RELAXED);
}

/* Whether a port has as many addresses as it may. */
static bool at_limit(const struct vh_mac_table *t, uint16_t port)
{
	uint32_t sum = 0;

	if (port < VH_MAX_PORTS)
		return __atomic_load_n(&t->per_port[port], __ATOMIC_RELAXED) >=
		       __atomic_load_n(&t->limit[port], __ATOMIC_RELAXED);
	for (int i = VH_MAX_PORTS; i < VH_MAX_IDS; i++)
		sum += __atomic_load_n(&t->per_port[i], __ATOMIC_RELAXED);
	return sum >= VH_MAC_UPLINKS;
}

/* Whether a port at its limit has replaced as many addresses as it may in this second; uplinks replace none.
 */
static bool has_replaced(const struct vh_mac_table *t, uint16_t port, uint32_t now)
{
	return port >= VH_MAX_PORTS ||
	       (__atomic_load_n(&t->replaced_at[port], __ATOMIC_RELAXED) == now &&
		       __atomic_load_n(&t->replaced[port], __ATOMIC_RELAXED) >= VH_MAC_REPLACED);
}

/* Whether an address (its slot's value) stays where it is though it is now seen on `to`. */
static bool held(uint64_t val, uint16_t to, uint32_t now)
{
	if (moves(val, now) >= VH_MAC_MOVES)
		return true;
	return to >= VH_MAX_PORTS && vh_mac_port(val) < VH_MAX_PORTS &&
	       (int32_t)(now - (uint32_t)val) < VH_MAC_HOLD;
}

void vh_mac_key_bytes(uint64_t key, uint8_t mac[6], uint16_t *vlan)
{
	uint32_t high = (uint32_t)key;
	uint16_t low = (uint16_t)(key >> 32);

	memcpy(mac, &high, 4);
	memcpy(mac + 4, &low, 2);
	*vlan = (uint16_t)(key >> 48) & 0xfff;
}

void vh_mac_init(struct vh_mac_table *t, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->seed = seed;
	for (uint16_t port = 0; port < VH_MAX_PORTS; port++)
		t->limit[port] = VH_MAC_PER_PORT;
}

void vh_mac_limit(struct vh_mac_table *t, uint16_t port, uint16_t limit)
{
	__atomic_store_n(&t->limit[port], limit, __ATOMIC_RELAXED);
}

static void withdraw(struct vh_mac_table *t, struct vh_mac_slot *s)
{
	count_port(t, vh_mac_port(__atomic_load_n(&s->val, __ATOMIC_RELAXED)), -1);
	__atomic_store_n(&s->key, 0, __ATOMIC_RELAXED);
	/* Last: who sees the new generation finds the address gone. */
	changed(t, -1);
}

static struct vh_mac_slot *free_slot(struct vh_mac_table *t, uint64_t key)
{
	const struct vh_mac_place at = vh_mac_place(t, key);
	const uint32_t c[2] = {at.first, at.second};
	struct vh_mac_slot *best = NULL;
	int most = 0;

	/* Into the first while that is half empty, since it is looked at first; then into the emptier of the
	 * two, which keeps both short far into a full table. */
	for (int k = 0; k < 2; k++) {
		struct vh_mac_slot *last = NULL;
		int free = 0;

		for (int i = 0; i < VH_MAC_SLOTS; i++) {
			if (t->bucket[c[k]].slot[i].key == 0) {
				last = &t->bucket[c[k]].slot[i];
				free++;
			}
		}
		if (free > most) {
			most = free;
			best = last;
		}
		if (free * 2 >= VH_MAC_SLOTS)
			break;
	}
	return best;
}

/*
 * Moves an address of a full bucket to its other one. Only out of its first, which readers look at before the
 * other: who no longer finds it there finds it where it is now. Return: the slot that is free then, or NULL.
 */
static struct vh_mac_slot *displace(struct vh_mac_table *t, uint32_t bucket)
{
	for (int i = 0; i < VH_MAC_SLOTS; i++) {
		struct vh_mac_slot *s = &t->bucket[bucket].slot[i];
		const struct vh_mac_place at = vh_mac_place(t, s->key);

		if (at.first != bucket || at.second == bucket)
			continue;
		for (int k = 0; k < VH_MAC_SLOTS; k++) {
			struct vh_mac_slot *to = &t->bucket[at.second].slot[k];

			if (to->key != 0)
				continue;
			__atomic_store_n(
				&to->val, __atomic_load_n(&s->val, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
			__atomic_store_n(&to->key, s->key, __ATOMIC_RELEASE);
			/* Release: who finds it gone here, and looks there next, finds it there. */
			__atomic_store_n(&s->key, 0, __ATOMIC_RELEASE);
			return s;
		}
	}
	return NULL;
}

/* How much of the table a port takes, for comparison with others. */
static uint32_t share_of(const struct vh_mac_table *t, uint16_t port)
{
	return t->per_port[port] / (port < VH_MAX_PORTS ? 1 : VH_MAC_UPLINK_SHARE);
}

/*
 * Takes an address from the port that has most of all in two full buckets, if that is more than its share and
 * `port` has fewer. Return: its slot, which is free then, or NULL.
 */
static struct vh_mac_slot *evict(struct vh_mac_table *t, uint64_t key, uint16_t port)
{
	const struct vh_mac_place at = vh_mac_place(t, key);
	const uint32_t c[2] = {at.first, at.second};
	/* With this one: or two ports would take it from each other for ever. */
	uint32_t own = share_of(t, port) + 1, most = own > VH_MAC_SHARE ? own : VH_MAC_SHARE;
	struct vh_mac_slot *found = NULL;

	for (int i = 0; i < 2 * VH_MAC_SLOTS; i++) {
		struct vh_mac_slot *s = &t->bucket[c[i / VH_MAC_SLOTS]].slot[i % VH_MAC_SLOTS];
		uint32_t has = share_of(t, vh_mac_port(__atomic_load_n(&s->val, __ATOMIC_RELAXED)));

		if (has > most) {
			most = has;
			found = s;
		}
	}
	if (found != NULL)
		withdraw(t, found);
	return found;
}

/* A place for an address of a port below its limit. Return: a free slot, or NULL. */
static struct vh_mac_slot *make_room(struct vh_mac_table *t, uint64_t key, uint16_t port)
{
	const struct vh_mac_place at = vh_mac_place(t, key);
	struct vh_mac_slot *s = free_slot(t, key);

	if (s == NULL)
		s = displace(t, at.first);
	if (s == NULL && at.second != at.first)
		s = displace(t, at.second);
	return s != NULL ? s : evict(t, key, port);
}

/* Forgets the oldest of a few addresses of a port at its limit. Return: whether it may have another one. */
static bool replace_own(struct vh_mac_table *t, uint16_t port, uint32_t now)
{
	struct vh_mac_slot *oldest = NULL;
	uint32_t age = 0;

	if (has_replaced(t, port, now))
		return false;
	if (t->replaced_at[port] != now)
		__atomic_store_n(&t->replaced[port], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&t->replaced_at[port], now, __ATOMIC_RELAXED);
	__atomic_store_n(&t->replaced[port], t->replaced[port] + 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < VH_MAC_SEARCH * VH_MAC_SLOTS; i++) {
		struct vh_mac_slot *s = &t->bucket[(t->hand[port] + i / VH_MAC_SLOTS) % VH_MAC_BUCKETS]
						 .slot[i % VH_MAC_SLOTS];
		uint64_t val = __atomic_load_n(&s->val, __ATOMIC_RELAXED);

		if (s->key != 0 && vh_mac_port(val) == port &&
			(oldest == NULL || now - (uint32_t)val > age)) {
			oldest = s;
			age = now - (uint32_t)val;
		}
	}
	t->hand[port] = (t->hand[port] + VH_MAC_SEARCH) % VH_MAC_BUCKETS;
	if (oldest != NULL)
		withdraw(t, oldest);
	return oldest != NULL;
}

/* Under the lock: another worker may have been faster, so look again. */
static enum vh_learned learn_locked(struct vh_mac_table *t, uint64_t key, uint16_t port, uint32_t now)
{
	struct vh_mac_slot *s = vh_mac_find(t, key, vh_mac_place(t, key));

	if (s != NULL) {
		uint64_t val = __atomic_load_n(&s->val, __ATOMIC_RELAXED);
		uint16_t old = vh_mac_port(val);

		if (old == port)
			return VH_MAC_SEEN;
		/* A port at its limit must not take other ports' addresses either. */
		if (held(val, port, now))
			return VH_MAC_HELD;
		if (at_limit(t, port))
			return VH_MAC_REFUSED;
		count_port(t, old, -1);
		count_port(t, port, 1);
		__atomic_store_n(&s->val, pack_moved(port, now, moves(val, now) + 1), __ATOMIC_RELEASE);
		changed(t, 0);
		return VH_MAC_MOVED;
	}
	if (at_limit(t, port) && !replace_own(t, port, now))
		return VH_MAC_REFUSED;
	s = make_room(t, key, port);
	if (s == NULL)
		return VH_MAC_REFUSED;
	count_port(t, port, 1);
	/* Release: a reader that gets this value finds the slot's former key gone when it looks again. */
	__atomic_store_n(&s->val, pack(port, now), __ATOMIC_RELEASE);
	__atomic_store_n(&s->key, key, __ATOMIC_RELEASE);
	changed(t, 1);
	return VH_MAC_NEW;
}

enum vh_learned vh_mac_learn(struct vh_mac_table *t, uint64_t key, uint16_t port, uint32_t now)
{
	struct vh_mac_slot *s;
	enum vh_learned result;

	if (vh_mac_is_group(key) || vh_mac_is_none(key))
		return VH_MAC_REFUSED;
	s = vh_mac_find(t, key, vh_mac_place(t, key));
	if (vh_likely(s != NULL)) {
		uint64_t val = __atomic_load_n(&s->val, __ATOMIC_RELAXED);

		if (vh_likely(vh_mac_port(val) == port)) {
			/* Written once a second at most; by exchange, so that a concurrent move is not
			 * undone. */
			if ((uint32_t)val != now)
				__atomic_compare_exchange_n(&s->val, &val, pack(port, now), false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED);
			return VH_MAC_SEEN;
		}
		if (held(val, port, now))
			return VH_MAC_HELD;
	} else if (at_limit(t, port) && has_replaced(t, port, now)) {
		return VH_MAC_REFUSED;
	}
	vh_lock(&t->lock);
	result = learn_locked(t, key, port, now);
	vh_unlock(&t->lock);
	return result;
}

/* Forgets every slot for which the port matches (VH_NO_PORT: any) and the age is at least min_age. */
static uint32_t forget(struct vh_mac_table *t, uint16_t port, uint32_t now, int64_t min_age)
{
	uint32_t n = 0;

	vh_lock(&t->lock);
	for (uint32_t i = 0; i < VH_MAC_BUCKETS * VH_MAC_SLOTS; i++) {
		struct vh_mac_slot *s = &t->bucket[i / VH_MAC_SLOTS].slot[i % VH_MAC_SLOTS];
		uint64_t val = __atomic_load_n(&s->val, __ATOMIC_RELAXED);

		if (s->key == 0 || (port != VH_NO_PORT && vh_mac_port(val) != port))
			continue;
		/* Signed: a worker may have noted a second that the caller's clock has not reached yet. */
		if ((int32_t)(now - (uint32_t)val) < min_age)
			continue;
		withdraw(t, s);
		n++;
	}
	vh_unlock(&t->lock);
	return n;
}

uint32_t vh_mac_forget_port(struct vh_mac_table *t, uint16_t port)
{
	return forget(t, port, 0, INT64_MIN);
}

uint32_t vh_mac_age(struct vh_mac_table *t, uint32_t now, uint32_t max_age)
{
	return forget(t, VH_NO_PORT, now, max_age);
}

uint32_t vh_mac_list(struct vh_mac_table *t, uint32_t now, struct vh_mac_entry *out, uint32_t max)
{
	uint32_t n = 0;

	vh_lock(&t->lock);
	for (uint32_t i = 0; i < VH_MAC_BUCKETS * VH_MAC_SLOTS && n < max; i++) {
		const struct vh_mac_slot *s = &t->bucket[i / VH_MAC_SLOTS].slot[i % VH_MAC_SLOTS];
		uint64_t val = __atomic_load_n(&s->val, __ATOMIC_RELAXED);
		int32_t age = (int32_t)(now - (uint32_t)val);

		if (s->key != 0)
			out[n++] = (struct vh_mac_entry){
				.key = s->key, .port = vh_mac_port(val), .age = age > 0 ? (uint32_t)age : 0};
	}
	vh_unlock(&t->lock);
	return n;
}
