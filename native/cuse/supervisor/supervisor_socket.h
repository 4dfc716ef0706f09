/*
 * The socket of the supervisor's line, under its name. The name may be removed at any time, with its
 * directory or alone (by whoever empties that); a switch that does not find it takes the supervisor for dead.
 */
#ifndef VH_CUSE_SUPERVISOR_SUPERVISOR_SOCKET_H
#define VH_CUSE_SUPERVISOR_SUPERVISOR_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

struct vh_cuse_line {
	const char *path;
	int fd;
	/* Which file it is. */
	dev_t device;
	ino_t inode;
};

/* Listens at `path`, for its owner alone. Return: 0, or a negative errno. */
int vh_cuse_line_open(struct vh_cuse_line *l, const char *path);

/* Listens again where the name has gone. What has it by now, and is not ours, is left alone. */
void vh_cuse_line_tend(struct vh_cuse_line *l);

/* Takes the name away, if it is ours. */
void vh_cuse_line_close(struct vh_cuse_line *l);

#endif
