/*
 * The dirty log: which pages of a guest we have written to, for whoever moves it to another host.
 *
 * Theory of operation
 *   The front end shares a bitmap, one bit per page of 4 KiB of guest-physical memory, from address 0 on
 * (vhost-user, "Migration"). It takes bits out and copies their pages while we go on; so a bit is set after
 * its page was written, never before. A queue that has a log marks, once per batch, every buffer it filled
 * and every part of a ring it wrote to. Queues without one pay for a branch per batch.
 *
 *   The used ring has an address of its own in the log, which need not be where it lies (the front end may
 * have it somewhere else than its guest). Everything is marked at its own address while all memory is logged
 * (VHOST_F_LOG_ALL); the used ring also at that other one while the ring asks for it (VHOST_VRING_F_LOG).
 *
 * Trust
 *   Both addresses and the bitmap's size are the front end's. vh_vq_setup() refuses a log that does not hold
 * all memory and the used ring; marking looks again, and what lies outside is not marked.
 */
#ifndef VH_VIRTIO_DIRTY_LOG_H
#define VH_VIRTIO_DIRTY_LOG_H

#include "memory/guest_mem.h"
#include "virtq_state.h"

#define VH_LOG_PAGE 4096U

struct vh_dirty_log {
	uint8_t *bitmap; /* byte n, bit k: page 8n + k; other processes write it too */
	uint64_t bytes;	 /* of the bitmap */
};

/* What a queue logs; the caller's, constant while the queue is live. */
struct vh_vq_log {
	struct vh_dirty_log log;
	bool memory;	/* all that is written */
	bool used_ring; /* the used ring (packed: the device's event area), at the address below */
	uint64_t used;
};

/* Whether every page of [addr, addr + len) has its bit. */
static inline bool vh_log_covers(const struct vh_dirty_log *log, uint64_t addr, uint64_t len)
{
	uint64_t last = addr + len - 1;

	/* Empty ones, and those that wrap round, are nobody's. */
	return len > 0 && last >= addr && last / VH_LOG_PAGE / 8 < log->bytes;
}

/* Whether every page of a guest has its bit. */
bool vh_log_covers_all(const struct vh_dirty_log *log, const struct vh_guest_mem *mem);

/*
 * Sets the bits of [addr, addr + len), of those pages that have one. A full barrier must lie between writing
 * the pages and this: a bit that is found set is left alone, which is right only if whoever takes it out
 * later sees what was written.
 */
void vh_log_mark(const struct vh_dirty_log *log, uint64_t addr, uint64_t len);

/* The parts of a queue's log; all of them after the writing, and only where the queue has a log. */

/* [p, p + len) of guest memory was written. */
void vh_vq_log_range(const struct vh_vq *vq, const void *p, uint64_t len);

/* The first `len` bytes of the segments were written. */
void vh_vq_log_segments(const struct vh_vq *vq, const struct vh_seg *seg, uint32_t n, uint64_t len);

/* Used entries from ring place `from` up to `to` (one lap at most, not empty) were written, and what makes
 * them visible. */
void vh_vq_log_used(const struct vh_vq *vq, uint16_t from, uint16_t to);

/* Any entry of a packed ring was written. */
void vh_vq_log_ring(const struct vh_vq *vq);

/* What tells the driver whether to kick was written. */
void vh_vq_log_suppression(const struct vh_vq *vq);

#endif
