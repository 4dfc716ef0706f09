#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Variables for Node are somebody's choice for programs of his own: options that a planner is not made for,
 * modules to be loaded first, certificates that take longer to read than the plan to make.
 */
static void forget_node_variables(void)
{
	for (char **entry = environ; *entry;) {
		char *name = strncmp(*entry, "NODE_", 5) == 0 ? strndup(*entry, strcspn(*entry, "=")) : NULL;

		if (name && unsetenv(name) == 0)
			entry = environ;
		else
			entry++;
		free(name);
	}
}

_Noreturn void exec_node(char **args)
{
	forget_node_variables();
	execv(args[0], args);
	fail(NULL, "%s cannot be started: %s", args[0], strerror(errno));
}

/*
 * The child's stdin and stdout are its line to this process, and of the descriptors meant for QEMU it
 * sees none but stderr: nothing it does, and no switch it starts, can hold or disturb one.
 */
static _Noreturn void be_child(char **args, pid_t parent, int line)
{
	/* Whatever ends the launcher ends the child; asked again, since the launcher may be gone already. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (dup2(line, STDIN_FILENO) < 0 || dup2(line, STDOUT_FILENO) < 0)
		_exit(1);
	close_range(STDERR_FILENO + 1, UINT_MAX, 0);
	exec_node(args);
}

/* Above the standard three, which may be closed, and gone at exec: QEMU must not find a line of ours. */
static int move_up(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (moved < 0)
		fail(NULL, "no descriptor left: %s", strerror(errno));
	close(fd);
	return moved;
}

struct child start_child(char **args)
{
	struct sigaction dflt = {.sa_handler = SIG_DFL};
	pid_t parent = getpid();
	struct child child;
	int ends[2];

	/* With SIGCHLD ignored, as some daemons leave it, there would be no status to wait for. */
	sigaction(SIGCHLD, &dflt, &child.old);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		fail(NULL, "no line to Node: %s", strerror(errno));
	child.line = move_up(ends[0]);
	ends[1] = move_up(ends[1]);
	child.pid = fork();
	if (child.pid < 0)
		fail(NULL, "Node cannot be started: %s", strerror(errno));
	if (child.pid == 0)
		be_child(args, parent, ends[1]);
	close(ends[1]);
	return child;
}

ssize_t read_child(const struct child *child, char *bytes, size_t count)
{
	ssize_t got;

	/* ECONNRESET: it ended without reading what we brought; what it wrote before is still there. */
	do
		got = read(child->line, bytes, count);
	while (got < 0 && (errno == EINTR || errno == ECONNRESET));
	if (got < 0)
		fail(NULL, "Node's answer cannot be read: %s", strerror(errno));
	return got;
}

int end_child(struct child *child)
{
	int status;

	close(child->line);
	while (waitpid(child->pid, &status, 0) < 0)
		if (errno != EINTR)
			fail(NULL, "a child is gone: %s", strerror(errno));
	/* QEMU must find the signals as we found them. */
	sigaction(SIGCHLD, &child->old, NULL);
	return status;
}
