#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLANNER "build/bundle/cli/wrap-start.cjs"
/* src/wrap/plan.ts describes the format. */
#define MAGIC "vhost-host plan 1"
/* How the plan ends. */
#define END "\0."
/* Far above what the kernel takes for a command line. */
#define MAX_PLAN (16 * 1024 * 1024)

/* What the planner says: fields that each end in a zero byte. */
struct answer {
	char *text;
	size_t length;
};

/*
 * For Node. Without its compilers a program this short is done sooner, and no memory is both writable and
 * executable, which SELinux does not let QEMU's processes have. Strings keep the hashes that they have in
 * Node's own image: to hash them all anew, against whoever makes keys that collide, takes longer than the
 * planning, and a guest that is slow to start harms nobody but who wrote its arguments. The code that is
 * made at build time is made with the same (.ci/lib/bundle.mjs).
 */
static const char *const node_flags[] = {"--jitless", "--no-expose-wasm", "--no-rehash-snapshot",
	"--v8-pool-size=1", "--preserve-symlinks-main"};
#define NODE_FLAGS (sizeof(node_flags) / sizeof(*node_flags))

static char **planner_args(const struct call *call, char *node)
{
	char **args = grow(NULL, (call->count + NODE_FLAGS + 6) * sizeof(*args));
	char **own = args + NODE_FLAGS + 1;
	const char *config = call->config.state == CONFIG_NONE ? "" : call->config.path;

	args[0] = node;
	memcpy(args + 1, node_flags, sizeof(node_flags));
	own[0] = package_file(PLANNER);
	if (access(own[0], R_OK) != 0)
		fail("npm install && npm run build", "%s is not there", own[0]);
	own[1] = (char *)call->mode;
	own[2] = call->emulator ? call->emulator : "";
	own[3] = (char *)config;
	memcpy(own + 4, call->args, (call->count + 1) * sizeof(*args));
	return args;
}

/*
 * Variables for Node are somebody's wish for programs of his own: options that a planner is not made for,
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

/* `args` as planner_args() makes them. */
static _Noreturn void exec_planner(char **args)
{
	forget_node_variables();
	execv(args[0], args);
	fail(NULL, "%s cannot be started: %s", args[0], strerror(errno));
}

_Noreturn void become_planner(const struct call *call)
{
	exec_planner(planner_args(call, find_node()));
}

/*
 * The planner's stdin and stdout are its line to this process, and of the descriptors meant for QEMU it
 * sees none but stderr: nothing it does, and no switch it starts, can hold or disturb one.
 */
