/*
 * One device /dev/<name>: FUSE requests in, answers out (libfuse3's low-level interface for CUSE).
 *
 * Theory of operation
 *   A thread per device waits for the kernel and for the back end. A request is read into the slot, worked on
 * and answered before the next one, so there is at most one that a crash leaves open; the next process takes
 * it up again, once, and then answers that it failed. ioctls are unrestricted: SET_MEM_TABLE's number says 8
 * bytes and means more. So each comes twice (and that one three times): first without data, and we tell the
 * kernel what to copy. A client that is killed waits for the answer to its release. It is given first; what
 * there is to clean up comes after it, and nothing here waits longer than for one answer of the back end
 * (vu_message.h).
 */
#ifndef VH_CUSE_DEVICE_H
#define VH_CUSE_DEVICE_H

#include "shared_state.h"

struct vh_cuse_device;

/*
 * Starts the device's thread over `fd`, an open /dev/cuse, which is the device's from now on.
 * Return: NULL where there is not enough of something.
 */
struct vh_cuse_device *vh_cuse_device_start(struct vh_cuse_slot *slot, int fd);

/* Ends the thread. The device is there as long as somebody else has its descriptor. */
void vh_cuse_device_stop(struct vh_cuse_device *d);

#endif
