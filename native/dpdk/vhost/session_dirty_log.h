/*
 * Internal to native/dpdk: a session's side of the dirty log (virtio/dirty_log.h).
 *
 * Theory of operation
 *   librte_vhost knows nothing of it. Its own log follows its own ring functions, which our packet path does
 * not use; it maps the file unchecked and forgets part of the mapping when the log moves. So what a front end
 * says about logging stops here: the file is kept by the relay until the session takes it, and feature bit,
 * flag and address are taken out of the messages that go on to the library.
 *
 *   A ring that shall be logged runs only with a log that is long enough (vh_vq_setup()): it stands still in
 * between, where a front end starts logging before it gives a log, or adds memory before it makes the log
 * longer.
 *
 * All functions under the session's lock, and but for the last one while its queues are paused.
 */
#ifndef VH_DPDK_VHOST_SESSION_DIRTY_LOG_H
#define VH_DPDK_VHOST_SESSION_DIRTY_LOG_H

#include "../proxy/msg_filter.h"
#include "../../virtio/dirty_log.h"

/* Of each of the port's rings. */
struct vh_ring_log {
	bool wanted; /* VHOST_VRING_F_LOG */
	uint64_t used;
	struct vh_vq_log queue; /* what the queue that runs was given */
};

/* Part of a session; all zeroes but for its rings: nothing is logged. */
struct vh_session_log {
	struct vh_dirty_log log;
	void *map;
	size_t map_size;
	bool memory; /* VHOST_F_LOG_ALL was taken */
	uint32_t rings;
	struct vh_ring_log *ring;
};

/*
 * Notes what a message says about logging, and takes it out. Return: whether it can be done; SET_LOG_BASE
 * fails where the file cannot be mapped.
 */
bool vh_session_log_note(struct vh_session_log *l, uint16_t port, struct vh_vhu_msg *msg);

/* Ends all logging. */
void vh_session_log_forget(struct vh_session_log *l, uint16_t port);

/*
 * What a ring that starts now has to log, or NULL. iova: the address in the log that was given for the used
 * ring is an I/O virtual one, which no log has: it is logged where it lies, as all else.
 */
const struct vh_vq_log *vh_session_log_of(struct vh_session_log *l, uint32_t ring, bool iova);

#endif
