#define _GNU_SOURCE
#include "launch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define HINT "install QEMU (apt-get install qemu-system), or name it in VHOST_HOST_EMULATOR"

/* Everything that was tried, for the message when nothing fits. */
struct search {
	const char *wrapper;
	char *tried;
	size_t length;
};

static void remember(struct search *search, const char *path)
{
	size_t more = strlen(path) + 3;

	search->tried = grow(search->tried, search->length + more);
	search->length += (size_t)snprintf(
		search->tried + search->length, more, "%s%s", search->length ? ", " : "", path);
}

static bool same_file(const struct stat *a, const char *path)
{
	struct stat b;

	return path && stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

static bool is_program(const char *path, struct stat *st)
{
	return stat(path, st) == 0 && S_ISREG(st->st_mode) && access(path, X_OK) == 0;
}

/* By device and inode: a symbolic or hard link to the wrapper is the wrapper. */
static bool is_ourselves(const struct stat *st, const char *wrapper)
{
	return same_file(st, wrapper) || same_file(st, "/proc/self/exe");
}

/* The program in that directory, if it is one. Takes `search` as NULL where the wrapper cannot be meant. */
static char *try_program(struct search *search, const char *directory, const char *name)
{
	char *path = join_path(directory, name);
	struct stat st;

	if (is_program(path, &st) && !(search && is_ourselves(&st, search->wrapper)))
		return path;
	if (search)
		remember(search, path);
	free(path);
	return NULL;
}

/* Only absolute directories of PATH: what is run must not depend on where we happen to stand. */
static char *search_path(struct search *search, const char *name)
{
	const char *variable = getenv("PATH");
	char *copy = strdup(variable && *variable ? variable : DEFAULT_PATH);
	char *found = NULL;
	char *state = NULL;

	if (!copy)
		fail(NULL, "out of memory");
	for (char *entry = strtok_r(copy, ":", &state); entry && !found; entry = strtok_r(NULL, ":", &state))
		if (*entry == '/')
			found = try_program(search, entry, name);
	free(copy);
	return found;
}

static const char *host_architecture(void)
{
	static struct utsname host;

	if (uname(&host) != 0)
		return "x86_64";
	/* QEMU's names differ from the kernel's for these. */
	if (strcmp(host.machine, "ppc64le") == 0)
		return "ppc64";
	return strncmp(host.machine, "armv", 4) == 0 ? "arm" : host.machine;
}

/* A wrapper called qemu-wrap-ARCHITECTURE, by a link, is for that one: libvirt's probes say nothing about it.
 */
static const char *named_architecture(const char *wrapper)
{
	static const char *const prefixes[] = {"qemu-wrap-", "qemu-system-"};
	const char *slash = strrchr(wrapper, '/');
	const char *name = slash ? slash + 1 : wrapper;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		const char *rest = name + strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0 && *rest &&
			strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(rest))
			return rest;
	}
	return NULL;
}

struct hint {
	const char *prefix, *architecture;
};

static const char *look_up(const struct hint *hints, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(text, hints[i].prefix, strlen(hints[i].prefix)) == 0)
			return hints[i].architecture;
	return NULL;
}

/* What a machine type says about the architecture; most types belong to one. */
static const char *machine_architecture(const char *machine)
{
	static const struct hint known[] = {
		{"pc", "x86_64"},
		{"q35", "x86_64"},
		{"microvm", "x86_64"},
		{"isapc", "x86_64"},
		{"s390-ccw", "s390x"},
		{"pseries", "ppc64"},
		{"powernv", "ppc64"},
		{"sbsa-ref", "aarch64"},
		{"raspi", "aarch64"},
	};

	return look_up(known, sizeof(known) / sizeof(*known), machine);
}

/* `virt` belongs to several; x86 has none. */
static const char *virt_architecture(const char *cpu)
{
	static const struct hint known[] = {
		{"rv64", "riscv64"},
		{"rv32", "riscv32"},
		{"la", "loongarch64"},
		{"cortex-", "aarch64"},
		{"neoverse-", "aarch64"},
	};
	const char *found = look_up(known, sizeof(known) / sizeof(*known), cpu);
	const char *host = host_architecture();

	if (found)
		return found;
	return strcmp(host, "x86_64") == 0 || strncmp(host, "i", 1) == 0 ? "aarch64" : host;
}

