/* Guest to switch: chains become frames that point into the guest's memory. Nothing is copied here. */
#include "virtq.h"
#include "virtq_iova.h"
#include "virtq_ring.h"

static void drop_chain(struct vh_counters *own, enum vh_chain_fault fault)
{
	enum vh_drop reason = fault == VH_CHAIN_NO_ROOM
				      ? VH_DROP_TX_BAD_CHAIN
				      : VH_DROP_TX_BAD_ADDRESS + (fault - VH_CHAIN_BAD_ADDRESS);

	vh_count(&own->drops[reason], 1);
}

/* Takes the virtio header off the front of the segments. Return: how many are left, from *first on. */
static uint32_t skip_header(struct vh_seg *seg, uint32_t n, uint32_t header, uint32_t *first)
{
	uint32_t i = 0;

	while (i < n && seg[i].len <= header)
		header -= seg[i++].len;
	if (i < n) {
		seg[i].p += header;
		seg[i].len -= header;
	}
	*first = i;
	return n - i;
}

/*
 * Reads the virtio header of the frame that was just made, once, and notes what it asks for.
 * Return: whether that makes sense.
 */
static bool note_offload(
	struct vh_vq *vq, struct vh_batch *b, const struct vh_virtio_header *raw, struct vh_counters *own)
{
	struct vh_frame *f = &b->frame[b->frames];
	struct vh_offload *o = &b->offload[b->frames];

	if (!vh_offload_take(vq->tx_offloads, raw, b, f, o)) {
		vh_count(&own->drops[VH_DROP_TX_BAD_OFFLOAD], 1);
		return false;
	}
	f->offload = vh_offload_needs(o);
	if (f->offload != 0)
		b->offloads++;
	return true;
}

/* Makes a frame of the `n` segments at the batch's end. Return: whether it is one. */
static bool frame_of_segments(struct vh_vq *vq, struct vh_batch *b, uint32_t n, struct vh_counters *own)
{
	struct vh_seg *seg = &b->seg[b->segs];
	struct vh_virtio_header raw;
	uint64_t total = 0;
	uint32_t first;

	if (vq->tx_offloads != 0)
		vh_virtio_header_load(seg, n, &raw);
	n = skip_header(seg, n, vq->hdr_len, &first);
	for (uint32_t i = 0; i < n; i++)
		total += seg[first + i].len;
	if (total < VH_MIN_FRAME || total > VH_MAX_FRAME) {
		vh_count(&own->drops[total < VH_MIN_FRAME ? VH_DROP_TX_RUNT : VH_DROP_TX_TOO_LONG], 1);
		return false;
	}
	b->frame[b->frames] = (struct vh_frame){.data = seg[first].p,
		.len = seg[first].len,
		.total = (uint32_t)total,
		.more = (uint16_t)(n - 1),
		.first = (uint16_t)(b->segs + first + 1)};
	if (vq->tx_offloads != 0 && !note_offload(vq, b, &raw, own))
		return false;
	b->segs = (uint16_t)(b->segs + first + n);
	return true;
}

/*
 * Takes the chain at *place, of any shape; counts what is wrong with it.
 * Return: 1 taken (a frame or not), 0 none there or no room left in this round, -1 the ring is beyond use.
 */
static __attribute__((noinline)) int take_any(struct vh_vq *vq, struct vh_batch *b, struct vh_place *place,
	uint16_t offered, struct vh_counters *own, uint64_t *bytes, const bool packed)
{
	enum vh_chain_fault fault = VH_CHAIN_OK;
	struct vh_taken taken;
	uint32_t n = 0;
	int found = vh_next_chain(vq, place, offered, false, &b->seg[b->segs], VH_BATCH_SEGS - b->segs, &n,
		&taken, &fault, packed);

	if (found <= 0)
		return found;
	b->walked += taken.walked;
	/* Only guests behind an IOMMU set it. */
	if (vh_unlikely(fault == VH_CHAIN_MISS || vq->missed)) {
		vq->missed = fault == VH_CHAIN_MISS;
		if (vq->missed) {
			vh_iova_ask_ahead(vq, *place, offered, false);
			return 0;
		}
	}
	if (fault == VH_CHAIN_NO_ROOM) {
		/* The next round has room for it, unless this one had all there is. */
		if (b->segs > 0)
			return 0;
		vh_advance(vq, place, taken.descs, packed);
	}
	b->head[b->chains] = taken.id;
	b->descs[b->chains] = taken.descs;
	b->further += taken.descs - 1U;
	if (fault == VH_CHAIN_OK && frame_of_segments(vq, b, n, own)) {
		*bytes += b->frame[b->frames].total;
		b->frames++;
	} else {
		if (fault != VH_CHAIN_OK)
			drop_chain(own, fault);
		b->bad |= 1ULL << b->chains;
	}
	b->chains++;
	return 1;
}

