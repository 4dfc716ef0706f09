/*
 * The dirty log of a guest on a device: whoever moves it to another host is told here which pages the switch
 * has written to (virtio/dirty_log.h).
 *
 * Theory of operation
 *   The client names a bitmap in its own memory (SET_LOG_BASE), which the back end cannot be given: it gets a
 * file of ours, and what it marks there is carried over, ten times a second and before the client is told
 * that a ring stands still.
 *
 *   The client frees its bitmap when no ring runs any more, or when logging ends; nothing is written after
 * that. With the last ring that stops its address is forgotten, and said again before one starts.
 *
 *   The client takes bits out of its bitmap while we put some in, and so may other devices of the same
 * process (it has one bitmap for all). Nobody can set bits of another process's memory atomically; reading,
 * adding and writing back would now and then wipe out what somebody else has just set. So a byte is written
 * blindly, with the bits of all pages that the guest has there, eight at most: whatever another one sets is
 * among them.
 *
 *   What was marked when the link was lost, or when a bridge ended, is not known any more. Then all of the
 * guest's memory counts as written.
 *
 * Trust
 *   Only the client's own memory is written, by way of a descriptor of it that belongs to the program as it
 * was when it was opened: one that it executes later is not reached. It is opened only where the kernel says
 * that the process still belongs to who has said SET_OWNER, so no program with other rights is reached either
 * (struct vh_cuse_world, open_memory). Addresses and sizes are the client's word; what cannot be written is
 * not.
 */
#ifndef VH_CUSE_DIRTY_LOG_H
#define VH_CUSE_DIRTY_LOG_H

#include "vu_link.h"

/* VHOST_F_LOG_ALL. */
#define VH_CUSE_LOG_ALL (1ULL << VHOST_F_LOG_ALL)

/* Whether a client wants its writes logged. */
bool vh_cuse_log_wanted(const struct vh_cuse_port *p);

void vh_cuse_log_init(struct vh_cuse_link *l);

/* Whether a bitmap of all the guest's memory is one that the back end takes, and lies in the client's memory
 * at this address. */
bool vh_cuse_log_fits(const struct vh_cuse_link *l, uint64_t address);

/*
 * Before anything is to be logged: gives the back end a file that is long enough for all that it and the
 * client know of, unless it has one. Return: 0 or a negative errno; then the link is down.
 */
int vh_cuse_log_tell(struct vh_cuse_link *l);

/* The client's bitmap is at `address` from now on. Return: 0 or a negative errno for it. */
int vh_cuse_log_base(struct vh_cuse_link *l, uint64_t address);

/* Carries over what was marked. */
void vh_cuse_log_carry(struct vh_cuse_link *l);
/* The same when it is time to; Return: ms until then, or -1. */
int vh_cuse_log_tick(struct vh_cuse_link *l);

/* Closes what is open after the link is down; what another bridge would need stays. */
void vh_cuse_log_close(struct vh_cuse_link *l);

/* Nobody wants to know any more: the client's bitmap is forgotten. */
void vh_cuse_log_end(struct vh_cuse_link *l);

#endif
