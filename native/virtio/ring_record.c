#include "ring_record.h"
#include "dirty_log.h"
#include "memory/guest_mem.h"
#include "virtq_ring.h"

#include <stddef.h>
#include <string.h>

uint64_t vh_ring_record_bytes(uint32_t size)
{
	uint64_t entries = 1;

	while (entries < size)
		entries *= 2;
	return offsetof(struct vh_ring_record, was) + entries * sizeof(uint64_t);
}

void vh_ring_record_void(struct vh_ring_record *r)
{
	__atomic_store_n(&r->in_force, 0, __ATOMIC_RELEASE);
}

static struct vh_place place_of(uint16_t place)
{
	return (struct vh_place){.at = place & 0x7fff, .wrap = place >> 15 != 0};
}

/*
 * Whether the driver's offer still stands at this place. It may have made the next lap's of it since, and
 * that may even be used, though not shown, by a round that began behind `from` and came round to it.
 */
static bool is_offered(const struct vh_vq *vq, struct vh_place p)
{
	return vh_packed_is_avail(vh_packed_load(vh_packed_at(vq, p.at)).flags, p.wrap);
}

/* Whether it stands there as the device wrote it. */
static bool is_used(const struct vh_vq *vq, struct vh_place p)
{
	uint16_t flags = vh_packed_load(vh_packed_at(vq, p.at)).flags;

	return ((flags & VH_DESC_AVAIL) != 0) == p.wrap && ((flags & VH_DESC_USED) != 0) == p.wrap;
}

/* The ring's areas for the guest, by where they begin. Return: false where one is not the guest's. */
static bool areas(const struct vh_vq *vq, uint64_t area[3])
{
	/* Whatever the driver calls them, which another ring may be called by next. */
	const struct vh_guest_mem *mem = vh_guest_mem_physical(vq->mem);

	return vh_guest_mem_address(mem, vq->ring, &area[0]) &&
	       vh_guest_mem_address(mem, vq->driver_event, &area[1]) &&
	       vh_guest_mem_address(mem, vq->device_event, &area[2]);
}

static bool is_of(const struct vh_ring_record *r, const struct vh_vq *vq, const uint64_t area[3])
{
	return r->size == vq->size && memcmp(r->area, area, sizeof(r->area)) == 0;
}

/* Whether a switch has served this ring since its driver made it, or discarded what was sent on it. */
static bool was_served(const struct vh_vq *vq)
{
	return __atomic_load_n(&vq->device_event->off_wrap, __ATOMIC_RELAXED) != 0 ||
	       __atomic_load_n(&vq->device_event->flags, __ATOMIC_RELAXED) != 0;
}

/*
 * Entries of a round that was not shown, behind the first one, get back what they were. Return: how many.
 * From the last to the first: where this is cut off, those that are left still are the first ones of the
 * round.
 */
static uint32_t undo(struct vh_vq *vq, struct vh_place from)
{
	struct vh_place p = from;
	uint32_t n = 0, left;

	for (uint32_t i = 1; i < vq->size; i++) {
		vh_advance(vq, &p, 1, true);
		n += is_used(vq, p);
	}
	for (left = n; left > 0;) {
		if (is_used(vq, p)) {
			uint64_t was = vq->record->was[--left & vq->mask];

			__atomic_store_n(vh_packed_word(vq, p.at, vq->scattered), was, __ATOMIC_RELEASE);
		}
		/* One entry back. */
		if (p.at == 0)
			p = (struct vh_place){.at = vq->size, .wrap = !p.wrap};
		p.at--;
		if (p.at == from.at)
			break;
	}
	return n - left;
}

/* What the record says of the last round. */
struct last {
	struct vh_place from, to;
	uint32_t n; /* entries; 0: none since the ring was started */
	bool sent;
};

