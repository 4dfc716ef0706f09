/* The link: one vhost-user connection for a guest, and what the back end was told over it. */
#ifndef VH_CUSE_VU_LINK_H
#define VH_CUSE_VU_LINK_H

#include "dirty_marks.h"

struct vh_cuse_link {
	const struct vh_cuse_world *world;
	struct vh_cuse_port *port;
	int socket; /* -1: down */
	bool features_said;
	uint64_t features;
	uint32_t parts; /* of guest memory that the back end has; 0: none yet */
	struct vh_cuse_part part[VH_CUSE_SHARED];
	struct vh_cuse_log log;
	uint32_t started; /* bit per ring of the port: the back end has it */
	uint64_t again;	  /* when to try the next connection, ms */
	uint32_t wait;	  /* and how long after that */
};

/* From a loss to the first try to connect again. */
#define VH_CUSE_FIRST_WAIT_MS 100

/* Nothing holds any more of what the back end was told. why: to be said, or NULL. */
void vh_cuse_link_down(struct vh_cuse_link *l, const char *why);

/* Whether a ring of the guest runs, so that the link is worth connecting again. */
bool vh_cuse_link_wanted(const struct vh_cuse_link *l);

#endif
