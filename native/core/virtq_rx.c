/*
 * Switch to guest: the one copy. Frames go from the sender's memory straight into the receiver's buffers.
 *
 * Buffers are taken in ring order. Entries of the used ring are written as frames are copied and become
 * visible with one index update at the end of the round. A frame that finds no room leaves the ring as it
 * was.
 */
#include "virtq_chain.h"
#include "copy.h"

/* One round on a receive queue: positions relative to last_avail / last_used. */
struct round {
	struct vh_vq *vq;
	const struct vh_batch *batch;
	struct vh_counters *own;
	uint16_t avail; /* buffers (chains) the guest offers */
	uint16_t taken; /* of them used so far */
	uint64_t packets, bytes;
};

/* A cursor over the bytes of a frame. */
struct source {
	const struct vh_seg *more;
	uint32_t left_more;
	const uint8_t *p;
	uint32_t len;
};

static inline void put_used(struct round *r, uint16_t at, uint16_t head, uint32_t len)
{
	struct vh_used_elem *e = &r->vq->used->ring[(r->vq->last_used + at) & r->vq->mask];

	e->id = head;
	e->len = len;
}

/* Writes the virtio-net header: no offloads, `buffers` merged ones (virtio 1.2, 5.1.6). Legacy ones end
 * before. */
static inline void put_header(uint8_t *p, uint8_t hdr_len, uint16_t buffers)
{
	memset(p, 0, 10);
	if (hdr_len == 12)
		memcpy(p + 10, &buffers, sizeof(buffers));
}

static inline void drop(struct round *r, enum vh_drop reason)
{
	vh_count(&r->own->drops[reason], 1);
}

/* Head number `at` of this round, or -1 when it lies outside the ring: then the queue is broken. */
static inline int32_t head_at(struct round *r, uint16_t at)
{
	uint16_t head = vh_avail_head(r->vq, (uint16_t)(r->vq->last_avail + at));

	if (vh_likely(head < r->vq->size))
		return head;
	r->vq->broken = true;
	return -1;
}

static struct source source_of(const struct vh_batch *b, const struct vh_frame *f)
{
	return (struct source){.more = &b->seg[f->first], .left_more = f->more, .p = f->data, .len = f->len};
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

/*
 * The common case: one writable buffer that is large enough.
 * Return: where header and frame go, or NULL for everything else (also faults: the general path finds them).
 */
static inline uint8_t *simple_buffer(const struct vh_vq *vq, uint16_t head, uint32_t need)
{
	struct vh_desc d = vh_desc_load(&vq->desc[head]);

	if (vh_unlikely(d.flags != VH_DESC_WRITE || d.len < need))
		return NULL;
	return vh_guest_mem_at(vq->mem, d.addr, d.len);
}

static inline void fill_simple(struct round *r, const struct vh_frame *f, uint8_t *p)
{
	put_header(p, r->vq->hdr_len, 1);
	p += r->vq->hdr_len;
	if (vh_likely(f->more == 0)) {
		vh_copy(p, f->data, f->len);
	} else {
		struct source s = source_of(r->batch, f);

		copy_out(&s, p, f->total);
	}
	r->packets++;
	r->bytes += f->total;
}

/* Gives `n` chains from the round's position on back to the guest with length 0: they carry nothing. */
static void return_empty(struct round *r, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		int32_t head = head_at(r, (uint16_t)(r->taken + i));

		if (head < 0) {
			n = i;
			break;
		}
		put_used(r, (uint16_t)(r->taken + i), (uint16_t)head, 0);
	}
	r->taken = (uint16_t)(r->taken + n);
}

/* Fills one chain; `header` is where the virtio header went (first chain only). Return: a fault, *len bytes.
 */
static enum vh_chain_fault fill_chain(
	struct round *r, uint16_t head, struct source *s, uint8_t **header, uint32_t *len)
{
	static _Thread_local struct vh_seg seg[VH_BATCH_SEGS];
	uint32_t n, i = 0, skip = 0;
	enum vh_chain_fault fault = vh_chain_resolve(r->vq, head, true, seg, VH_BATCH_SEGS, &n);

	*len = 0;
	if (fault != VH_CHAIN_OK)
		return fault == VH_CHAIN_NO_ROOM ? VH_CHAIN_BAD_CHAIN : fault;
	if (*header == NULL) {
		/* No driver splits its header over buffers; where one does, the chain is refused, not
		 * misread. */
		if (n == 0 || seg[0].len < r->vq->hdr_len)
			return VH_CHAIN_BAD_CHAIN;
		*header = seg[0].p;
		*len = skip = r->vq->hdr_len;
	}
	for (; i < n; i++, skip = 0)
		*len += copy_out(s, seg[i].p + skip, seg[i].len - skip);
	return VH_CHAIN_OK;
}

