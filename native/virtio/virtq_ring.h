/*
 * Internal to native/virtio: what both directions of a virtqueue need, for split and packed rings.
 *
 * Functions that take `packed` are inlined with a constant, so that each ring type gets its own code from one
 * text.
 */
#ifndef VH_VIRTIO_VIRTQ_RING_H
#define VH_VIRTIO_VIRTQ_RING_H

#include "virtq_state.h"

#define VH_INLINE static inline __attribute__((always_inline))

/* Offsets of the drop reasons that both directions have, from *_BAD_ADDRESS. */
enum vh_chain_fault {
	VH_CHAIN_OK = 0,
	VH_CHAIN_BAD_ADDRESS,
	VH_CHAIN_BAD_CHAIN,
	VH_CHAIN_BAD_INDIRECT,
	VH_CHAIN_BAD_DIRECTION,
	VH_CHAIN_NO_ROOM, /* more segments than the caller has room for */
	VH_CHAIN_ENDLESS, /* packed: no end, so no buffer id to give it back under; the ring is beyond use */
	VH_CHAIN_MISS,	  /* a translation is not there yet: the chain stays where it is (virtq_iova.h) */
};

_Static_assert(
	VH_DROP_TX_BAD_DIRECTION - VH_DROP_TX_BAD_ADDRESS == VH_CHAIN_BAD_DIRECTION - VH_CHAIN_BAD_ADDRESS,
	"the tx reasons stand in the order of the faults");
_Static_assert(
	VH_DROP_RX_BAD_DIRECTION - VH_DROP_RX_BAD_ADDRESS == VH_CHAIN_BAD_DIRECTION - VH_CHAIN_BAD_ADDRESS,
	"the rx reasons stand in the order of the faults");

/* A chain that was taken: what its used entry needs. */
struct vh_taken {
	uint16_t id;	 /* split: head; packed: buffer id */
	uint16_t descs;	 /* packed: ring entries it occupies; split: 1 */
	uint32_t len;	 /* bytes the device wrote */
	uint32_t walked; /* descriptors that were looked at */
};

/* A place in a ring: split, a free-running index; packed, a position with its wrap counter. */
struct vh_place {
	uint16_t at;
	bool wrap;
};

VH_INLINE struct vh_place vh_avail_place(const struct vh_vq *vq)
{
	return (struct vh_place){.at = vq->last_avail, .wrap = vq->avail_wrap};
}

VH_INLINE struct vh_place vh_used_place(const struct vh_vq *vq)
{
	return (struct vh_place){.at = vq->last_used, .wrap = vq->used_wrap};
}

/* A packed ring's, as in struct vh_vq_config. */
VH_INLINE uint16_t vh_place_bits(struct vh_place p)
{
	return (uint16_t)(p.at | (p.wrap ? 0x8000U : 0));
}

/* Moves on by `n` ring entries, n <= size. */
VH_INLINE void vh_advance(const struct vh_vq *vq, struct vh_place *p, uint32_t n, const bool packed)
{
	if (!packed) {
		p->at = (uint16_t)(p->at + n);
		return;
	}
	n += p->at;
	if (n >= vq->size) {
		n -= vq->size;
		p->wrap = !p->wrap;
	}
	p->at = (uint16_t)n;
}

/*
 * Where an entry of any ring is: in the descriptor table, in a packed ring, in the available ring. The ways
 * for common cases are not for scattered rings, and look at the three tables themselves.
 */
VH_INLINE const struct vh_desc *vh_desc_at(const struct vh_vq *vq, uint32_t i)
{
	if (vh_unlikely(vq->scattered))
		return vh_pieces_at(vq->pieces, VH_PART_DESC, i * (uint32_t)sizeof(struct vh_desc));
	return &vq->desc[i];
}

VH_INLINE struct vh_packed_desc *vh_packed_at(const struct vh_vq *vq, uint32_t i)
{
	if (vh_unlikely(vq->scattered))
		return vh_pieces_at(vq->pieces, VH_PART_DESC, i * (uint32_t)sizeof(struct vh_packed_desc));
	return &vq->ring[i];
}

/* i: up to the size, where used_event is. */
VH_INLINE const uint16_t *vh_avail_at(const struct vh_vq *vq, uint32_t i)
{
	if (vh_unlikely(vq->scattered))
		return vh_pieces_at(vq->pieces, VH_PART_AVAIL,
			(uint32_t)(sizeof(struct vh_avail) + i * sizeof(uint16_t)));
	return &vq->avail->ring[i];
}

