#define _GNU_SOURCE
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Names the process whose environment it is in: an emulator that leads back to the wrapper keeps its id. */
#define LOOP_GUARD "VHOST_HOST_WRAP_PID"

/* Before the arguments of vhost-host; no path of a wrapper looks like it. */
#define COMMAND_LINE "--command-line"

const char *program_name = "qemu-wrap";

_Noreturn void fail(const char *hint, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fprintf(stderr, "%s: ", program_name);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	if (hint)
		fprintf(stderr, "  %s\n", hint);
	exit(1);
}

void *grow(void *memory, size_t bytes)
{
	void *result = realloc(memory, bytes);

	if (!result)
		fail(NULL, "out of memory");
	return result;
}

long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

char *join_path(const char *directory, const char *name)
{
	size_t bytes = strlen(directory) + strlen(name) + 2;
	char *path = grow(NULL, bytes);

	snprintf(path, bytes, "%s/%s", directory, name);
	return path;
}

static void print_pid(char *text, size_t size)
{
	snprintf(text, size, "%ld", (long)getpid());
}

static void refuse_loop(const struct call *call)
{
	const char *guard = getenv(LOOP_GUARD);
	char pid[24];

	print_pid(pid, sizeof(pid));
	if (guard && strcmp(guard, pid) == 0)
		fail("name the real QEMU in VHOST_HOST_EMULATOR or as \"emulator\" in the configuration file",
			"the emulator that was found leads back to %s", call->wrapper);
}

_Noreturn void become(const struct call *call, char **args)
{
	char pid[24];

	print_pid(pid, sizeof(pid));
	setenv(LOOP_GUARD, pid, 1);
	execv(call->emulator, args);
	fail(NULL, "%s cannot be started: %s", call->emulator, strerror(errno));
}

bool is_option(const char *arg, const char *name)
{
	if (*arg++ != '-')
		return false;
	return strcmp(arg + (*arg == '-'), name) == 0;
}

/*
 * Whether an option may ask for a tap with vhost. Says yes too often rather than too rarely, since only the
 * planner reads it properly: any tap that mentions vhost, JSON that hides its words behind escapes, and files
 * that QEMU reads. A unit test has planner and launcher agree about every spelling.
 */
static bool may_be_ours(const char *option, const char *value)
{
	static const char *const taps[] = {"netdev", "nic", "net"};

	if (is_option(option, "readconfig"))
		return true;
	if (is_option(option, "set"))
		return strstr(value, "vhost");
	for (size_t i = 0; i < sizeof(taps) / sizeof(*taps); i++) {
		if (!is_option(option, taps[i]))
			continue;
		if (*value == '{' && strchr(value, '\\'))
			return true;
		return strstr(value, "tap") && strstr(value, "vhost");
	}
	return false;
}

static bool needs_plan(const struct call *call)
{
	if (call->config.concerns_all)
		return true;
	for (size_t i = 0; i + 1 < call->count; i++)
		if (may_be_ours(call->args[i], call->args[i + 1]))
			return true;
	return false;
}

/* libvirt asks each emulator, twice, what it can do; nothing of ours concerns that machine without anything.
 */
static bool is_probe(const struct call *call)
{
	for (size_t i = 0; i + 1 < call->count; i++) {
		const char *value = call->args[i + 1];

		if (!is_option(call->args[i], "machine") && !is_option(call->args[i], "M"))
			continue;
		if (strncmp(value, "type=", 5) == 0)
			value += 5;
		if (strncmp(value, "none", 4) == 0 && (value[4] == '\0' || value[4] == ','))
			return true;
	}
	return false;
}

/*
 * dash reads a script through a descriptor that it leaves open across exec where 3 to 9 are all taken.
 * QEMU must not find it; nobody else has a reason to hand down the wrapper's own text.
 */
static void close_script(const struct call *call)
{
	struct stat script, st;
	struct dirent *entry;
	DIR *fds;

	if (stat(call->wrapper, &script) != 0)
		return;
	fds = opendir("/proc/self/fd");
	if (!fds)
		return;
	while ((entry = readdir(fds)) != NULL) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && fstat(fd, &st) == 0 && st.st_dev == script.st_dev &&
			st.st_ino == script.st_ino)
			close(fd);
	}
	closedir(fds);
}

static _Noreturn void become_untouched(const struct call *call)
{
	char **args = grow(NULL, (call->count + 2) * sizeof(*args));

	args[0] = call->emulator;
	memcpy(args + 1, call->args, (call->count + 1) * sizeof(*args));
	become(call, args);
}

/* `args`: bin/vhost-host, then what it was given. What is not built yet it says itself. */
static _Noreturn void become_command_line(char **args, size_t count)
{
	const struct node *node = choose_node("command");
	char **all = node_args(node, count);

	memcpy(all + node->count + 1, args, (count + 1) * sizeof(*all));
	execv(all[0], all);
	fail(NULL, "%s cannot be started: %s", all[0], strerror(errno));
}

/*
 * argv: this program, the wrapper as it was called, then what the wrapper was given. In the wrapper's place
 * COMMAND_LINE: what follows is for Node.
 */
int main(int argc, char **argv)
{
	struct call call = {.mode = "plan"};

	if (argc > 2 && strcmp(argv[1], COMMAND_LINE) == 0) {
		program_name = "vhost-host";
		become_command_line(argv + 2, (size_t)argc - 2);
	}
	if (argc < 2)
		fail("qemu-wrap ARG…", "vh-launch is started by qemu-wrap, not by hand");
	call.wrapper = argv[1];
	call.args = argv + 2;
	call.count = (size_t)argc - 2;
	if (call.count > 0 && strncmp(call.args[0], "--explain", 9) == 0) {
		call.mode = *call.args++;
		call.count--;
	}
	close_script(&call);
	refuse_loop(&call);
	read_config(&call.config);
	if (call.config.state == CONFIG_BAD)
		become_planner(&call);
	call.emulator = find_emulator(&call);
	if (*call.mode == '-')
		become_planner(&call);
	if (!is_probe(&call) && needs_plan(&call))
		plan_and_become(&call);
	become_untouched(&call);
}
