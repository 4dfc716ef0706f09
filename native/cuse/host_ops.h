/* The world as it is: clients' processes, and the switch's socket. See struct vh_cuse_world. */
#ifndef VH_CUSE_HOST_OPS_H
#define VH_CUSE_HOST_OPS_H

#include "port.h"

struct vh_cuse_real {
	const char *name;   /* of the device, for messages */
	const char *socket; /* of the port */
	uint64_t said_at;   /* lines said in that second, so that no client fills the log */
	uint32_t said;
	uint32_t kept; /* descriptors that could not be closed (take_event) */
};

/* A world over `real`, which must outlive it. */
struct vh_cuse_world vh_cuse_world(struct vh_cuse_real *real);

#endif
