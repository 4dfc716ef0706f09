/*
 * Whether a descriptor is an eventfd, by what /proc/PID/fd says of it (proc_pid_fd(5)): a name that the
 * kernel gives it, and that no file can have. Header alone, because the bridge of /dev/usvhost-N is a program
 * of its own.
 */
#ifndef VH_BASE_EVENTFD_NAME_H
#define VH_BASE_EVENTFD_NAME_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* What descriptor `fd` of a process, or of this one (0), is, cut off to n - 1 bytes. Return: 0, or a negative
 * errno: -EBADF where there is none, -EPERM where the process is not ours to look into. */
static inline int vh_descriptor_name(pid_t process, int fd, char *name, size_t n)
{
	char link[48] = "/proc/self/fd";
	ssize_t length;

	if (process != 0)
		snprintf(link, sizeof(link), "/proc/%d/fd", (int)process);
	snprintf(link + strlen(link), sizeof(link) - strlen(link), "/%d", fd);
	length = readlink(link, name, n - 1);
	name[length > 0 ? length : 0] = '\0';
	if (length > 0)
		return 0;
	return errno == ENOENT ? -EBADF : errno == EACCES ? -EPERM : -errno;
}

/* Return: 0, -EINVAL where it is something else, or another negative errno. */
static inline int vh_check_eventfd(pid_t process, int fd)
{
	char name[32];
	int error = vh_descriptor_name(process, fd, name, sizeof(name));

	return error == 0 && strcmp(name, "anon_inode:[eventfd]") != 0 ? -EINVAL : error;
}

#endif