static _Noreturn void child(char **args, pid_t parent, int line)
{
	/* Whatever ends the launcher ends the planner; asked again, since the launcher may be gone already.
	 */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (dup2(line, STDIN_FILENO) < 0 || dup2(line, STDOUT_FILENO) < 0)
		_exit(1);
	close_range(STDERR_FILENO + 1, UINT_MAX, 0);
	exec_planner(args);
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

/*
 * `q<path>` or `o<path>` and the field after it ask for an errand before the plan. Does the first one that is
 * there in full, and forgets it; false where there is none.
 */
static bool serve_errand(struct answer *answer, int fd)
{
	const char *end = answer->text + answer->length;
	const char *text, *rest;

	if (answer->length == 0 || (answer->text[0] != 'q' && answer->text[0] != 'o'))
		return false;
	text = memchr(answer->text, '\0', answer->length);
	rest = text ? memchr(text + 1, '\0', (size_t)(end - text - 1)) : NULL;
	if (!rest)
		return false;
	if (answer->text[0] == 'q')
		relay(fd, answer->text + 1, text + 1);
	else
		open_device(fd, answer->text + 1);
	answer->length = (size_t)(end - rest - 1);
	memmove(answer->text, rest + 1, answer->length);
	return true;
}

/* Nothing but the end of a plan is a field of one point. */
static bool is_whole_plan(const struct answer *answer)
{
	size_t length = answer->length;

	return length > sizeof(MAGIC) && memcmp(answer->text, MAGIC, sizeof(MAGIC)) == 0 &&
	       memcmp(answer->text + length - sizeof(END), END, sizeof(END)) == 0;
}

/* What the planner says until it is done; `*whole` tells whether that is a plan up to its end. */
static struct answer read_answer(int fd, bool *whole)
{
	struct answer answer = {0};
	size_t room = 0;

	for (;;) {
		ssize_t got;

		if (room - answer.length < 4096) {
			room = room ? 2 * room : 65536;
			if (room > MAX_PLAN)
				fail(NULL, "internal error: the plan is too long");
			answer.text = grow(answer.text, room);
		}
		got = read(fd, answer.text + answer.length, room - answer.length);
		/* ECONNRESET: it ended without reading what we brought; what it wrote before is still there.
		 */
		if (got < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		if (got < 0)
			fail(NULL, "the planner's answer cannot be read: %s", strerror(errno));
		if (got == 0)
			return answer;
		answer.length += (size_t)got;
		while (serve_errand(&answer, fd))
			;
		*whole = is_whole_plan(&answer);
		if (*whole)
			return answer;
	}
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail(NULL, "the planner is gone: %s", strerror(errno));
	return status;
}

/* Ends this process the way the planner ended, unless that was well. */
static void expect_success(pid_t pid)
{
	int status = wait_for(pid);

	if (WIFSIGNALED(status))
		fail(NULL, "the planner was ended by signal %d", WTERMSIG(status));
	/* It has said itself what is wrong. */
	if (WEXITSTATUS(status) != 0)
		exit(1);
}

/* A plan up to its end is the last that it says; Node takes its time to tidy up after itself. */
static void end_planner(pid_t pid)
{
	kill(pid, SIGKILL);
	wait_for(pid);
}

static struct answer ask_planner(const struct call *call)
{
	struct sigaction old, dflt = {.sa_handler = SIG_DFL};
	char *node = find_node();
	char **args = planner_args(call, node);
	pid_t parent = getpid();
	struct answer answer;
	bool whole = false;
	int ends[2];
	pid_t pid;

	/* With SIGCHLD ignored, as some daemons leave it, there would be no status to wait for. */
	sigaction(SIGCHLD, &dflt, &old);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		fail(NULL, "no line to the planner: %s", strerror(errno));
	ends[0] = move_up(ends[0]);
	ends[1] = move_up(ends[1]);
	pid = fork();
	if (pid < 0)
		fail(NULL, "the planner cannot be started: %s", strerror(errno));
	if (pid == 0)
		child(args, parent, ends[1]);
	close(ends[1]);
	answer = read_answer(ends[0], &whole);
	close(ends[0]);
	if (whole)
		end_planner(pid);
	else
		expect_success(pid);
	/* QEMU must find the signals as we found them. */
	sigaction(SIGCHLD, &old, NULL);
	free(args[NODE_FLAGS + 1]);
	free(args);
	free(node);
	return answer;
}

static _Noreturn void bad_plan(void)
{
	fail(NULL, "internal error: the planner's answer is not a plan");
}

/* A decimal number without sign, at most `limit`. */
static size_t number(const char *text, size_t limit)
{
	size_t value = 0;

	if (!*text)
		bad_plan();
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			bad_plan();
		value = value * 10 + (size_t)(*text - '0');
		if (value > limit)
			bad_plan();
	}
	return value;
}

/*
 * Reads the whole plan before anything is done about it. `args` has room for one argument per field;
 * `fds` for one descriptor per field. Returns how many descriptors are to be closed.
 */
static size_t read_plan(const struct call *call, struct answer answer, char **args, int *fds)
{
	size_t count = 0, closing = 0;
	char *end = answer.text + answer.length;
	char *field = answer.text;

	if (answer.length == 0 || end[-1] != '\0' || strcmp(field, MAGIC) != 0)
		bad_plan();
	args[count++] = call->emulator;
	for (field += strlen(field) + 1; field < end; field += strlen(field) + 1) {
		if (strcmp(field, ".") == 0 && field + 2 == end) {
			args[count] = NULL;
			return closing;
		}
		if (*field == 'c')
			fds[closing++] = (int)number(field + 1, INT_MAX);
		else if (*field == 'k' && call->count > 0)
			args[count++] = call->args[number(field + 1, call->count - 1)];
		else if (*field == 'a')
			args[count++] = field + 1;
		else
			bad_plan();
	}
	bad_plan();
}

_Noreturn void plan_and_become(const struct call *call)
{
	struct answer answer = ask_planner(call);
	size_t fields = 1, closing;
	char **args;
	int *fds;

	for (size_t i = 0; i < answer.length; i++)
		fields += answer.text[i] == '\0';
	args = grow(NULL, (fields + 1) * sizeof(*args));
	fds = grow(NULL, fields * sizeof(*fds));
	closing = read_plan(call, answer, args, fds);
	for (size_t i = 0; i < closing; i++)
		if (fds[i] > STDERR_FILENO)
			close(fds[i]);
	free(fds);
	become(call, args);
}
