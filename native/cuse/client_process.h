/*
 * What /proc tells about a client: its process, and the files behind its memory.
 *
 * Memory is given to the back end as files, opened anew and read-write, with the rights of this process. So a
 * client must not get more than it has itself: a range counts only where the client has it mapped `rw-s`,
 * which the kernel allows for files that were opened for writing. A private or read-only mapping is skipped.
 * Since the client may change its mappings while we look, device and inode of what was opened are compared
 * with what maps said, and maps is read a second time; both must agree.
 *
 * `root` is where proc is mounted ("/proc"; a test has recorded ones).
 */
#ifndef VH_CUSE_CLIENT_PROCESS_H
#define VH_CUSE_CLIENT_PROCESS_H

#include "port.h"

/* The process (thread group) of a thread. Return: it, or -ESRCH. */
pid_t vh_cuse_proc_group(const char *root, pid_t thread);

/* When a process was started, in clock ticks since boot; 0: there is none. */
uint64_t vh_cuse_proc_birth(const char *root, pid_t process);

/* A shared range of memory: the part, and the mapping that it begins in. */
struct vh_cuse_mapped {
	struct vh_cuse_part part;
	uint64_t map_start, map_end;
};

/*
 * Looks the regions up in ROOT/<process>/maps. One may begin inside of a mapping and span several, as long as
 * these are one range of one file.
 * Return: how many are shared (others are left out), -E2BIG when more than VH_CUSE_SHARED, or -ESRCH.
 */
int vh_cuse_proc_find(const char *root, pid_t process, const struct vhost_memory_region *regions, uint32_t n,
	struct vh_cuse_mapped *found);

/* Gets a copy of a process's descriptor (pidfd_getfd(2), or a test's own). Return: it, or a negative errno.
 */
typedef int vh_cuse_take_fd(pid_t process, int fd);

/*
 * Finds and opens. Return: the number of parts and of descriptors (the caller's to close), or a negative
 * errno: -EFAULT where nothing is shared, -EAGAIN where the client changed it meanwhile, -EACCES where a file
 * cannot be had.
 */
int vh_cuse_proc_open(const char *root, pid_t process, vh_cuse_take_fd *take,
	const struct vhost_memory_region *regions, uint32_t n, struct vh_cuse_part *parts, int *fds);

#endif
