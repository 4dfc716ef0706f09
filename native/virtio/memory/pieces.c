#include "pieces.h"

/* Of a part, what is reached by its address alone: flags and index, or an event suppression structure. */
#define FIRST_WORDS 4U

/* How each part is aligned (virtio 1.2, 2.7 and 2.8): else what is read at once would cross a page. */
static const uint32_t alignment[VH_PARTS] = {[VH_PART_DESC] = 16, [VH_PART_AVAIL] = 2, [VH_PART_USED] = 4};

enum vh_iotlb_result vh_pieces_find(struct vh_pieces *p, enum vh_part part, struct vh_iotlb *t, uint64_t iova,
	uint32_t bytes, uint8_t access)
{
	enum vh_iotlb_result worst = VH_IOTLB_HIT;
	uint32_t skew = (uint32_t)(iova % VH_IOTLB_PAGE);

	if (skew % alignment[part] != 0 || skew > VH_IOTLB_PAGE - FIRST_WORDS ||
		(uint64_t)skew + bytes > VH_PIECES * VH_IOTLB_PAGE)
		return VH_IOTLB_SCATTERED;
	p->part[part].skew = skew;
	p->part[part].bytes = bytes;
	for (uint32_t i = 0, before = skew, len; bytes > 0; i++, before = 0) {
		enum vh_iotlb_result result;
		uint8_t *at;

		len = (uint32_t)VH_IOTLB_PAGE - before;
		if (len > bytes)
			len = bytes;
		result = vh_iotlb_whole(t, iova, len, access, &at);
		/* All that is missing is asked for at once. */
		if (result == VH_IOTLB_MISS)
			worst = result;
		else if (result != VH_IOTLB_HIT)
			return result;
		/* A front end may have a page begin anywhere in its memory. */
		else if (((uintptr_t)at - before) % alignment[VH_PART_DESC] != 0)
			return VH_IOTLB_SCATTERED;
		else
			/* The page's first bytes need not be the guest's; nobody looks at them. */
			p->part[part].page[i] = (uint8_t *)((uintptr_t)at - before);
		iova += len;
		bytes -= len;
	}
	return worst;
}

bool vh_pieces_held(
	const struct vh_pieces *p, enum vh_part part, const struct vh_guest_mem *mem, uint64_t bytes)
{
	if (p->part[part].bytes != bytes)
		return false;
	for (uint32_t offset = 0, got; offset < bytes; offset += got) {
		const void *at = vh_pieces_part(p, part, offset, (uint32_t)bytes - offset, &got);

		if (!vh_guest_mem_holds(mem, at, got))
			return false;
	}
	return true;
}
