/*
 * The file of a socket that this process has just bound, by descriptor: whoever may write to its directory
 * can have another file by that name at any moment, and what is done by name is then done to that one.
 */
#ifndef VH_DPDK_PROXY_SOCKET_FILE_H
#define VH_DPDK_PROXY_SOCKET_FILE_H

#include <sys/stat.h>

/*
 * Opens the place of a socket that was bound with a umask that left it no permission at all.
 * Return: a descriptor (O_PATH, for the caller to close) with *made, or a negative errno; -EPERM: what has
 * the name is not such a socket of ours.
 */
int vh_socket_file_open(const char *path, struct stat *made);

/* Gives the socket to a group (-1: leaves it) and gives it its permissions. Return: 0, or a negative errno.
 */
int vh_socket_file_give(int fd, int gid, unsigned int mode);

#endif
