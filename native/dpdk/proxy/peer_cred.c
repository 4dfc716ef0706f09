#include "peer_cred.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
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

uint64_t vh_peer_began(pid_t pid)
{
	char path[32], line[512] = "", *rest;
	uint64_t began;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	/* The name may hold anything, brackets too; behind it come the third field and plain ones. */
	rest = strrchr(line, ')');
	for (int field = 2; rest != NULL && field < 22; field++)
		rest = strchr(rest + 1, ' ');
	return rest != NULL && sscanf(rest, "%" SCNu64, &began) == 1 ? began : 0;
}

uint64_t vh_peer_clock(void)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * per_second + (uint64_t)t.tv_nsec * per_second / 1000000000;
}
