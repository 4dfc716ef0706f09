/*
 * Rings whose pages lie apart in this process.
 *
 * Theory of operation
 *   Behind an IOMMU the parts of a ring lie together for the guest and its card only: the kernel of the guest
 * makes 1024 descriptors of any four pages that are free. So such a part is reached page by page of its I/O
 * virtual addresses. What is read or written at once never crosses a page: descriptors have 16 bytes and are
 * aligned to that, of everything else two or four bytes are read or written, which are aligned as well. Only
 * the first two words of a part, which are reached by its address, might be cut by a page's end; no driver
 * does that, and such a ring is refused.
 *   Scattered rings take the general ways (vh_vq.scattered); all others pay for one branch per batch.
 *
 * Written while the ring's queue is paused, read by workers.
 */
#ifndef VH_VIRTIO_MEMORY_PIECES_H
#define VH_VIRTIO_MEMORY_PIECES_H

#include "guest_mem.h"
#include "iotlb.h"

/* A ring's parts as they come in VHOST_USER_SET_VRING_ADDR. */
enum vh_part { VH_PART_DESC, VH_PART_AVAIL, VH_PART_USED, VH_PARTS };

/* Pages of the longest part: VH_MAX_QUEUE_SIZE descriptors that begin within a page. */
#define VH_PIECES (VH_MAX_QUEUE_SIZE * 16 / VH_IOTLB_PAGE + 1)

struct vh_pieces {
	struct {
		uint32_t skew, bytes; /* it begins `skew` bytes into its first page */
		uint8_t *page[VH_PIECES];
	} part[VH_PARTS];
};

/* Where the byte `offset` of a part is. */
static inline void *vh_pieces_at(const struct vh_pieces *p, enum vh_part part, uint32_t offset)
{
	offset += p->part[part].skew;
	return p->part[part].page[offset / VH_IOTLB_PAGE] + offset % VH_IOTLB_PAGE;
}

/* As much of [offset, offset + len) of a part as lies in one page. Return: where, with *got bytes. */
static inline void *vh_pieces_part(
	const struct vh_pieces *p, enum vh_part part, uint32_t offset, uint32_t len, uint32_t *got)
{
	uint32_t left = VH_IOTLB_PAGE - (offset + p->part[part].skew) % VH_IOTLB_PAGE;

	*got = len < left ? len : left;
	return vh_pieces_at(p, part, offset);
}

/*
 * Finds the pages of a part: `bytes` from `iova` on, at most VH_MAX_QUEUE_SIZE descriptors.
 * Return: HIT, or why it cannot be used (now); SCATTERED: a page of it lies in pieces, its first words do, or
 * something is not aligned.
 */
enum vh_iotlb_result vh_pieces_find(struct vh_pieces *p, enum vh_part part, struct vh_iotlb *t, uint64_t iova,
	uint32_t bytes, uint8_t access);

/* Whether a part has `bytes` bytes, all of them in this memory. */
bool vh_pieces_held(
	const struct vh_pieces *p, enum vh_part part, const struct vh_guest_mem *mem, uint64_t bytes);

#endif
