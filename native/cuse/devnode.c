#include "devnode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

dev_t vh_cuse_node_number(const char *name)
{
	unsigned int major, minor;
	char path[128], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/cuse/%s/dev", name);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) == NULL || sscanf(text, "%u:%u", &major, &minor) != 2)
		major = minor = 0;
	fclose(f);
	return makedev(major, minor);
}

int vh_cuse_node_find(const char *name)
{
	char path[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == vh_cuse_node_number(name))
		return fd;
	close(fd);
	return -1;
}

int vh_cuse_node_open_to(int node, int uid, int gid, uint32_t mode)
{
	char path[32];

	/* Through /proc: there is no fchmod for a descriptor that is only a place. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	if (fchownat(node, "", (uid_t)uid, (gid_t)gid, AT_EMPTY_PATH) != 0 || chmod(path, mode) != 0)
		return -errno;
	return 0;
}

static bool has(const dev_t *numbers, uint32_t n, dev_t number)
{
	for (uint32_t i = 0; i < n; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

dev_t vh_cuse_node_next(const dev_t *others, uint32_t n)
{
	unsigned int minor = 0;
	dev_t first = 0;

	for (uint32_t i = 0; i < n && first == 0; i++)
		first = others[i];
	if (first == 0)
		return 0;
	/* n others leave one of n + 1 minor numbers. */
	while (has(others, n, makedev(major(first), minor)))
		minor++;
	return makedev(major(first), minor);
}
