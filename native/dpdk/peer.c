#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t vh_peer_of(int socket)
{
	struct ucred who = {.pid = 0};
	socklen_t len = sizeof(who);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 ? who.pid : 0;
}

bool vh_peer_runs(pid_t pid)
{
	/* Not by glibc's name: it has one only since 2.36. */
	int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	bool runs;

	if (fd < 0)
		return pid <= 0 || errno != ESRCH;
	runs = poll(&ended, 1, 0) == 0;
	close(fd);
	return runs;
}