static inline bool source_empty(const struct source *s)
{
	return s->len == 0 && s->left_more == 0;
}

/*
 * Any frame into any chains: descriptor chains, indirect tables, several merged buffers
 * (virtio 1.2, 5.1.6.4). Return: false when the ring is empty or broken and the round is over.
 */
static bool deliver_general(struct round *r, const struct vh_frame *f)
{
	struct source s = source_of(r->batch, f);
	uint8_t *header = NULL;
	uint16_t used = 0;

	do {
		enum vh_chain_fault fault;
		int32_t head;
		uint32_t len;

		if (used > 0 && !r->vq->mergeable) {
			drop(r, VH_DROP_RX_TOO_LONG);
			return true;
		}
		if (r->taken + used == r->avail) {
			/* Nothing published, nothing consumed: the buffers filled so far stay the guest's
			 * offer. */
			drop(r, VH_DROP_RX_RING_FULL);
			return false;
		}
		head = head_at(r, (uint16_t)(r->taken + used));
		if (head < 0) {
			drop(r, VH_DROP_RX_BAD_RING);
			return false;
		}
		fault = fill_chain(r, (uint16_t)head, &s, &header, &len);
		if (fault != VH_CHAIN_OK) {
			drop(r, VH_DROP_RX_BAD_ADDRESS + (fault - VH_CHAIN_BAD_ADDRESS));
			return_empty(r, (uint16_t)(used + 1));
			return true;
		}
		put_used(r, (uint16_t)(r->taken + used), (uint16_t)head, len);
		used++;
	} while (!source_empty(&s));

	put_header(header, r->vq->hdr_len, used);
	r->taken = (uint16_t)(r->taken + used);
	r->packets++;
	r->bytes += f->total;
	return true;
}

/* Frames that fit simple buffers, as many as follow each other. Return: how many of which[0..n) were done. */
static uint32_t deliver_simple(struct round *r, const uint8_t *which, uint32_t n)
{
	uint8_t *dst[VH_BATCH];
	uint32_t left = (uint32_t)(r->avail - r->taken);
	uint32_t k, ready;

	if (n > left)
		n = left;
	/* Addresses first, copies second: the misses on the receiver's buffers overlap. */
	for (ready = 0; ready < n; ready++) {
		const struct vh_frame *f = &r->batch->frame[which[ready]];
		int32_t head = head_at(r, (uint16_t)(r->taken + ready));

		if (vh_unlikely(head < 0))
			break;
		dst[ready] = simple_buffer(r->vq, (uint16_t)head, r->vq->hdr_len + f->total);
		if (vh_unlikely(dst[ready] == NULL))
			break;
		__builtin_prefetch(dst[ready], 1);
		put_used(r, (uint16_t)(r->taken + ready), (uint16_t)head, r->vq->hdr_len + f->total);
	}
	for (k = 0; k < ready; k++)
		fill_simple(r, &r->batch->frame[which[k]], dst[k]);
	r->taken = (uint16_t)(r->taken + ready);
	return ready;
}

/* How many buffers the guest offers; -1 when its index is impossible. */
static int32_t offered(const struct vh_vq *vq)
{
	uint16_t avail = __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(avail - vq->last_avail);

	return n <= vq->size ? n : -1;
}

void vh_rxq_deliver(struct vh_vq *vq, const struct vh_batch *batch, const uint8_t *which, uint32_t n,
	struct vh_counters *own)
{
	struct round r = {.vq = vq, .batch = batch, .own = own};
	uint32_t done = 0;
	int32_t avail;

	vh_lock(&vq->lock);
	avail = vq->broken ? -1 : offered(vq);
	if (vh_unlikely(avail < 0)) {
		vq->broken = true;
		vh_count(&own->drops[VH_DROP_RX_BAD_RING], n);
		vh_unlock(&vq->lock);
		return;
	}
	r.avail = (uint16_t)avail;
	while (done < n) {
		done += deliver_simple(&r, which + done, n - done);
		if (done == n)
			break;
		/* The frame that stopped it: counted by the general path whatever becomes of it. */
		if (!deliver_general(&r, &batch->frame[which[done++]])) {
			vh_count(&own->drops[vq->broken ? VH_DROP_RX_BAD_RING : VH_DROP_RX_RING_FULL],
				n - done);
			break;
		}
	}
	vq->last_avail = (uint16_t)(vq->last_avail + r.taken);
	vh_vq_publish(vq, r.taken, own);
	vh_unlock(&vq->lock);
	vh_count(&own->rx_packets, r.packets);
	vh_count(&own->rx_bytes, r.bytes);
}
