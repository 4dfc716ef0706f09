/*
 * Switch to guest: the one copy. Frames go from the sender's memory straight into the receiver's buffers.
 *
 * Buffers are taken in ring order. Used entries are written as frames are copied and become visible together
 * at the end of the round. A frame that finds no room leaves the ring as it was.
 */
#include "virtq.h"
#include "virtq_iova.h"
#include "virtq_ring.h"
#include "../base/copy.h"

/* Buffers one frame may be spread over; 64 KiB in buffers of 64 bytes. */
#define VH_MERGE_MAX 1024

/* One round on a receive queue. */
struct round {
	struct vh_vq *vq;
	const struct vh_batch *batch;
	struct vh_counters *own;
	struct vh_place place; /* of the next buffer */
	struct vh_used_list used;
	uint16_t offered; /* split: the driver's index */
	uint32_t walked;  /* descriptors of chains that were no single buffer */
	uint64_t packets, bytes;
};

/* A cursor over the bytes of a frame. */
struct source {
	const struct vh_seg *more;
	uint32_t left_more;
	const uint8_t *p;
	uint32_t len;
};

/* Its number of buffers is not touched. */
static void put_offload(const struct round *r, const struct vh_frame *f, uint8_t *header)
{
	if (f->offload == VH_CHECKED && (r->vq->rx_offloads & VH_F_GUEST_CSUM) == 0)
		return;
	vh_offload_put(&r->batch->offload[f - r->batch->frame], header);
}

/*
 * Writes the virtio-net header: no offloads, `buffers` merged ones (virtio 1.2, 5.1.6). Legacy ones end
 * before that. Where the buffer holds just this from its last use, as a poll mode driver's do, it is left
 * alone, so that its cache line need not travel to us and back to the guest.
 */
VH_INLINE void put_header(uint8_t *p, uint8_t hdr_len, uint16_t buffers)
{
	uint8_t header[12] = {0};

	memcpy(header + 10, &buffers, sizeof(buffers));
	if (vh_unlikely(hdr_len != sizeof(header)))
		memset(p, 0, 10);
	else if (memcmp(p, header, sizeof(header)) != 0)
		memcpy(p, header, sizeof(header));
}

static void drop(struct round *r, enum vh_drop reason)
{
	vh_count(&r->own->drops[reason], 1);
}

static struct source source_of(const struct vh_batch *b, const struct vh_frame *f)
{
	return (struct source){.more = &b->seg[f->first], .left_more = f->more, .p = f->data, .len = f->len};
}

static bool source_empty(const struct source *s)
{
	return s->len == 0 && s->left_more == 0;
}

/* Copies up to `room` bytes. Return: how many were copied. */
static uint32_t copy_out(struct source *s, uint8_t *d, uint32_t room)
{
	uint32_t done = 0;

	while (done < room) {
		uint32_t n = s->len < room - done ? s->len : room - done;

		if (n > 0)
			vh_copy(d + done, s->p, n);
		done += n;
		s->p += n;
		s->len -= n;
		if (s->len > 0)
			continue;
		if (s->left_more == 0)
			break;
		s->p = s->more->p;
		s->len = s->more->len;
		s->more++;
		s->left_more--;
	}
	return done;
}

/* Fills one chain; *header is where the virtio header went (first chain only). Return: a fault, *len bytes.
 */
static enum vh_chain_fault fill_chain(const struct vh_vq *vq, const struct vh_seg *seg, uint32_t n,
	struct source *s, uint8_t **header, uint32_t *len)
{
	uint32_t skip = 0;

	*len = 0;
	if (*header == NULL) {
		/* No driver splits its header over buffers; where one does, the chain is refused, not
		 * misread. */
		if (n == 0 || seg[0].len < vq->hdr_len)
			return VH_CHAIN_BAD_CHAIN;
		*header = seg[0].p;
		*len = skip = vq->hdr_len;
	}
	for (uint32_t i = 0; i < n; i++, skip = 0)
		*len += copy_out(s, seg[i].p + skip, seg[i].len - skip);
	return VH_CHAIN_OK;
}

/* Makes the chains of one frame, or of one that failed (lengths 0), part of the round. */
VH_INLINE void commit(struct round *r, const struct vh_taken *taken, uint32_t n, struct vh_place place,
	bool empty, const bool packed)
{
	for (uint32_t i = 0; i < n; i++) {
		struct vh_taken t = taken[i];

		if (empty)
			t.len = 0;
		vh_used_put(r->vq, &r->used, t, packed);
	}
	r->place = place;
}

/* What became of a frame on the general path. */
enum outcome {
	NEXT,  /* delivered or dropped: go on with the next frame */
	EMPTY, /* the guest offers too few buffers, or their translations are not there; ring unchanged */
	BROKEN,
};

