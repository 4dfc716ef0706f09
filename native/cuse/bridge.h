/*
 * The bridge process: the threads of all devices, and one that does what the supervisor says.
 *
 * It may end at any time; the supervisor starts another one, which gets the same slots and descriptors.
 */
#ifndef VH_CUSE_BRIDGE_H
#define VH_CUSE_BRIDGE_H

#include "shared_state.h"

/* What the supervisor says, one message each; an answer of one byte comes when it is done. */
struct vh_cuse_order {
	enum { VH_CUSE_START, VH_CUSE_STOP } what; /* START comes with the device's descriptor */
	uint32_t slot;
};

/* The bridge itself; ends with the supervisor's end of the line. */
_Noreturn void vh_cuse_bridge(struct vh_cuse_slots *slots, int line);

#endif
