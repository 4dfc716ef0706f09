/*
 * A file whose owner decides how long it takes to close it: the root of a file system in user space (FUSE),
 * served by a process that answers everything but FLUSH.
 */
#ifndef SLOW_FILE_H
#define SLOW_FILE_H

#include <stdbool.h>
#include <sys/types.h>

struct slow_file {
	pid_t server;
	int fd; /* closing it takes until the server has ended */
};

/* Return: whether there is such a file here: FUSE, and the right to mount it. */
bool slow_file_make(struct slow_file *f);

/* Ends the server; whoever waits goes on. */
void slow_file_end(struct slow_file *f);

#endif