/* Any frame into any chains: descriptor chains, indirect tables, several merged buffers
 * (virtio 1.2, 5.1.6.4). */
VH_INLINE enum outcome deliver_any(struct round *r, const struct vh_frame *f, const bool packed)
{
	static _Thread_local struct vh_taken taken[VH_MERGE_MAX];
	static _Thread_local struct vh_seg seg[VH_BATCH_SEGS];
	struct source s = source_of(r->batch, f);
	struct vh_place place = r->place;
	uint8_t *header = NULL;
	uint32_t used = 0;

	do {
		enum vh_chain_fault fault = VH_CHAIN_OK;
		uint32_t n = 0;
		int found;

		if (vh_unlikely(r->walked > VH_ROUND_RX_DESCS)) {
			drop(r, VH_DROP_RX_BAD_CHAIN);
			return NEXT;
		}
		if (used > 0 && (!r->vq->mergeable || used == VH_MERGE_MAX)) {
			drop(r, VH_DROP_RX_TOO_LONG);
			return NEXT;
		}
		found = vh_next_chain(r->vq, &place, r->offered, true, seg, VH_BATCH_SEGS, &n, &taken[used],
			&fault, packed);
		if (found <= 0)
			return found == 0 ? EMPTY : BROKEN;
		r->walked += taken[used].walked;
		if (vh_unlikely(fault == VH_CHAIN_MISS)) {
			vh_iova_ask_ahead(r->vq, place, r->offered, true);
			return EMPTY;
		}
		if (fault == VH_CHAIN_NO_ROOM) {
			vh_advance(r->vq, &place, taken[used].descs, packed);
			fault = VH_CHAIN_BAD_CHAIN;
		}
		if (fault == VH_CHAIN_OK)
			fault = fill_chain(r->vq, seg, n, &s, &header, &taken[used].len);
		if (vh_unlikely(r->vq->log != NULL))
			vh_vq_log_segments(r->vq, seg, n, fault == VH_CHAIN_OK ? taken[used].len : 0);
		used++;
		if (fault != VH_CHAIN_OK) {
			drop(r, VH_DROP_RX_BAD_ADDRESS + (fault - VH_CHAIN_BAD_ADDRESS));
			commit(r, taken, used, place, true, packed);
			return NEXT;
		}
	} while (!source_empty(&s));

	put_header(header, r->vq->hdr_len, (uint16_t)used);
	if (vh_unlikely(f->offload != 0))
		put_offload(r, f, header);
	/* Again: it was written after the rest of its buffer. */
	if (vh_unlikely(r->vq->log != NULL))
		vh_vq_log_range(r->vq, header, r->vq->hdr_len);
	commit(r, taken, used, place, false, packed);
	/* Before they are needed: a frame that has to wait for its buffer may be dropped. */
	if (vh_unlikely(r->vq->mem->n == 0 && r->vq->mem->iotlb != NULL && r->packets % VH_ASK_EVERY == 0))
		vh_iova_ask_ahead(r->vq, place, r->offered, true);
	r->packets++;
	r->bytes += f->total;
	return NEXT;
}

static __attribute__((noinline)) enum outcome deliver_general(struct round *r, const struct vh_frame *f)
{
	return r->vq->packed ? deliver_any(r, f, true) : deliver_any(r, f, false);
}

/* As vh_copy(), of two parts, each of which may be empty. */
VH_INLINE void copy_parts(uint8_t *d, const uint8_t *s, uint32_t n, const struct vh_seg *rest)
{
	if (vh_likely(n > 0))
		vh_copy(d, s, n);
	if (vh_likely(rest->len > 0))
		vh_copy(d + n, rest->p, rest->len);
}

VH_INLINE void fill_simple(struct round *r, const struct vh_frame *f, uint8_t *p)
{
	put_header(p, r->vq->hdr_len, 1);
	if (vh_unlikely(f->offload != 0))
		put_offload(r, f, p);
	p += r->vq->hdr_len;
	if (vh_likely(f->more == 0)) {
		vh_copy(p, f->data, f->len);
	} else if (f->more == 1) {
		/* A front of ours and the sender's rest (vlan_rules.h), for one. */
		copy_parts(p, f->data, f->len, &r->batch->seg[f->first]);
	} else {
		struct source s = source_of(r->batch, f);

		copy_out(&s, p, f->total);
	}
	r->bytes += f->total;
}

/*
 * The buffer at *place, if it is the common case: one, writable, large enough.
 * Return: where header and frame go, or NULL for everything else (also faults: the general path finds them).
 * *was: for vh_used_put_over().
 */
VH_INLINE uint8_t *simple_buffer(const struct vh_vq *vq, struct vh_place place, uint32_t need,
	struct vh_taken *t, uint64_t *was, const bool packed)
{
	uint64_t addr;
	uint32_t len;

