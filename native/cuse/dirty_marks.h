/* The file in which the back end marks what it writes (dirty_log.h). */
#ifndef VH_CUSE_DIRTY_MARKS_H
#define VH_CUSE_DIRTY_MARKS_H

#include "port.h"

/* What the back end marks in. */
struct vh_cuse_marks {
	int file; /* -1: none */
	uint8_t *map;
	uint64_t size;
};

/* The part of a link; not kept when the bridge ends. */
struct vh_cuse_log {
	struct vh_cuse_marks marks;
	int memory;    /* the client's; -1: not opened */
	uint64_t next; /* when to carry over again, ms */
};

/* No file at all. */
struct vh_cuse_marks vh_cuse_no_marks(void);

/* Makes a file of `size` bytes without a mark. Return: 0 or a negative errno; then there is none. */
int vh_cuse_marks_make(struct vh_cuse_marks *m, uint64_t size);

void vh_cuse_marks_drop(struct vh_cuse_marks *m);

/* The back end is lost: nobody marks any more, and what was marked is not known. */
void vh_cuse_log_lost(struct vh_cuse_log *log, struct vh_cuse_port *port);

#endif
