/*
 * Guest memory: translation of guest-physical addresses into this process.
 *
 * Theory of operation: the front end shares its memory as up to VH_MAX_REGIONS mappings. A table is filled
 * while no worker uses it (queues paused) and is read-only afterwards. Translation succeeds only for the
 * whole of [addr, addr + len): a range that merely starts inside a region is as bad as one that lies outside.
 */
#ifndef VH_VIRTIO_MEMORY_GUEST_MEM_H
#define VH_VIRTIO_MEMORY_GUEST_MEM_H

#include "../../base/defs.h"

struct vh_region {
	uint64_t gpa;  /* first guest-physical address */
	uint64_t size; /* bytes */
	uint8_t *hva;  /* where it is mapped here */
};

struct vh_iotlb;

struct vh_guest_mem {
	uint32_t n;
	struct vh_region region[VH_MAX_REGIONS];
	/*
	 * Of a guest behind an IOMMU: what its addresses mean, and its memory by guest-physical ones. There
	 * are no regions then, so that whatever looks for one finds none and goes the general way
	 * (virtq_iova.h). Last: the first region stands beside its number for all others.
	 */
	struct vh_iotlb *iotlb;
	const struct vh_guest_mem *behind;
};

/* The memory by guest-physical addresses. */
static inline const struct vh_guest_mem *vh_guest_mem_physical(const struct vh_guest_mem *mem)
{
	return mem->behind != NULL ? mem->behind : mem;
}

/*
 * Adds a region. Return: 0, or -1 when it is empty, wraps round either address space, overlaps another
 * region's guest addresses, or the table is full.
 */
int vh_guest_mem_add(struct vh_guest_mem *mem, uint64_t gpa, uint64_t size, void *hva);

/* Whether the host range [p, p + len) lies wholly in one region; for ring addresses that came translated. */
bool vh_guest_mem_holds(const struct vh_guest_mem *mem, const void *p, uint64_t len);

/* The guest-physical address of host address `p`. Return: whether it lies in guest memory. */
bool vh_guest_mem_address(const struct vh_guest_mem *mem, const void *p, uint64_t *gpa);

/*
 * Translates as much of [gpa, gpa + len) as lies in one region.
 * Return: the host address with *got (1..len) set, or NULL when not even the first byte is guest memory.
 * Needed only for buffers that cross into a neighbouring region.
 */
uint8_t *vh_guest_mem_part(const struct vh_guest_mem *mem, uint64_t gpa, uint32_t len, uint32_t *got);

/* Return: the host address of the whole of [gpa, gpa + len) in one region, or NULL. */
static inline uint8_t *vh_guest_mem_at(const struct vh_guest_mem *mem, uint64_t gpa, uint32_t len)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct vh_region *r = &mem->region[i];
		uint64_t offset =
			gpa - r->gpa; /* wraps to a huge value below the region: one compare for both ends */

		if (vh_likely(offset < r->size && len <= r->size - offset))
			return r->hva + offset;
	}
	return NULL;
}

#endif