	t->descs = 1;
	t->len = need;
	if (packed) {
		struct vh_packed_desc d = vh_packed_load(&vq->ring[place.at]);

		if (vh_unlikely(
			    !vh_packed_is_avail(d.flags, place.wrap) ||
			    (d.flags & (VH_DESC_NEXT | VH_DESC_WRITE | VH_DESC_INDIRECT)) != VH_DESC_WRITE))
			return NULL;
		t->id = d.id;
		*was = (uint64_t)d.flags << 48 | (uint64_t)d.id << 32 | d.len;
		addr = d.addr;
		len = d.len;
	} else {
		struct vh_desc d;

		*was = 0;

		t->id = vh_split_head(vq, place.at);
		if (vh_unlikely(t->id >= vq->size))
			return NULL;
		d = vh_desc_load(&vq->desc[t->id]);
		if (vh_unlikely(d.flags != VH_DESC_WRITE))
			return NULL;
		addr = d.addr;
		len = d.len;
	}
	return vh_likely(len >= need) ? vh_guest_mem_at(vq->mem, addr, len) : NULL;
}

/* The first `n` frames of the list went to these buffers, headers included. */
static __attribute__((noinline)) void log_filled(
	const struct round *r, const uint8_t *which, uint8_t *const *dst, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		vh_vq_log_range(r->vq, dst[k], r->vq->hdr_len + r->batch->frame[which[k]].total);
}

/* Frames that fit simple buffers, as many as follow each other. Return: how many of which[0..n) were done. */
VH_INLINE uint32_t deliver_simple(struct round *r, const uint8_t *which, uint32_t n, const bool packed)
{
	uint8_t *dst[VH_BATCH];
	struct vh_place place = r->place;
	uint32_t ready, left = (uint16_t)(r->offered - place.at);

	if (!packed && n > left)
		n = left;
	/* Addresses first, copies second: the misses on the receiver's buffers overlap. */
	for (ready = 0; ready < n; ready++) {
		uint32_t need = r->vq->hdr_len + r->batch->frame[which[ready]].total;
		struct vh_taken t;
		uint64_t was;

		dst[ready] = simple_buffer(r->vq, place, need, &t, &was, packed);
		if (vh_unlikely(dst[ready] == NULL))
			break;
		/* A short frame lies on up to two lines; its header is often at the end of another. */
		vh_prefetch_write(dst[ready] + r->vq->hdr_len);
		vh_prefetch_write(dst[ready] + r->vq->hdr_len + VH_CACHE_LINE - 1);
		vh_prefetch(dst[ready]);
		vh_used_put_over(r->vq, &r->used, t, was, packed, false);
		vh_advance(r->vq, &place, 1, packed);
	}
	r->place = place;
	for (uint32_t k = 0; k < ready; k++)
		fill_simple(r, &r->batch->frame[which[k]], dst[k]);
	if (vh_unlikely(r->vq->log != NULL))
		log_filled(r, which, dst, ready);
	r->packets += ready;
	return ready;
}

VH_INLINE uint32_t run(struct round *r, const uint8_t *which, uint32_t n, const bool packed)
{
	uint32_t done = 0;

	r->place = vh_avail_place(r->vq);
	r->used.at = vh_used_place(r->vq);
	if (!packed) {
		r->offered = __atomic_load_n(&r->vq->avail->idx, __ATOMIC_ACQUIRE);
		if (vh_unlikely((uint16_t)(r->offered - r->place.at) > r->vq->size))
			r->vq->broken = true;
	}
	while (done < n && vh_likely(!r->vq->broken)) {
		enum outcome o;

		if (vh_likely(!r->vq->scattered))
			done += deliver_simple(r, which + done, n - done, packed);
		if (vh_likely(done == n))
			break;
		/* The frame that stopped it. */
		o = deliver_general(r, &r->batch->frame[which[done]]);
		if (o == EMPTY)
			break;
		if (o == BROKEN)
			r->vq->broken = true;
		else
			done++;
	}
	if (vh_unlikely(r->vq->broken)) {
		vh_count(&r->own->drops[VH_DROP_RX_BAD_RING], n - done);
		done = n;
	}
	r->vq->last_avail = r->place.at;
	r->vq->avail_wrap = r->place.wrap;
	vh_used_publish(r->vq, &r->used, 0, r->own);
	return done;
}

uint32_t vh_rxq_deliver(struct vh_vq *vq, const struct vh_batch *batch, const uint8_t *which, uint32_t n,
	struct vh_counters *own)
{
	struct round r = {.vq = vq, .batch = batch, .own = own};
	uint32_t done;

	vh_lock(&vq->lock);
	done = vq->packed ? run(&r, which, n, true) : run(&r, which, n, false);
	vh_unlock(&vq->lock);
	vh_count(&own->rx_packets, r.packets);
	vh_count(&own->rx_bytes, r.bytes);
	return done;
}