/* Bytes of the used ring in front of entry `i`. */
VH_INLINE uint32_t vh_used_offset(uint32_t i)
{
	return (uint32_t)(sizeof(struct vh_used) + i * sizeof(struct vh_used_elem));
}

/*
 * Loads a descriptor from guest memory exactly once: two 64-bit relaxed atomic loads, which the compiler may
 * neither repeat nor tear, so that what is checked is what is used.
 */
VH_INLINE struct vh_desc vh_desc_load(const struct vh_desc *d)
{
	const uint64_t *raw = (const uint64_t *)(const void *)d;
	uint64_t addr = __atomic_load_n(&raw[0], __ATOMIC_RELAXED);
	uint64_t rest = __atomic_load_n(&raw[1], __ATOMIC_RELAXED);

	return (struct vh_desc){.addr = addr,
		.len = (uint32_t)rest,
		.flags = (uint16_t)(rest >> 32),
		.next = (uint16_t)(rest >> 48)};
}

/*
 * As vh_desc_load() for a packed ring. Length, id and flags are one word, loaded first and with acquire: once
 * the flags say that the entry is available, its address is what the driver wrote before.
 */
VH_INLINE struct vh_packed_desc vh_packed_load(const struct vh_packed_desc *d)
{
	const uint64_t *raw = (const uint64_t *)(const void *)d;
	uint64_t rest = __atomic_load_n(&raw[1], __ATOMIC_ACQUIRE);
	uint64_t addr = __atomic_load_n(&raw[0], __ATOMIC_RELAXED);

	return (struct vh_packed_desc){.addr = addr,
		.len = (uint32_t)rest,
		.id = (uint16_t)(rest >> 32),
		.flags = (uint16_t)(rest >> 48)};
}

/* Whether an entry with these flags is the driver's offer, seen with this wrap counter (virtio 1.2, 2.8.1).
 */
VH_INLINE bool vh_packed_is_avail(uint16_t flags, bool wrap)
{
	return ((flags & VH_DESC_AVAIL) != 0) == wrap && ((flags & VH_DESC_USED) != 0) != wrap;
}

/* Second word of a used entry. */
VH_INLINE uint64_t vh_packed_used(struct vh_taken t, bool wrap)
{
	uint64_t flags = wrap ? VH_DESC_AVAIL | VH_DESC_USED : 0;

	/* A device that wrote to the buffer says so (virtio 1.2, 2.8.7). */
	if (t.len > 0)
		flags |= VH_DESC_WRITE;
	return flags << 48 | (uint64_t)t.id << 32 | t.len;
}

VH_INLINE uint64_t *vh_packed_word(const struct vh_vq *vq, uint16_t at, const bool scattered)
{
	return (uint64_t *)(scattered ? (void *)vh_packed_at(vq, at) : &vq->ring[at]) + 1;
}

VH_INLINE uint16_t vh_split_head(const struct vh_vq *vq, uint16_t at)
{
	return __atomic_load_n(&vq->avail->ring[at & vq->mask], __ATOMIC_RELAXED);
}

/*
 * Used entries on their way to the guest. All but the first are written at once; the guest looks at entries
 * in order (packed) or up to the index (split), so the first one, or the index, publishes the lot.
 */
struct vh_used_list {
	struct vh_place at;
	uint32_t n;
	bool recorded;	   /* packed: the round is in the queue's record already */
	uint16_t first_at; /* packed: the entry that is held back */
	uint64_t first;
};

