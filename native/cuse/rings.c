#include "rings.h"

#include <errno.h>

#define F_EVENT_IDX (1ULL << 29)

bool vh_cuse_ring_size(uint32_t entries)
{
	return entries > 0 && entries <= VH_CUSE_MAX_RING && (entries & (entries - 1)) == 0;
}

bool vh_cuse_ring_aligned(const struct vhost_vring_addr *addr)
{
	return addr->desc_user_addr % 16 == 0 && addr->avail_user_addr % 2 == 0 &&
	       addr->used_user_addr % 4 == 0;
}

static bool within(uint64_t at, uint64_t size, const struct vh_cuse_part *parts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t offset = at - parts[i].user;

		if (offset < parts[i].size && size <= parts[i].size - offset)
			return true;
	}
	return false;
}

bool vh_cuse_ring_within(
	const struct vh_cuse_ring *r, uint64_t features, const struct vh_cuse_part *parts, uint32_t n)
{
	/* Flags and index, the entries, and the other side's event index behind them. */
	uint64_t ends = 4 + ((features & F_EVENT_IDX) != 0 ? 2 : 0);

	return within(r->addr.desc_user_addr, 16ULL * r->size, parts, n) &&
	       within(r->addr.avail_user_addr, ends + 2ULL * r->size, parts, n) &&
	       within(r->addr.used_user_addr, ends + 8ULL * r->size, parts, n);
}

static bool wraps(uint64_t at, uint64_t size)
{
	return size == 0 || at + size < at;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

int vh_cuse_check_regions(const struct vhost_memory_region *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (wraps(r[i].guest_phys_addr, r[i].memory_size) ||
			wraps(r[i].userspace_addr, r[i].memory_size))
			return -EINVAL;
		for (uint32_t k = 0; k < i; k++)
			if (overlap(r[i].guest_phys_addr, r[i].memory_size, r[k].guest_phys_addr,
				    r[k].memory_size) ||
				overlap(r[i].userspace_addr, r[i].memory_size, r[k].userspace_addr,
					r[k].memory_size))
				return -EINVAL;
	}
	return 0;
}
