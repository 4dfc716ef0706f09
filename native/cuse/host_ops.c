#include "host_ops.h"
#include "client_process.h"
#include "vu_message.h"
#include "../base/eventfd_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LINES_PER_SECOND 20
/* Descriptors that a client may have us keep by exchanging them while they are taken. */
#define MAX_KEPT 16

static int do_connect(void *self)
{
	return vh_cuse_wire_connect(((const struct vh_cuse_real *)self)->socket);
}

/* No wrapper in every libc: pidfd_getfd(2) is younger than some. */
static int take(pid_t process, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, process, 0);
	int copy, error;

	if (pidfd < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	error = errno;
	close(pidfd);
	return copy < 0 ? -error : copy;
}

static void do_say(void *self, const char *format, ...)
{
	struct vh_cuse_real *real = self;
	char line[256];
	va_list args;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (real->said_at != (uint64_t)now.tv_sec)
		real->said = 0;
	real->said_at = (uint64_t)now.tv_sec;
	if (real->said++ >= LINES_PER_SECOND)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* One write: lines of several threads stay whole. */
	dprintf(STDERR_FILENO, "/dev/%s: %s\n", real->name, line);
}

static int checked(void *self, pid_t process, int fd, int copy)
{
	if (copy == -EPERM)
		do_say(self,
			"descriptor %d of process %d cannot be taken: not allowed (CAP_SYS_PTRACE is needed, "
			"and "
			"kernel.yama.ptrace_scope below 3)",
			fd, (int)process);
	return copy;
}

static int do_take_event(void *self, pid_t process, int fd)
{
	struct vh_cuse_real *real = self;
	int copy = real->kept < MAX_KEPT ? vh_check_eventfd(process, fd) : -EMFILE;

	/* Looked at first: closing something else may take as long as the client likes. */
	if (copy == 0)
		copy = take(process, fd);
	if (copy < 0)
		return checked(self, process, fd, copy);
	if (vh_check_eventfd(0, copy) == 0)
		return copy;
	/* It was exchanged in between. It stays open, for the same reason. */
	real->kept++;
	return -EINVAL;
}

static int do_has_fd(void *self, pid_t process, int fd)
{
	char name[2];

	return checked(self, process, fd, vh_descriptor_name(process, fd, name, sizeof(name)));
}

static int do_find_memory(void *self, pid_t process, const struct vhost_memory_region *regions, uint32_t n,
	struct vh_cuse_part *parts, int *fds)
{
	int count = vh_cuse_proc_open("/proc", process, take, regions, n, parts, fds);

	if (count == -EFAULT)
		do_say(self, "process %d: its guest's memory is not shared (share=on)", (int)process);
	else if (count < 0)
		do_say(self, "process %d: its guest's memory cannot be opened: %s", (int)process,
			strerror(-count));
	return count;
}

static int do_peek(void *self, pid_t process, uint64_t address, void *to, size_t n)
{
	struct iovec here = {.iov_base = to, .iov_len = n};
	struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = n};

	(void)self;
	return process_vm_readv(process, &here, 1, &there, 1, 0) == (ssize_t)n ? 0 : -EFAULT;
}

static int do_open_memory(void *self, pid_t process, uint32_t uid)
{
	char path[32];
	struct stat st;
	int fd;

	(void)self;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)process);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Asked of what was opened: the answer is about the process as it is now. */
	if (fstat(fd, &st) == 0 && st.st_uid == uid)
		return fd;
	close(fd);
	return -EPERM;
}

static uint64_t do_birth(void *self, pid_t process)
{
	(void)self;
	return vh_cuse_proc_birth("/proc", process);
}

static uint64_t do_now(void *self)
{
	struct timespec t;

	(void)self;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct vh_cuse_world vh_cuse_world(struct vh_cuse_real *real)
{
	return (struct vh_cuse_world){.self = real,
		.connect = do_connect,
		.take_event = do_take_event,
		.has_fd = do_has_fd,
		.find_memory = do_find_memory,
		.peek = do_peek,
		.open_memory = do_open_memory,
		.birth = do_birth,
		.now = do_now,
		.say = do_say};
}
