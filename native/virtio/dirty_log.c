#include "dirty_log.h"

bool vh_log_covers_all(const struct vh_dirty_log *log, const struct vh_guest_mem *mem)
{
	for (uint32_t i = 0; i < mem->n; i++)
		if (!vh_log_covers(log, mem->region[i].gpa, mem->region[i].size))
			return false;
	return true;
}

void vh_log_mark(const struct vh_dirty_log *log, uint64_t addr, uint64_t len)
{
	if (!vh_log_covers(log, addr, len))
		return;
	for (uint64_t page = addr / VH_LOG_PAGE; page <= (addr + len - 1) / VH_LOG_PAGE; page++) {
		uint8_t *byte = &log->bitmap[page / 8];
		uint8_t bit = (uint8_t)(1U << page % 8);

		/* Mostly it is set already; an atomic or would take the line from the other workers. */
		if ((__atomic_load_n(byte, __ATOMIC_RELAXED) & bit) == 0)
			__atomic_fetch_or(byte, bit, __ATOMIC_RELAXED);
	}
}

/* Between writing and looking at the bits; see vh_log_mark(). */
static void barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void mark(const struct vh_vq *vq, const void *p, uint64_t len)
{
	uint64_t gpa;

	if (vq->log->memory && vh_guest_mem_address(vh_guest_mem_physical(vq->mem), p, &gpa))
		vh_log_mark(&vq->log->log, gpa, len);
}

/* Bytes of a part of the ring, which begins at `begin`. */
static void mark_part(
	const struct vh_vq *vq, enum vh_part part, const void *begin, uint64_t offset, uint64_t len)
{
	if (!vq->scattered) {
		mark(vq, (const uint8_t *)begin + offset, len);
		return;
	}
	for (uint32_t at = (uint32_t)offset, left = (uint32_t)len, got; left > 0; at += got, left -= got) {
		const void *p = vh_pieces_part(vq->pieces, part, at, left, &got);

		mark(vq, p, got);
	}
}

/* Bytes of the used ring, or of the device's event area, which both types keep in the same place. */
static void mark_used(const struct vh_vq *vq, uint64_t offset, uint64_t len)
{
	mark_part(vq, VH_PART_USED, vq->used, offset, len);
	if (vq->log->used_ring)
		vh_log_mark(&vq->log->log, vq->log->used + offset, len);
}

void vh_vq_log_range(const struct vh_vq *vq, const void *p, uint64_t len)
{
	barrier();
	mark(vq, p, len);
}

void vh_vq_log_segments(const struct vh_vq *vq, const struct vh_seg *seg, uint32_t n, uint64_t len)
{
	barrier();
	for (uint32_t i = 0; i < n && len > 0; i++) {
		uint64_t part = seg[i].len < len ? seg[i].len : len;

		mark(vq, seg[i].p, part);
		len -= part;
	}
}

static void mark_entries(const struct vh_vq *vq, uint32_t first, uint32_t n)
{
	if (vq->packed)
		mark_part(vq, VH_PART_DESC, vq->ring, (uint64_t)first * sizeof(vq->ring[0]),
			(uint64_t)n * sizeof(vq->ring[0]));
	else
		mark_used(vq, sizeof(struct vh_used) + (uint64_t)first * sizeof(struct vh_used_elem),
			(uint64_t)n * sizeof(struct vh_used_elem));
}

void vh_vq_log_used(const struct vh_vq *vq, uint16_t from, uint16_t to)
{
	uint32_t first = vq->packed ? from : from & vq->mask, end = vq->packed ? to : to & vq->mask;

	barrier();
	if (first < end) {
		mark_entries(vq, first, end - first);
	} else {
		mark_entries(vq, first, vq->size - first);
		mark_entries(vq, 0, end);
	}
	/* Packed rings are made visible by an entry. */
	if (!vq->packed)
		mark_used(vq, offsetof(struct vh_used, idx), sizeof(vq->used->idx));
}

void vh_vq_log_ring(const struct vh_vq *vq)
{
	barrier();
	mark_part(vq, VH_PART_DESC, vq->ring, 0, (uint64_t)vq->size * sizeof(vq->ring[0]));
}

void vh_vq_log_suppression(const struct vh_vq *vq)
{
	barrier();
	if (vq->packed)
		mark_used(vq, 0, sizeof(struct vh_packed_event));
	else if (vq->event_idx)
		mark_used(vq, sizeof(struct vh_used) + (uint64_t)vq->size * sizeof(struct vh_used_elem),
			sizeof(uint16_t));
	else
		mark_used(vq, offsetof(struct vh_used, flags), sizeof(vq->used->flags));
}
