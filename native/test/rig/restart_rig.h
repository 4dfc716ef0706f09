/* A switch in processes that are killed; see test_restart.c. */
#ifndef VH_TEST_RIG_RESTART_RIG_H
#define VH_TEST_RIG_RESTART_RIG_H

#include "../../virtio/tx_inflight.h"
#include "../../virtio/memory/iotlb.h"
#include "rig.h"

#define RESTART_MEMORY 10
#define RESTART_WATCHED 12

/* What outlives the switch. */
struct restart_memory {
	void *p;
	size_t len;
	int fd;
};

/* Parts of it in which every store counts. */
struct restart_watched {
	void *p, *seen;
	size_t len;
};

/* What stands between the rings and the switch. */
enum restart_kind {
	RESTART_PLAIN,
	RESTART_HOLD,  /* the sender's chains go through one (virtio/tx_inflight.h) */
	RESTART_IOMMU, /* both guests are behind one, of which every new switch knows nothing yet */
};

struct restart {
	struct rig *r;
	enum restart_kind kind;
	struct vh_hold held;
	struct vh_iotlb *iotlb[2]; /* the addresses in descriptors and of rings are guest-physical ones */
	struct vh_guest_mem space[2];
	uint32_t sent, received; /* frames: numbered from 0 */
	uint32_t returned;	 /* of the sent ones' chains */
	uint32_t next;		 /* the frame that comes next, if none comes again */
	uint32_t again;		 /* switches that have died, after each of which some may come again */
	uint32_t floor;		 /* those below had been returned by then */
	uint32_t n_memory, n_watched;
	struct restart_memory memory[RESTART_MEMORY];
	struct restart_watched watched[RESTART_WATCHED];
};

/* Has this process, and what it watches step by step, take turns on one CPU: waking the other one costs more.
 */
void restart_on_one_cpu(void);

struct restart *restart_new(uint64_t features, enum restart_kind kind);
void restart_free(struct restart *t);

/* Guest 0 offers some frames and guest 1 some buffers, of any layout. */
void restart_offer(struct restart *t);
/* The guests take what came: frames in their order, those that were taken before left out. */
void restart_collect(struct restart *t);
/* A switch that lives serves until nothing is left to do. */
void restart_serve(struct restart *t);
/*
 * A switch takes over and serves while it is watched; at every change of what outlives it, another one takes
 * over from there and is checked. Then the memory is left as at one of these moments. Return: how many there
 * were.
 */
uint32_t restart_kill_anywhere(struct restart *t);
/* Takes over for the last time: everything has arrived, and the rings are good for any number of rounds. */
void restart_finish(struct restart *t);

#endif
