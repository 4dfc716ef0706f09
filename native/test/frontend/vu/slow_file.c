#include "slow_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* However the test ends, nothing waits for longer than this. */
#define LIFE_SECONDS 60

static void reply(int dev, const struct fuse_in_header *in, int error, const void *body, size_t n)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + n), .error = -error, .unique = in->unique};
	struct iovec parts[] = {{&out, sizeof(out)}, {(void *)(uintptr_t)body, n}};

	(void)!writev(dev, parts, 2);
}

static void answer(int dev, const struct fuse_in_header *in)
{
	const struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
		.max_background = 4,
		.congestion_threshold = 3};
	const struct fuse_attr_out attr = {.attr_valid = 1,
		.attr = {.ino = FUSE_ROOT_ID, .mode = S_IFREG | 0666, .nlink = 1, .size = 1 << 20}};
	const struct fuse_open_out opened = {.fh = 1};

	switch (in->opcode) {
	case FUSE_INIT:
		reply(dev, in, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		reply(dev, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(dev, in, 0, &opened, sizeof(opened));
		break;
	case FUSE_FLUSH:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(dev, in, ENOSYS, NULL, 0);
	}
}

static _Noreturn void serve(int dev)
{
	static uint64_t buffer[(FUSE_MIN_READ_BUFFER + 8192) / 8];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIFE_SECONDS);
	for (;;) {
		ssize_t n = read(dev, buffer, sizeof(buffer));

		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer(dev, (const struct fuse_in_header *)buffer);
		else if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			_exit(0);
	}
}

bool slow_file_make(struct slow_file *f)
{
	char options[80], path[] = "/tmp/slow-file-XXXXXX";
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC), target;

	/* Of this process alone, so that it goes with it. */
	if (dev < 0 || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	target = mkstemp(path);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100000,user_id=%d,group_id=%d", dev, (int)getuid(),
		(int)getgid());
	if (target < 0 || close(target) != 0 ||
		mount("slow", path, "fuse", MS_NOSUID | MS_NODEV, options) != 0)
		return false;
	f->server = fork();
	if (f->server == 0)
		serve(dev);
	close(dev);
	f->fd = open(path, O_RDWR | O_CLOEXEC);
	umount2(path, MNT_DETACH);
	unlink(path);
	return f->server > 0 && f->fd >= 0;
}

void slow_file_end(struct slow_file *f)
{
	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	close(f->fd);
}
