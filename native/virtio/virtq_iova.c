#include "virtq_iova.h"
#include "memory/guest_mem.h"

#include <string.h>

/* Chains that are looked at ahead. */
#define AHEAD 32
/* Segments of each. */
#define AHEAD_SEGS 64

enum vh_chain_fault vh_iova_append(const struct vh_vq *vq, uint64_t addr, uint32_t left, bool write,
	struct vh_seg *out, uint32_t room, uint32_t *n)
{
	enum vh_chain_fault fault = VH_CHAIN_OK;
	uint32_t first = *n;

	while (left > 0) {
		uint8_t *p = NULL;
		uint32_t got = 0;
		enum vh_iotlb_result result = vh_iotlb_part(
			vq->mem->iotlb, addr, left, write ? VH_IOTLB_WRITE : VH_IOTLB_READ, &p, &got);

		if (result == VH_IOTLB_FAULT)
			return VH_CHAIN_BAD_ADDRESS;
		if (result == VH_IOTLB_MISS) {
			/* What follows is asked for together with it. */
			fault = VH_CHAIN_MISS;
		} else if (fault != VH_CHAIN_OK) {
			; /* only what is missing is of interest any more */
		} else if (*n > first && out[*n - 1].p + out[*n - 1].len == p) {
			out[*n - 1].len += got;
		} else {
			if (*n >= room)
				return VH_CHAIN_NO_ROOM;
			out[(*n)++] = (struct vh_seg){.p = p, .len = got};
		}
		addr += got;
		left -= got;
	}
	return fault;
}

const void *vh_iova_table(const struct vh_vq *vq, uint64_t addr, uint32_t len, enum vh_chain_fault *fault)
{
	static _Thread_local struct vh_desc table[VH_MAX_CHAIN];
	uint8_t *to = (uint8_t *)table;

	while (len > 0) {
		uint8_t *p = NULL;
		uint32_t got = 0;
		enum vh_iotlb_result result =
			vh_iotlb_part(vq->mem->iotlb, addr, len, VH_IOTLB_READ, &p, &got);

		if (result != VH_IOTLB_HIT) {
			*fault = result == VH_IOTLB_MISS ? VH_CHAIN_MISS : VH_CHAIN_BAD_INDIRECT;
			return NULL;
		}
		memcpy(to, p, got);
		to += got;
		addr += got;
		len -= got;
	}
	return table;
}

void vh_iova_ask_ahead(const struct vh_vq *vq, struct vh_place place, uint16_t offered, bool write)
{
	static _Thread_local struct vh_seg seg[AHEAD_SEGS];

	for (uint32_t i = 0; i < AHEAD; i++) {
		enum vh_chain_fault fault = VH_CHAIN_OK;
		struct vh_taken taken = {0};
		uint32_t n = 0;
		int found = vq->packed ? vh_next_chain(vq, &place, 0, write, seg, AHEAD_SEGS, &n, &taken,
						 &fault, true)
				       : vh_next_chain(vq, &place, offered, write, seg, AHEAD_SEGS, &n,
						 &taken, &fault, false);

		/* Long chains are none of a driver's that wants to be fast. */
		if (found <= 0 || fault == VH_CHAIN_NO_ROOM || taken.walked > AHEAD)
			return;
		/* It stays at one that has no translation. */
		if (fault == VH_CHAIN_MISS)
			vh_advance(vq, &place, vq->packed ? taken.descs : 1, vq->packed);
	}
}

void vh_rxq_ask_ahead(const struct vh_vq *vq)
{
	struct vh_place place = vh_avail_place(vq);
	uint16_t offered = vq->packed ? 0 : __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE);

	if (vq->packed || (uint16_t)(offered - place.at) <= vq->size)
		vh_iova_ask_ahead(vq, place, offered, true);
}
