/*
 * Translations of I/O virtual addresses, for guests whose card stands behind an IOMMU of their own
 * (VIRTIO_F_ACCESS_PLATFORM, virtio 1.2, 6; vhost-user, "IOMMU support").
 *
 * Theory of operation
 *   The front end says what an address of the guest's means (update), takes it back (invalidation), and is
 * asked for what is not known (miss). The table holds what was said, cut and merged so that no two entries
 * overlap. A lookup that finds nothing notes a miss, of which whoever talks to the front end is told once;
 * until the answer comes the chain stays in its ring. What is not answered within a time is nothing that the
 * guest may reach: a fault.
 *
 *       unknown --lookup--> missed --vh_iotlb_take_miss()--> asked --update--> known --removal--> unknown
 *                              \------- nothing for VH_IOTLB_PATIENCE_MS ---> fault
 *
 * Trust
 *   Everything comes from the front end. The caller has looked that an update names memory of the guest; one
 * that does not is kept as memory that cannot be reached. A full table forgets an entry, which is asked for
 * again; a full list of misses asks later. A front end that answers nothing, or nonsense, stops its own
 * rings.
 *
 * Threads: all functions take the lock; any thread may call them. Workers use what they looked up until they
 * are quiescent, and a parked round uses it longer: removal is over only when the caller has waited for both.
 */
#ifndef VH_VIRTIO_MEMORY_IOTLB_H
#define VH_VIRTIO_MEMORY_IOTLB_H

#include "../../base/defs.h"
#include "../../base/spinlock.h"

/* Ranges that a port may have known at once: as many as Linux keeps (vhost's max_iotlb_entries). */
#define VH_IOTLB_ENTRIES 2048U
/* Misses of a port that wait for their answer. */
#define VH_IOTLB_MISSES 64U
#define VH_IOTLB_PATIENCE_MS 2000U
/* Misses are asked for by page. */
#define VH_IOTLB_PAGE 4096ULL

/* What the device may do (as in linux/vhost_types.h). */
#define VH_IOTLB_READ 1U
#define VH_IOTLB_WRITE 2U

struct vh_iotlb_entry {
	uint64_t first, last; /* I/O virtual addresses */
	uint8_t *p;	      /* where `first` is in this process; NULL: nowhere */
	uint8_t access;	      /* VH_IOTLB_* */
};

struct vh_iotlb_miss {
	uint64_t iova;
	uint64_t since; /* ms */
	uint8_t access;
	bool asked;
};

struct vh_iotlb {
	struct vh_spinlock lock;
	uint32_t due; /* atomic; ask() was called and there may be misses to take */
	uint32_t patience_ms;
	void (*ask)(void *context); /* from any thread, without the lock; must not block */
	void *context;
	uint32_t n, victim, misses;
	struct vh_iotlb_entry entry[VH_IOTLB_ENTRIES]; /* in order, apart from each other */
	struct vh_iotlb_miss miss[VH_IOTLB_MISSES];    /* the oldest first */
};

enum vh_iotlb_result {
	VH_IOTLB_HIT,
	VH_IOTLB_MISS,	    /* asked for; try again later */
	VH_IOTLB_FAULT,	    /* not the device's to reach in this way */
	VH_IOTLB_SCATTERED, /* vh_iotlb_whole(): it does not lie together in this process */
};

/* Makes zeroed memory a table. */
void vh_iotlb_init(struct vh_iotlb *t, void (*ask)(void *context), void *context);

/* Forgets all entries and misses. */
void vh_iotlb_clear(struct vh_iotlb *t);

/* [first, last] is at `p` from now on, whatever was said of it before; p NULL: it cannot be reached. */
void vh_iotlb_update(struct vh_iotlb *t, uint64_t first, uint64_t last, uint8_t *p, uint8_t access);

/* Forgets [first, last]. */
void vh_iotlb_remove(struct vh_iotlb *t, uint64_t first, uint64_t last);

/*
 * Looks up as much of [iova, iova + len) as lies together, len > 0. On a hit: *p, and *got (1..len). On a
 * miss: *got, up to the next page, where a caller goes on that asks for all that is missing at once.
 */
enum vh_iotlb_result vh_iotlb_part(
	struct vh_iotlb *t, uint64_t iova, uint32_t len, uint8_t access, uint8_t **p, uint32_t *got);

/* As above for the whole range, which must lie together. */
enum vh_iotlb_result vh_iotlb_whole(
	struct vh_iotlb *t, uint64_t iova, uint32_t len, uint8_t access, uint8_t **p);

/* Whether the device may, by what is known now, still do this with every byte of [p, p + len). */
bool vh_iotlb_reaches(struct vh_iotlb *t, const uint8_t *p, uint32_t len, uint8_t access);

/* Takes a miss that was not asked for yet. Return: whether there was one. By one thread at a time. */
bool vh_iotlb_take_miss(struct vh_iotlb *t, uint64_t *iova, uint8_t *access);

#endif
