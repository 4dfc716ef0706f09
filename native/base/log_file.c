#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int vh_log_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		error = -errno;
	if (fd > STDERR_FILENO)
		close(fd);
	return error;
}
