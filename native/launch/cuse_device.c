#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/*
 * Whether the kernel says that this number is a device made with CUSE: whoever serves another one would be
 * given the guest's memory by QEMU.
 */
static bool is_cuse(dev_t number)
{
	char path[64], target[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(number), minor(number));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strstr(target, "/cuse/") != NULL;
}

/* Returns a descriptor that QEMU will inherit, or a negative errno. */
static int open_checked(const char *path)
{
	struct stat st;
	int fd;

	/* Looked at before it is opened, because opening some devices does something; and after. */
	if (stat(path, &st) != 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || !is_cuse(st.st_rdev))
		return -ENOTTY;
	fd = open(path, O_RDWR | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && is_cuse(st.st_rdev))
		return fd;
	close(fd);
	return -ENOTTY;
}

void open_device(int planner, const char *path)
{
	int fd = open_checked(path);
	char number[16], answer[48];
	int length = snprintf(number, sizeof(number), "%d", fd);
	int used = fd < 0 ? snprintf(answer, sizeof(answer), "%d 0\n", -fd)
			  : snprintf(answer, sizeof(answer), "0 %d\n%s", length, number);

	/* Short, and the planner waits for it. One that does not is found out by how it ends. */
	if (send(planner, answer, (size_t)used, MSG_NOSIGNAL) != used)
		close(fd);
}
