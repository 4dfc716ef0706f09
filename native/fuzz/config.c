/*
 * libFuzzer target over the launcher's reader of the wrapper's configuration (native/launch/config.c): any
 * bytes in the file, and what it says beside a reader of JSON that is written down again here.
 *
 * The launcher may leave more to the planner than it must. What it must not: take a file for read whose
 * emulator is another one, or miss a key for which every call is the planner's. The same bytes are also taken
 * for a recipe of a file that is JSON.
 */
#include "../launch/launch.h"
#include "../test/rig/check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH 60

static int file;

_Noreturn void fail(const char *hint, const char *format, ...)
{
	(void)hint;
	check_failed(__FILE__, __LINE__, "fail(\"%s\")", format);
}

void *grow(void *memory, size_t bytes)
{
	void *p = realloc(memory, bytes);

	REQUIRE(p != NULL);
	return p;
}

/* JSON as RFC 8259 has it, without a look at its bytes above 127. All functions return NULL where it is none.
 */
struct reading {
	const char *emulator; /* in the text, from its quote on; NULL: not said, or no string */
	size_t emulator_bytes;
	bool loud;
};

static const char *blanks(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

static const char *text(const char *p)
{
	if (*p != '"')
		return NULL;
	for (p++; *p != '"'; p++) {
		if ((uint8_t)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'u') {
			for (int i = 0; i < 4; i++)
				if (*++p == '\0' || strchr("0123456789abcdefABCDEF", *p) == NULL)
					return NULL;
		} else if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL) {
			return NULL;
		}
	}
	return p + 1;
}

