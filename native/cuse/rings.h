/* Where a split ring lies in its client's memory (virtio 1.2, 2.7). */
#ifndef VH_CUSE_RINGS_H
#define VH_CUSE_RINGS_H

#include "port.h"

/* Largest split ring. */
#define VH_CUSE_MAX_RING 32768U

/* Whether a ring may have this many entries. */
bool vh_cuse_ring_size(uint32_t entries);

/* Whether the three tables are aligned. */
bool vh_cuse_ring_aligned(const struct vhost_vring_addr *addr);

/* Whether each of them lies within one of the n parts; features say how long they are. */
bool vh_cuse_ring_within(
	const struct vh_cuse_ring *r, uint64_t features, const struct vh_cuse_part *parts, uint32_t n);

/* What is wrong with a table of memory. Return: 0, or -EINVAL: empty regions, overlaps, ones that wrap round.
 */
int vh_cuse_check_regions(const struct vhost_memory_region *regions, uint32_t n);

#endif
