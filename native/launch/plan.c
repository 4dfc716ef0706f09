#define _GNU_SOURCE
#include "launch.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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

static char **planner_args(const struct call *call)
{
	const char *config = call->config.state == CONFIG_NONE ? "" : call->config.path;
	const struct node *node = choose_node("planner");
	/* Kept until this process is another program. */
	static char **args;
	char **own;

	args = node_args(node, call->count + 4);
	own = args + node->count + 1;
	own[0] = package_file(PLANNER);
	if (access(own[0], R_OK) != 0 || !node->known)
		fail("npm install && npm run build", "%s is not there",
			node->known ? own[0] : "the table of Node's flags");
	own[1] = (char *)call->mode;
	own[2] = call->emulator ? call->emulator : "";
	own[3] = (char *)config;
	memcpy(own + 4, call->args, (call->count + 1) * sizeof(*args));
	return args;
}

_Noreturn void become_planner(const struct call *call)
{
	exec_node(planner_args(call));
}

/*
 * `q<path>`, `o<path>` or `h<path>` and the field after it ask for an errand before the plan. Does the first
 * one that is there in full, and forgets it; false where there is none.
 */
static bool serve_errand(struct answer *answer, int fd)
{
	const char *end = answer->text + answer->length;
	const char *text, *rest;

	if (answer->length == 0 || memchr("qoh", answer->text[0], 3) == NULL)
		return false;
	text = memchr(answer->text, '\0', answer->length);
	rest = text ? memchr(text + 1, '\0', (size_t)(end - text - 1)) : NULL;
	if (!rest)
		return false;
	if (answer->text[0] == 'q')
		relay(fd, answer->text + 1, text + 1);
	else if (answer->text[0] == 'h')
		take_turn(fd, answer->text + 1);
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
static struct answer read_answer(const struct child *planner, bool *whole)
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
		got = read_child(planner, answer.text + answer.length, room - answer.length);
		if (got == 0)
			return answer;
		answer.length += (size_t)got;
		while (serve_errand(&answer, planner->line))
			;
		*whole = is_whole_plan(&answer);
		if (*whole)
			return answer;
	}
}

/* Ends this process the way the planner ended, unless that was well. */
static void expect_success(int status)
{
	if (WIFSIGNALED(status))
		fail(NULL, "the planner was ended by signal %d", WTERMSIG(status));
	/* It has said itself what is wrong. */
	if (WEXITSTATUS(status) != 0)
		exit(1);
}

static struct answer ask_planner(const struct call *call)
{
	struct child planner = start_child(planner_args(call));
	bool whole = false;
	struct answer answer = read_answer(&planner, &whole);

	/* A plan up to its end is the last that it says; Node takes its time to tidy up after itself. */
	if (whole)
		kill(planner.pid, SIGKILL);
	if (whole)
		end_child(&planner);
	else
		expect_success(end_child(&planner));
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
 * `fds` for one descriptor per field. Returns how many descriptors are to be closed; *hugepages: what
 * pass_turn() waits for, -1 for nothing.
 */
static size_t read_plan(
	const struct call *call, struct answer answer, char **args, int *fds, long long *hugepages)
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
		else if (*field == 'w')
			*hugepages = (long long)number(field + 1, LONG_MAX / 16);
		else
			bad_plan();
	}
	bad_plan();
}

_Noreturn void plan_and_become(const struct call *call)
{
	struct answer answer = ask_planner(call);
	size_t fields = 1, closing;
	long long hugepages = -1;
	char **args;
	int *fds;

	for (size_t i = 0; i < answer.length; i++)
		fields += answer.text[i] == '\0';
	args = grow(NULL, (fields + 1) * sizeof(*args));
	fds = grow(NULL, fields * sizeof(*fds));
	closing = read_plan(call, answer, args, fds, &hugepages);
	for (size_t i = 0; i < closing; i++)
		if (fds[i] > STDERR_FILENO)
			close(fds[i]);
	free(fds);
	if (hugepages >= 0)
		pass_turn(hugepages);
	become(call, args);
}