/* A frame that is one buffer, header and all: the common case. Return: whether it is that, and good. */
VH_INLINE bool single(const struct vh_vq *vq, struct vh_batch *b, uint64_t addr, uint32_t len)
{
	struct vh_frame *f = &b->frame[b->frames];
	uint32_t size =
		len - vq->hdr_len; /* wraps to a huge value below the header: one compare for both ends */
	uint8_t *p;

	if (vh_unlikely(size - VH_MIN_FRAME > VH_MAX_FRAME - VH_MIN_FRAME))
		return false;
	p = vh_guest_mem_at(vq->mem, addr, len);
	if (vh_unlikely(p == NULL))
		return false;
	f->data = p + vq->hdr_len;
	f->len = f->total = size;
	f->more = f->first = 0;
	f->offload = 0;
	vh_prefetch(f->data);
	return true;
}

/* Return: 1 taken, 0 it is something else (nothing changed), which take_any() deals with. */
VH_INLINE int take_single(
	struct vh_vq *vq, struct vh_batch *b, struct vh_place *place, uint64_t *bytes, const bool packed)
{
	if (packed) {
		struct vh_packed_desc d = vh_packed_load(&vq->ring[place->at]);

		if (vh_unlikely(!vh_packed_is_avail(d.flags, place->wrap) ||
				(d.flags & (VH_DESC_NEXT | VH_DESC_WRITE | VH_DESC_INDIRECT)) != 0 ||
				!single(vq, b, d.addr, d.len)))
			return 0;
		b->head[b->chains] = d.id;
		b->descs[b->chains] = 1;
	} else {
		uint16_t head = b->head[b->chains];
		struct vh_desc d = vh_desc_load(&vq->desc[head]);

		if (vh_unlikely(d.flags != 0 || !single(vq, b, d.addr, d.len)))
			return 0;
	}
	*bytes += b->frame[b->frames].total;
	b->frames++;
	b->chains++;
	vh_advance(vq, place, 1, packed);
	return 1;
}

static __attribute__((noinline)) void broken(struct vh_vq *vq, struct vh_counters *own)
{
	vq->broken = true;
	vh_count(&own->drops[VH_DROP_TX_BAD_RING], 1);
}

/*
 * Split rings: reads the heads of this round, so that their descriptors are on the way while the first is
 * looked at. Return: how many are good; *offered is the driver's index.
 */
VH_INLINE uint32_t split_heads(struct vh_vq *vq, struct vh_batch *b, uint16_t *offered)
{
	uint16_t pending, n;

	/* Acquire: descriptors and frames are read after the index that announced them. */
	*offered = __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE);
	pending = (uint16_t)(*offered - vq->last_avail);
	n = pending < VH_BATCH ? pending : VH_BATCH;
	/* The general path reads them itself. */
	if (vh_unlikely(vq->scattered))
		return n;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t head = vh_split_head(vq, (uint16_t)(vq->last_avail + i));

		if (vh_unlikely(head >= vq->size))
			return i;
		b->head[i] = head;
		vh_prefetch(&vq->desc[head]);
	}
	return n;
}

