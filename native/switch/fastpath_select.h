/* Which build of the data path this CPU shall run. */
#ifndef VH_SWITCH_FASTPATH_SELECT_H
#define VH_SWITCH_FASTPATH_SELECT_H

#include "switch.h"

typedef uint32_t (*vh_poll_function)(
	struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint16_t pair);

struct vh_hot {
	const char *name; /* e.g. x86-64-v3 */
	vh_poll_function poll;
};

/*
 * The newest build that the CPU can run; no newer than `limit` (a name) where that is not NULL, for tests and
 * comparisons. Return: poll is NULL when `limit` names no build.
 */
struct vh_hot vh_hot_pick(const char *limit);

#endif
