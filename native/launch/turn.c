#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Guests that take hugepages start one after the other: what is free when the planner looks must still be
 * free when QEMU maps its memory. There is one lock for all guests of the host, on a directory of the
 * kernel's that everybody may open. It is held from before the planner looks until QEMU has mapped the last
 * of its memory, by a process beside it, for a lock that QEMU inherits would last as long as the guest. It is
 * an agreement among wrappers and no protection: whoever cannot have it goes on without.
 */

/* As long as somebody waits for the others, and as long as one keeps them waiting. */
#define PATIENCE_MS 10000
#define LOOK_EVERY_MS 5

/* The descriptor that holds the lock; gone at exec. */
static int turn = -1;

/* Returns 0 or an errno. */
static int lock(const char *path)
{
	long long deadline = now_ms() + PATIENCE_MS;
	int low = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	if (low < 0)
		return errno;
	/* The standard three may be closed. */
	fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(low);
	if (fd < 0)
		return errno;
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int error = errno;

		if (error != EINTR && (error != EWOULDBLOCK || now_ms() > deadline)) {
			close(fd);
			return error == EWOULDBLOCK ? ETIMEDOUT : error;
		}
		poll(NULL, 0, LOOK_EVERY_MS);
	}
	turn = fd;
	return 0;
}

void take_turn(int planner, const char *path)
{
	char answer[32];
	int used = snprintf(answer, sizeof(answer), "%d 0\n", turn < 0 ? lock(path) : 0);

	if (send(planner, answer, (size_t)used, MSG_NOSIGNAL) != used)
		return; /* How the planner ends says why. */
}

/* Hugepages that a process uses, in KiB; -1 where that cannot be read. */
static long long used_kib(pid_t pid)
{
	static const char key[] = "HugetlbPages:";
	char path[32], line[128];
	long long kib = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (kib < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			kib = atoll(line + sizeof(key) - 1);
	fclose(file);
	return kib;
}

/* Holds nothing of QEMU's: no descriptor but the lock and the process that it watches. */
static _Noreturn void hold_turn(pid_t pid, int process, long long kib)
{
	struct pollfd end = {.fd = STDOUT_FILENO, .events = POLLIN};
	long long deadline = now_ms() + PATIENCE_MS;

	if (dup2(turn, STDIN_FILENO) < 0 || dup2(process, STDOUT_FILENO) < 0)
		_exit(1);
	close_range(STDERR_FILENO, UINT_MAX, 0);
	while (poll(&end, 1, LOOK_EVERY_MS) == 0 && now_ms() < deadline) {
		long long used = used_kib(pid);

		if (used < 0 || used > kib)
			break;
	}
	_exit(0);
}

void pass_turn(long long kib)
{
	pid_t pid = getpid(), between;
	int process;

	if (turn < 0)
		return;
	process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process >= 0) {
		/* Of no child does QEMU know, nor is there one that it would have to wait for. */
		between = fork();
		if (between == 0) {
			if (fork() == 0)
				hold_turn(pid, process, kib);
			_exit(0);
		}
		while (between > 0 && waitpid(between, NULL, 0) < 0 && errno == EINTR)
			;
		close(process);
	}
	close(turn);
	turn = -1;
}