/* was: packed; the second word of the entry that is overwritten. scattered: a constant, or the queue's. */
VH_INLINE void vh_used_put_over(const struct vh_vq *vq, struct vh_used_list *u, struct vh_taken t,
	uint64_t was, const bool packed, const bool scattered)
{
	if (packed) {
		uint64_t word = vh_packed_used(t, u->at.wrap);

		if (u->n == 0) {
			u->first_at = u->at.at;
			u->first = word;
		} else {
			vq->record->was[(u->n - 1) & vq->mask] = was;
			/* For who reads both after our death: no store of ours is missing before another one
			 * that is there, if only the compiler leaves them in this order. */
			__atomic_signal_fence(__ATOMIC_RELEASE);
			__atomic_store_n(vh_packed_word(vq, u->at.at, scattered), word, __ATOMIC_RELAXED);
		}
		vh_advance(vq, &u->at, t.descs, true);
	} else {
		uint32_t i = u->at.at & vq->mask;
		uint32_t *id = &vq->used->ring[i].id, *len = &vq->used->ring[i].len;

		/* Its two words may be in two pages: the ring begins with one word. */
		if (scattered) {
			id = vh_pieces_at(vq->pieces, VH_PART_USED, vh_used_offset(i));
			len = vh_pieces_at(
				vq->pieces, VH_PART_USED, vh_used_offset(i) + (uint32_t)sizeof(*id));
		}
		/* Drivers that use their descriptors in turn find the same entry here every time round: what
		 * is not written does not take the line away from the guest. */
		if (*id != t.id)
			*id = t.id;
		if (*len != t.len)
			*len = t.len;
		u->at.at++;
	}
	u->n++;
}

VH_INLINE void vh_used_put(
	const struct vh_vq *vq, struct vh_used_list *u, struct vh_taken t, const bool packed)
{
	bool scattered = vq->scattered;
	uint64_t was =
		packed ? __atomic_load_n(vh_packed_word(vq, u->at.at, scattered), __ATOMIC_RELAXED) : 0;

	vh_used_put_over(vq, u, t, was, packed, scattered);
}

/* Packed: what whoever takes the ring over must know of a round; flags: 0 or VH_RECORD_SENT. */
VH_INLINE void vh_record_round(
	const struct vh_vq *vq, struct vh_place from, struct vh_place to, const uint64_t flags)
{
	__atomic_store_n(&vq->record->last, vh_place_bits(from) | (uint64_t)vh_place_bits(to) << 16 | flags,
		__ATOMIC_RELAXED);
	/* As in vh_used_put_over(). */
	__atomic_signal_fence(__ATOMIC_RELEASE);
}

/*
 * Makes the list visible, moves last_used on, and interrupts the guest if it wants that. linger: split rings,
 * so many entries at most stay unseen.
 */
void vh_used_publish(
	struct vh_vq *vq, const struct vh_used_list *u, uint16_t linger, struct vh_counters *own);

/*
 * Resolves the chain at `head` (< size) of a split ring to at most `room` segments in this process.
 * write: the direction every buffer must have; taken->walked is set.
 * Return: VH_CHAIN_OK with *n segments, or the fault.
 */
enum vh_chain_fault vh_split_resolve(const struct vh_vq *vq, uint16_t head, bool write, struct vh_seg *out,
	uint32_t room, uint32_t *n, struct vh_taken *taken);

/* As above for the chain that begins at position `at` of a packed ring; *taken gets id and length in entries.
 */
enum vh_chain_fault vh_packed_resolve(const struct vh_vq *vq, uint16_t at, bool write, struct vh_seg *out,
	uint32_t room, uint32_t *n, struct vh_taken *taken);

/*
 * The next chain at `*place`, of any shape. Return: 1 with *taken, *fault and (when that is OK) *n segments,
 * and *place moved behind it, but for NO_ROOM and MISS; 0 when the driver offers none; -1 when the ring is
 * beyond use. offered: split rings, the driver's index; packed rings say it entry by entry.
 */
VH_INLINE int vh_next_chain(const struct vh_vq *vq, struct vh_place *place, uint16_t offered, bool write,
	struct vh_seg *out, uint32_t room, uint32_t *n, struct vh_taken *taken, enum vh_chain_fault *fault,
	const bool packed)
{
	if (packed) {
		if (!vh_packed_is_avail(vh_packed_load(vh_packed_at(vq, place->at)).flags, place->wrap))
			return 0;
		*fault = vh_packed_resolve(vq, place->at, write, out, room, n, taken);
	} else {
		if (place->at == offered)
			return 0;
		taken->id = __atomic_load_n(vh_avail_at(vq, place->at & vq->mask), __ATOMIC_RELAXED);
		taken->descs = 1;
		if (vh_unlikely(taken->id >= vq->size))
			return -1;
		*fault = vh_split_resolve(vq, taken->id, write, out, room, n, taken);
	}
	if (vh_unlikely(*fault == VH_CHAIN_ENDLESS))
		return -1;
	if (*fault != VH_CHAIN_NO_ROOM && vh_likely(*fault != VH_CHAIN_MISS))
		vh_advance(vq, place, taken->descs, packed);
	return 1;
}

#endif
