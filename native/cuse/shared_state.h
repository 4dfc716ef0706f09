/*
 * What the bridge knows, in memory that the supervisor makes and every bridge process shares with it.
 *
 * A bridge may end at any instruction. Its successor finds here which devices there are, what their guests
 * have said (struct vh_cuse_port), and the request that was being worked on: read from /dev/cuse and not
 * answered, it would leave its client waiting for ever.
 *
 * Owners: the supervisor writes what describes a device, before the bridge hears of it; the device's thread
 * writes the rest.
 */
#ifndef VH_CUSE_SHARED_STATE_H
#define VH_CUSE_SHARED_STATE_H

#include "port.h"

#include <stdatomic.h>

/* VH_MAX_PORTS of base/defs.h; far fewer than there are minor numbers (devnode.h). */
#define VH_CUSE_DEVICES 256
#define VH_CUSE_NAME 64
#define VH_CUSE_SOCKET 108
/* What libfuse reads at once: 256 pages and a header. Only pages that are written to take memory. */
#define VH_CUSE_REQUEST_BYTES ((256U + 1) * 4096)

enum vh_cuse_slot_state {
	VH_CUSE_FREE,
	VH_CUSE_NEW,   /* the kernel has not asked for its name yet */
	VH_CUSE_READY, /* there is a device */
	VH_CUSE_ENDED  /* the kernel wants none: its name is taken */
};

struct vh_cuse_slot {
	_Atomic uint32_t state;	 /* enum vh_cuse_slot_state */
	_Atomic uint32_t opens;	 /* clients, for the supervisor to see */
	char name[VH_CUSE_NAME]; /* without /dev/ */
	char socket[VH_CUSE_SOCKET];
	dev_t number;  /* of the device; 0: the kernel is to choose it */
	bool retiring; /* goes with its last client; the supervisor's own */
	struct vh_cuse_port port;
	uint32_t tries; /* of the request below */
	/* As read from /dev/cuse; its header's length is 0 where nothing is pending. */
	uint8_t request[VH_CUSE_REQUEST_BYTES] __attribute__((aligned(4096)));
};

struct vh_cuse_slots {
	struct vh_cuse_slot slot[VH_CUSE_DEVICES];
};

#endif