static bool is_virt(const char *machine)
{
	return strncmp(machine, "virt", 4) == 0 && strchr(",-", machine[4]);
}

static const char *guest_architecture(const struct call *call)
{
	const char *machine = "", *cpu = "";

	if (named_architecture(call->wrapper))
		return named_architecture(call->wrapper);
	for (size_t i = 0; i + 1 < call->count; i++) {
		const char *value = call->args[i + 1];

		if (is_option(call->args[i], "cpu"))
			cpu = value;
		if (!is_option(call->args[i], "machine") && !is_option(call->args[i], "M"))
			continue;
		if (strncmp(value, "type=", 5) == 0)
			value += 5;
		if (machine_architecture(value) || is_virt(value))
			machine = value;
	}
	if (is_virt(machine))
		return virt_architecture(cpu);
	return *machine ? machine_architecture(machine) : host_architecture();
}

/* The directory the wrapper was called in, and the one it really lies in. */
static char *search_beside(struct search *search, const char *name)
{
	char *real = realpath(search->wrapper, NULL);
	const char *places[] = {search->wrapper, real};
	char *found = NULL;

	for (size_t i = 0; i < 2 && !found; i++) {
		const char *slash = places[i] && *places[i] == '/' ? strrchr(places[i], '/') : NULL;
		char *directory = slash ? strndup(places[i], (size_t)(slash - places[i])) : NULL;

		if (directory)
			found = try_program(search, directory, name);
		free(directory);
	}
	free(real);
	return found;
}

static char *named_emulator(const struct call *call, const char *path, const char *where)
{
	struct stat st;

	if (*path != '/')
		fail(HINT, "the emulator \"%s\" in %s is not an absolute path", path, where);
	if (!is_program(path, &st))
		fail(HINT, "the emulator %s in %s is not a program that can be started", path, where);
	if (is_ourselves(&st, call->wrapper))
		fail(HINT, "the emulator %s in %s is qemu-wrap itself", path, where);
	return strdup(path);
}

char *find_emulator(const struct call *call)
{
	const char *named = getenv("VHOST_HOST_EMULATOR");
	const char *architecture = guest_architecture(call);
	struct search search = {.wrapper = call->wrapper};
	char name[NAME_MAX + 1]; /* of a file, as the wrapper's own */
	char *found;

	if (named && *named)
		return named_emulator(call, named, "VHOST_HOST_EMULATOR");
	if (call->config.emulator)
		return named_emulator(call, call->config.emulator, call->config.path);
	snprintf(name, sizeof(name), "qemu-system-%s", architecture);
	found = search_path(&search, name);
	if (!found)
		found = search_beside(&search, name);
	if (!found)
		found = try_program(&search, "/usr/bin", name);
	/* Red Hat's packages call the host's own QEMU so, and keep it out of PATH. */
	if (!found && strcmp(architecture, host_architecture()) == 0)
		found = try_program(&search, "/usr/libexec", "qemu-kvm");
	if (!found)
		fail(HINT, "no QEMU emulator was found; tried %s", search.tried);
	free(search.tried);
	return found;
}

char *find_node(void)
{
	char *found = search_path(NULL, "node");

	/* libvirtd's PATH may be shorter than the user's. */
	if (!found)
		found = try_program(NULL, "/usr/bin", "node");
	if (!found)
		found = try_program(NULL, "/usr/local/bin", "node");
	if (!found)
		fail(NODE_HINT, "node was not found in PATH, /usr/bin or /usr/local/bin");
	return found;
}

/* This program is <root>/native/build/Release/vh-launch. */
char *package_file(const char *path)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		fail(NULL, "/proc/self/exe cannot be read");
	self[length] = '\0';
	for (int up = 0; up < 4; up++) {
		char *slash = strrchr(self, '/');

		if (slash)
			*slash = '\0';
	}
	return join_path(self, path);
}
