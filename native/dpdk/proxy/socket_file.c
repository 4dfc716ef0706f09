#include "socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* No permission and one name: nothing that anybody else could have made or led us to. */
static bool is_fresh_socket(const struct stat *st)
{
	return S_ISSOCK(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 07777) == 0 &&
	       st->st_nlink == 1;
}

int vh_socket_file_open(const char *path, struct stat *made)
{
	int error, fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	error = fstat(fd, made) != 0 ? -errno : is_fresh_socket(made) ? 0 : -EPERM;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

int vh_socket_file_give(int fd, int gid, unsigned int mode)
{
	char place[32];

	/* Through /proc: there is no fchmod for a descriptor that is only a place. */
	snprintf(place, sizeof(place), "/proc/self/fd/%d", fd);
	if ((gid >= 0 && fchownat(fd, "", (uid_t)-1, (gid_t)gid, AT_EMPTY_PATH) != 0) ||
		chmod(place, mode) != 0)
		return -errno;
	return 0;
}