VH_INLINE void collect(struct vh_vq *vq, struct vh_batch *b, struct vh_counters *own, const bool packed)
{
	struct vh_place place = vh_avail_place(vq);
	uint32_t n = VH_BATCH;
	uint16_t offered = 0;
	uint64_t bytes = 0;
	int more = 1;

	b->frames = b->chains = b->segs = b->offloads = 0;
	b->walked = b->further = 0;
	b->bad = 0;
	if (!packed) {
		n = split_heads(vq, b, &offered);
		if (vh_unlikely((uint16_t)(offered - vq->last_avail) > vq->size)) {
			broken(vq, own);
			return;
		}
	}
	while (b->chains < n && vh_likely(more > 0)) {
		/* Headers with something in them are the general path's business. */
		if (vh_unlikely(vq->tx_general || take_single(vq, b, &place, &bytes, packed) == 0))
			more = take_any(vq, b, &place, offered, own, &bytes, packed);
		if (vh_unlikely(more > 0 && b->walked > VH_ROUND_DESCS))
			more = 0;
	}
	/* A head outside the ring ends the round before it and the next round at it. */
	if (vh_unlikely(!packed && more > 0 && n < VH_BATCH && place.at != offered))
		more = -1;
	if (vh_unlikely(more < 0))
		broken(vq, own);
	if (b->chains == 0)
		return;
	vq->last_avail = place.at;
	vq->avail_wrap = place.wrap;
	vh_count(&own->tx_packets, b->frames);
	vh_count(&own->tx_bytes, bytes);
}

void vh_txq_collect(struct vh_vq *vq, struct vh_batch *b, struct vh_counters *own)
{
	if (vh_unlikely(vq->broken))
		b->walked = b->frames = b->chains = b->segs = b->offloads = 0;
	else if (vq->packed)
		collect(vq, b, own, true);
	else
		collect(vq, b, own, false);
}

/* Packed: 1 to the ring's size of chains, of one entry each; VH_RECORD_SENT, see ring_record.h. */
VH_INLINE void complete_singles(struct vh_vq *vq, const struct vh_batch *b, struct vh_counters *own)
{
	struct vh_place from = vh_used_place(vq), p = from;
	struct vh_used_list used = {.at = from, .n = b->chains, .first_at = from.at, .recorded = true};

	vh_advance(vq, &used.at, b->chains, true);
	vh_record_round(vq, from, used.at, VH_RECORD_SENT);
	used.first = vh_packed_used((struct vh_taken){.id = b->head[0]}, from.wrap);
	for (uint16_t i = 1; i < b->chains; i++) {
		vh_advance(vq, &p, 1, true);
		__atomic_store_n(vh_packed_word(vq, p.at, false),
			vh_packed_used((struct vh_taken){.id = b->head[i]}, p.wrap), __ATOMIC_RELAXED);
	}
	vh_used_publish(vq, &used, 0, own);
}

VH_INLINE void complete(
	struct vh_vq *vq, const struct vh_batch *b, struct vh_counters *own, const bool packed)
{
	struct vh_used_list used = {.at = vh_used_place(vq)};
	uint16_t linger = 0;

	if (vh_likely(!packed && !vq->scattered))
		for (uint16_t i = 0; i < b->chains; i++)
			vh_used_put_over(vq, &used, (struct vh_taken){.id = b->head[i]}, 0, false, false);
	else
		for (uint16_t i = 0; i < b->chains; i++)
			vh_used_put(vq, &used,
				(struct vh_taken){.id = b->head[i], .descs = packed ? b->descs[i] : 1},
				packed);
	/* While what is written is logged, it is all shown: what is not shown is not marked either. */
	if (!packed && b->chains >= VH_LINGER_ROUND && vq->log == NULL)
		linger = vq->size / 4 < VH_LINGER ? vq->size / 4 : VH_LINGER;
	vh_used_publish(vq, &used, linger, own);
}

void vh_txq_complete(struct vh_vq *vq, const struct vh_batch *b, struct vh_counters *own)
{
	if (!vq->packed)
		complete(vq, b, own, false);
	else if (vh_likely(b->further == 0 && b->chains <= vq->size && b->chains > 0 && !vq->scattered))
		complete_singles(vq, b, own);
	else
		complete(vq, b, own, true);
}