static const char *digits(const char *p)
{
	if (*p < '0' || *p > '9')
		return NULL;
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

static const char *number(const char *p)
{
	p += *p == '-';
	p = *p == '0' ? p + 1 : digits(p);
	if (p != NULL && *p == '.')
		p = digits(p + 1);
	if (p == NULL || (*p != 'e' && *p != 'E'))
		return p;
	p++;
	return digits(p + (*p == '+' || *p == '-'));
}

/* level: 0 the whole, 1 a value of it, 2 inside of "domains", 3 inside of a domain, 4 all else. */
static const char *value(struct reading *r, const char *p, int level, int depth);

static bool is(const char *key, const char *end, const char *name)
{
	return (size_t)(end - key) == strlen(name) + 2 && memcmp(key + 1, name, strlen(name)) == 0;
}

static bool is_quiet(const char *key, const char *end)
{
	static const char *const quiet[] = {"emulator", "runDir", "autostart", "transport", "device",
		"reconnect", "hugepages", "hugetlbfsDir", "vhostOptions"};

	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
		if (is(key, end, quiet[i]))
			return true;
	return false;
}

static const char *member(struct reading *r, const char *p, int level, int depth)
{
	const char *key = p, *end = text(p), *at;
	bool domains;

	if (end == NULL)
		return NULL;
	at = blanks(end);
	if (*at != ':')
		return NULL;
	at = blanks(at + 1);
	domains = level == 0 && is(key, end, "domains");
	if (level == 0 && is(key, end, "emulator")) {
		r->emulator = *at == '"' ? at : NULL;
		p = value(r, at, 4, depth);
		r->emulator_bytes = p != NULL && r->emulator != NULL ? (size_t)(p - at) : 0;
		return p;
	}
	if (level == 0 && !domains && !is_quiet(key, end))
		r->loud = true;
	if (level == 3 && (!is_quiet(key, end) || is(key, end, "emulator")))
		r->loud = true;
	return value(r, at, domains ? 2 : level == 2 ? 3 : 4, depth);
}

static const char *value(struct reading *r, const char *p, int level, int depth)
{
	static const char *const words[] = {"true", "false", "null"};
	bool object = *p == '{';

	if (*p == '"')
		return text(p);
	if (object || *p == '[') {
		char close = object ? '}' : ']';

		if (depth == 0)
			return NULL;
		p = blanks(p + 1);
		while (*p != close) {
			p = object ? member(r, p, level, depth - 1) : value(r, p, 4, depth - 1);
			if (p == NULL)
				return NULL;
			p = blanks(p);
			if (*p == ',') {
				p = blanks(p + 1);
				if (*p == close)
					return NULL;
			} else if (*p != close) {
				return NULL;
			}
		}
		return p + 1;
	}
	for (int i = 0; i < 3; i++)
		if (strncmp(p, words[i], strlen(words[i])) == 0)
			return p + strlen(words[i]);
	return number(p);
}

static void compare(const struct config *c, const char *json)
{
	struct reading r = {0};
	const char *end = value(&r, blanks(json), 0, DEPTH);

	if (end == NULL || *blanks(end) != '\0' || *blanks(json) != '{')
		return;
	REQUIRE(c->concerns_all || !r.loud);
	REQUIRE((c->emulator != NULL) == (r.emulator != NULL));
	if (c->emulator == NULL)
		return;
	REQUIRE(strlen(c->emulator) == r.emulator_bytes - 2);
	REQUIRE(memcmp(c->emulator, r.emulator + 1, r.emulator_bytes - 2) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[40];

	(void)argc, (void)argv;
	file = memfd_create("config", MFD_CLOEXEC);
	REQUIRE(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	setenv("VHOST_HOST_WRAP_CONFIG", path, 1);
	return 0;
}

/* As the launcher reads it. A MiB of room each time, which is what takes the time here. */
static void from_file(const uint8_t *data, size_t size)
{
	struct config c = {0};

	REQUIRE(pwrite(file, data, size, 0) == (ssize_t)size && ftruncate(file, (off_t)size) == 0);
	read_config(&c);
	REQUIRE(c.state == CONFIG_BAD || (c.state == CONFIG_READ && memchr(data, 0, size) == NULL));
	free(c.emulator);
}

static bool scan(const char *json)
{
	struct config c = {0};
	bool read = scan_config(&c, json);

	if (read)
		compare(&c, json);
	free(c.emulator);
	return read;
}

/*
 * Bytes as a file that is JSON: each ends an object or is a key, of the whole, of "domains" or of a domain.
 * Mutations of text seldom get that deep into it. Read it must be, for the launcher knows of nothing in it.
 */
static void written(const uint8_t *data, size_t size)
{
	static const char *const keys[] = {"emulator", "runDir", "autostart", "transport", "device",
		"reconnect", "hugepages", "hugetlbfsDir", "vhostOptions", "options", "hugepagesForAll",
		"domain", "Emulator", "", "domains", "emulator "};
	static const char *const values[] = {"\"/usr/bin/qemu\"", "\"\"", "[1, {\"emulator\": 2}]",
		"{\"options\": {}}", "\"a\\\"b\"", "-1.5e3", "null", "true"};
	char *json = malloc(size * 48 + 16), *at = json;
	bool first = true, plain = true;
	int level = 0;

	REQUIRE(json != NULL);
	*at++ = '{';
	for (size_t i = 0; i < size; i++) {
		uint32_t key = data[i] % 16, value = data[i] / 16 % 8;

		if (level > 0 && data[i] >= 224) {
			*at++ = '}';
			level--;
			first = false;
			continue;
		}
		/* The whole has few other keys that matter. */
		if (level == 0 && data[i] >= 128)
			key = 14;
		at += sprintf(at, "%s\"%s\": ", first ? "" : ", ", keys[key]);
		first = level == 1 || (level == 0 && key == 14);
		plain = plain && (level > 0 || key != 0 || value < 2);
		at += sprintf(at, "%s", first ? "{" : values[value]);
		level += first;
	}
	for (; level >= 0; level--)
		*at++ = '}';
	*at = '\0';
	REQUIRE(scan(json) == plain);
	free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own length: who reads on behind its end is found out. */
	char *json = malloc(size + 1);

	memcpy(json, data, size);
	json[size] = '\0';
	if (size % 64 == 0)
		from_file(data, size);
	scan(json);
	written(data, size < 32 ? size : 32);
	free(json);
	return 0;
}
