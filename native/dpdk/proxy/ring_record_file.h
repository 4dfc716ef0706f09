/*
 * The file in which a port's packed rings keep their records (virtio/ring_record.h), so that they outlive the
 * process. It belongs in the run directory, which nobody else can write to. It is made when the first packed
 * ring starts, and goes with the port unless a front end is left that does not know its rings' places itself.
 *
 *   A guest that is started again from an image has rings of the same places, sizes and positions as the one
 * that ran before it, which was killed and never asked. So a record says which process it is for and when it
 * was last asked for. It is void for one that began after that, once the other has ended. One that was there
 * by then may have the connection from the one that made it (a front end that goes into the background), and
 * is believed; so is one of another PID namespace, which is not seen from here.
 *
 * Threads: the session's lock guards everything but vh_records_told() and
 * vh_records_connected(), which are the relay's.
 */
#ifndef VH_DPDK_PROXY_RING_RECORD_FILE_H
#define VH_DPDK_PROXY_RING_RECORD_FILE_H

#include "msg_filter.h"
#include "../../virtio/ring_record.h"

#include <sys/types.h>

#define VH_MAX_RECORDS_PATH 255

struct vh_records {
	char path[VH_MAX_RECORDS_PATH + 1];
	struct vh_ring_record *ring[VH_MAX_RINGS]; /* atomic; NULL until it is asked for */
	uint32_t size[VH_MAX_RINGS];		   /* entries that it has room for */
	/* Atomic; the session's: the ring's place was found in this connection, and so is the library's own.
	 */
	bool placed[VH_MAX_RINGS];
	pid_t peer; /* the process that connected last; 0: unknown */
	uint64_t peer_began;
};

/* A front end connects, and no session is under way. peer: vh_peer_of(). */
void vh_records_connected(struct vh_records *r, pid_t peer);

/*
 * Return: the record of ring number `ring` (< VH_MAX_RINGS) with room for `size` entries, or NULL when there
 * is no memory. *error: 0, or the negative errno for which it will not outlive the process.
 */
struct vh_ring_record *vh_records_of(struct vh_records *r, uint32_t ring, uint32_t size, int *error);

bool vh_records_placed(const struct vh_records *r, uint32_t ring);
void vh_records_set_placed(struct vh_records *r, uint32_t ring, bool placed);

/*
 * The front end has its answer to GET_VRING_BASE. Where the place was not found in this connection that is
 * what the front end said itself, and the record stays: it knows better.
 */
void vh_records_told(struct vh_records *r, uint32_t ring);

/*
 * Ends with the port; nobody uses the records any more. awaited: the last front end is there, connected or
 * about to come back, and will ask the next switch. One that has ended needs none.
 */
void vh_records_close(struct vh_records *r, bool awaited);

#endif
