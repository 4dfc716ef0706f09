/* Guest to switch: chains become frames that point into the guest's memory. Nothing is copied here. */
#include "virtq_chain.h"

static inline void drop_chain(struct vh_counters *own, enum vh_chain_fault fault)
{
	enum vh_drop reason = fault == VH_CHAIN_NO_ROOM
				      ? VH_DROP_TX_BAD_CHAIN
				      : VH_DROP_TX_BAD_ADDRESS + (fault - VH_CHAIN_BAD_ADDRESS);

	vh_count(&own->drops[reason], 1);
}

/* Takes the virtio header off the front of the segments. Return: the segments that are left, from *first on.
 */
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

/* Any chain at all. Return: whether it is a frame; false with *full set means "start of the next round". */
static bool resolve_chain(
	struct vh_vq *vq, struct vh_batch *b, uint16_t head, struct vh_counters *own, bool *full)
{
	struct vh_seg *seg = &b->seg[b->segs];
	struct vh_frame *f = &b->frame[b->frames];
	uint32_t n, first;
	uint64_t total = 0;
	enum vh_chain_fault fault = vh_chain_resolve(vq, head, false, seg, VH_BATCH_SEGS - b->segs, &n);

	if (fault == VH_CHAIN_NO_ROOM && b->segs > 0) {
		*full = true;
		return false;
	}
	if (fault != VH_CHAIN_OK) {
		drop_chain(own, fault);
		return false;
	}
	n = skip_header(seg, n, vq->hdr_len, &first);
	for (uint32_t i = 0; i < n; i++)
		total += seg[first + i].len;
	if (total < VH_MIN_FRAME || total > VH_MAX_FRAME) {
		vh_count(&own->drops[total < VH_MIN_FRAME ? VH_DROP_TX_RUNT : VH_DROP_TX_TOO_LONG], 1);
		return false;
	}
	*f = (struct vh_frame){.data = seg[first].p,
		.len = seg[first].len,
		.total = (uint32_t)total,
		.more = (uint16_t)(n - 1),
		.first = (uint16_t)(b->segs + first + 1)};
	b->segs = (uint16_t)(b->segs + first + n);
	return true;
}

/* The common case: one buffer that holds header and frame. Return: whether it was that, and good. */
static inline bool resolve_single(struct vh_vq *vq, struct vh_frame *f, uint16_t head)
{
	struct vh_desc d = vh_desc_load(&vq->desc[head]);
	uint8_t *p;

	if (vh_unlikely(
		    d.flags != 0 || d.len < vq->hdr_len + VH_MIN_FRAME || d.len > vq->hdr_len + VH_MAX_FRAME))
		return false;
	p = vh_guest_mem_at(vq->mem, d.addr, d.len);
	if (vh_unlikely(p == NULL))
		return false;
	f->data = p + vq->hdr_len;
	f->len = f->total = d.len - vq->hdr_len;
	f->more = f->first = 0;
	__builtin_prefetch(f->data);
	return true;
}

/* Reads the heads of this round. Return: how many. */
static uint16_t take_heads(struct vh_vq *vq, struct vh_batch *b, struct vh_counters *own)
{
	/* Acquire: descriptors and frames are read after the index that announced them. */
	uint16_t avail = __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE);
	uint16_t pending = (uint16_t)(avail - vq->last_avail);
	uint16_t n = pending < VH_BATCH ? pending : VH_BATCH;

	if (vh_unlikely(pending > vq->size)) {
		vq->broken = true;
		vh_count(&own->drops[VH_DROP_TX_BAD_RING], 1);
		return 0;
	}
	for (uint16_t i = 0; i < n; i++) {
		uint16_t head = vh_avail_head(vq, (uint16_t)(vq->last_avail + i));

		if (vh_unlikely(head >= vq->size)) {
			/* It cannot be handed back under a name that does not exist: the ring is beyond use.
			 */
			vq->broken = true;
			vh_count(&own->drops[VH_DROP_TX_BAD_RING], 1);
			return i;
		}
		b->head[i] = head;
		__builtin_prefetch(&vq->desc[head]);
	}
	return n;
}

void vh_txq_collect(struct vh_vq *vq, struct vh_batch *b, struct vh_counters *own)
{
	uint64_t bytes = 0;
	uint16_t n, i;

	b->frames = b->chains = b->segs = 0;
	if (vh_unlikely(vq->broken))
		return;
	n = take_heads(vq, b, own);
	for (i = 0; i < n; i++) {
		bool full = false;

		if (vh_likely(resolve_single(vq, &b->frame[b->frames], b->head[i])) ||
			resolve_chain(vq, b, b->head[i], own, &full)) {
			bytes += b->frame[b->frames].total;
			b->frames++;
		}
		if (vh_unlikely(full))
			break;
	}
	b->chains = i;
	vq->last_avail = (uint16_t)(vq->last_avail + i);
	vh_count(&own->tx_packets, b->frames);
	vh_count(&own->tx_bytes, bytes);
}

void vh_txq_complete(struct vh_vq *vq, const struct vh_batch *b, struct vh_counters *own)
{
	for (uint16_t i = 0; i < b->chains; i++) {
		struct vh_used_elem *e = &vq->used->ring[(vq->last_used + i) & vq->mask];

		e->id = b->head[i];
		e->len = 0;
	}
	vh_vq_publish(vq, b->chains, own);
}
