#include "supervisor_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8

/* Return: whether something has the name; *ours: it is the socket that is listened on. */
static bool is_named(const struct vh_cuse_line *l, bool *ours)
{
	struct stat named;

	*ours = false;
	if (lstat(l->path, &named) != 0)
		return errno != ENOENT;
	*ours = named.st_dev == l->device && named.st_ino == l->inode;
	return true;
}

int vh_cuse_line_open(struct vh_cuse_line *l, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat made;
	int error;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	*l = (struct vh_cuse_line){.path = path, .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	umask(0177);
	if (l->fd >= 0 && bind(l->fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
		listen(l->fd, BACKLOG) == 0 && lstat(path, &made) == 0) {
		l->device = made.st_dev;
		l->inode = made.st_ino;
		return 0;
	}
	error = errno;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return -error;
}

void vh_cuse_line_tend(struct vh_cuse_line *l)
{
	struct vh_cuse_line next;
	bool ours;

	/* Where it cannot be made, without its directory for one, it is tried again. */
	if (is_named(l, &ours) || vh_cuse_line_open(&next, l->path) != 0)
		return;
	close(l->fd);
	*l = next;
}

void vh_cuse_line_close(struct vh_cuse_line *l)
{
	bool ours;

	if (is_named(l, &ours) && ours)
		unlink(l->path);
	close(l->fd);
}