/* Return: whether it is one that this ring can have had. */
static bool read_last(const struct vh_vq *vq, struct last *l)
{
	uint64_t last = __atomic_load_n(&vq->record->last, __ATOMIC_RELAXED);
	uint32_t n;

	l->from = place_of((uint16_t)last);
	l->to = place_of((uint16_t)(last >> 16));
	l->sent = (last & VH_RECORD_SENT) != 0;
	if (l->from.at >= vq->size || l->to.at >= vq->size)
		return false;
	n = l->to.at + (l->from.wrap != l->to.wrap ? vq->size : 0U) - l->from.at;
	l->n = n;
	return n <= vq->size;
}

/* Entries of a round that was sent become used ones, the first one last, as in vh_txq_complete(). */
static void show(const struct vh_vq *vq, const struct last *l)
{
	for (uint32_t i = l->n; i-- > 0;) {
		struct vh_place p = l->from;
		struct vh_taken t = {0};

		vh_advance(vq, &p, i, true);
		t.id = vh_packed_load(vh_packed_at(vq, p.at)).id;
		__atomic_store_n(
			vh_packed_word(vq, p.at, vq->scattered), vh_packed_used(t, p.wrap), __ATOMIC_RELEASE);
	}
}

/*
 * Puts a ring in order whose last owner died, as in the theory of operation. Return: whether *place is where
 * it is now; nothing has changed where not.
 */
static bool recover(struct vh_vq *vq, struct vh_place *place)
{
	struct last l;
	bool unseen, changed;

	if (!read_last(vq, &l))
		return false;
	unseen = l.n > 0 && is_offered(vq, l.from);
	*place = unseen && !l.sent ? l.from : l.to;
	if (is_used(vq, *place))
		return false;
	changed = unseen && l.sent;
	if (changed)
		show(vq, &l);
	changed |= undo(vq, *place) > 0;
	if (changed && vq->log != NULL)
		vh_vq_log_ring(vq);
	return true;
}

static void set_place(struct vh_vq *vq, struct vh_place p)
{
	vq->last_avail = vq->last_used = p.at;
	vq->avail_wrap = vq->used_wrap = p.wrap;
}

/* Begins at the queue's place, which the front end knows. In an order in which it may be cut off anywhere. */
static void begin(struct vh_vq *vq, const uint64_t area[3])
{
	struct vh_ring_record *r = vq->record;
	uint32_t now = vh_place_bits(vh_used_place(vq));

	vh_ring_record_void(r);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(r->area, area, sizeof(r->area));
	r->size = vq->size;
	r->base = (uint16_t)now;
	r->last = now | now << 16;
	/* What stood in another ring is no business of this one's. */
	memset(r->was, 0, vh_ring_record_bytes(vq->size) - offsetof(struct vh_ring_record, was));
	__atomic_store_n(&r->in_force, 1, __ATOMIC_RELEASE);
}

const char *vh_ring_record_settle(struct vh_vq *vq, const struct vh_vq_config *c)
{
	struct vh_ring_record *r = vq->record;
	struct vh_place place;
	uint64_t area[3];
	bool ours;

	if (!areas(vq, area))
		return "a part of the ring lies outside the guest's memory";
	ours = __atomic_load_n(&r->in_force, __ATOMIC_ACQUIRE) != 0 && is_of(r, vq, area);
	if (!c->rejoin) {
		uint32_t now = vh_place_bits(vh_used_place(vq));

		if (!ours)
			begin(vq, area);
		else
			__atomic_store_n(&r->last, now | now << 16, __ATOMIC_RELEASE);
		return NULL;
	}
	if (ours && r->base == c->last_used && was_served(vq) && recover(vq, &place)) {
		set_place(vq, place);
		return NULL;
	}
	set_place(vq, vh_used_place(vq));
	if (was_served(vq) && is_used(vq, vh_used_place(vq)))
		return "nobody knows how far its packed ring has been served; the guest has to start its "
		       "driver anew";
	begin(vq, area);
	return NULL;
}
