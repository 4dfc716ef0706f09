#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

/*
 * The configuration file is the planner's; this program needs one word of it (which emulator to run) and
 * must not start Node to get it. So the walk below knows JSON's shape, not its rules: whatever looks odd
 * is left to the planner, whose parser tells the user what is wrong.
 */

#define DEFAULT_PATH "/etc/vhost-host/qemu-wrap.json"
#define MAX_BYTES (1024 * 1024)
#define MAX_DEPTH 64

/*
 * Keys that change nothing for a call without a vhost netdev. Any other sends every call to the planner:
 * "options" and "hugepagesForAll", and what is misspelt.
 */
static const char *const quiet_keys[] = {"emulator", "runDir", "autostart", "transport", "device",
	"reconnect", "hugepages", "hugetlbfsDir", "vhostOptions"};

/* The variables that stand for the other two. */
static const char *const loud_variables[] = {"VHOST_HOST_WRAP_OPTIONS", "VHOST_HOST_WRAP_HUGEPAGES_FOR_ALL"};

/* Reads the value that begins at `at`; returns where it ends, NULL where it is not understood. */
typedef const char *read_value(struct config *config, const char *key, const char *at);

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* The end of the string that opens at `at`, on its closing quote; NULL where it has none. */
static const char *string_end(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && *++at == '\0')
			return NULL;
	return *at ? at : NULL;
}

/* The first character after a value. */
static const char *skip_value(const char *at)
{
	int depth = 0;

	for (; *at; at++) {
		if (*at == '"') {
			at = string_end(at);
			if (!at)
				return NULL;
		} else if (*at == '{' || *at == '[') {
			if (++depth > MAX_DEPTH)
				return NULL;
		} else if (depth == 0 && (*at == ',' || *at == '}')) {
			return at;
		} else if (*at == '}' || *at == ']') {
			depth--;
		}
	}
	return NULL;
}

/* The text of the string that opens at `at`; NULL where it is none, or is written with escapes. */
static char *plain_string(const char *at)
{
	const char *end = *at == '"' ? string_end(at) : NULL;
	size_t length;
	char *text;

	if (!end || memchr(at, '\\', (size_t)(end - at)))
		return NULL;
	length = (size_t)(end - at) - 1;
	text = grow(NULL, length + 1);
	memcpy(text, at + 1, length);
	text[length] = '\0';
	return text;
}

static bool is_quiet(const char *key)
{
	for (size_t i = 0; i < sizeof(quiet_keys) / sizeof(*quiet_keys); i++)
		if (strcmp(key, quiet_keys[i]) == 0)
			return true;
	return false;
}

/* One `"key": value`; returns where it ends. */
static const char *scan_member(struct config *config, const char *at, read_value *read)
{
	char *key = plain_string(at);

	if (!key)
		return NULL;
	at = skip_blanks(string_end(at) + 1);
	at = *at == ':' ? read(config, key, skip_blanks(at + 1)) : NULL;
	free(key);
	return at ? skip_blanks(at) : NULL;
}

/* `{…}`, each value read by `read`; returns where it ends. */
static const char *scan_object(struct config *config, const char *at, read_value *read)
{
	if (*at != '{')
		return NULL;
	at = skip_blanks(at + 1);
	while (*at != '}') {
		at = scan_member(config, at, read);
		if (!at)
			return NULL;
		if (*at == ',') {
			at = skip_blanks(at + 1);
			if (*at != '"')
				return NULL;
		} else if (*at != '}') {
			return NULL;
		}
	}
	return at + 1;
}

/* Which domain it is for is the planner's to find out; what it may not say is, too. */
static const char *read_domain_key(struct config *config, const char *key, const char *at)
{
	if (!is_quiet(key) || strcmp(key, "emulator") == 0)
		config->concerns_all = true;
	return skip_value(at);
}

static const char *read_domain(struct config *config, const char *key, const char *at)
{
	(void)key;
	return scan_object(config, at, read_domain_key);
}

static const char *read_key(struct config *config, const char *key, const char *at)
{
	if (strcmp(key, "domains") == 0)
		return scan_object(config, at, read_domain);
	if (strcmp(key, "emulator") == 0) {
		free(config->emulator);
		config->emulator = plain_string(at);
		return config->emulator ? skip_value(at) : NULL;
	}
	if (!is_quiet(key))
		config->concerns_all = true;
	return skip_value(at);
}

bool scan_config(struct config *config, const char *text)
{
	const char *end = scan_object(config, skip_blanks(text), read_key);

	return end && *skip_blanks(end) == '\0';
}

static char *read_text(FILE *file)
{
	char *text = grow(NULL, MAX_BYTES + 1);
	size_t length = fread(text, 1, MAX_BYTES, file);

	text[length] = '\0';
	if (ferror(file) || length == MAX_BYTES || strlen(text) != length) {
		free(text);
		return NULL;
	}
	return text;
}

void read_config(struct config *config)
{
	const char *named = getenv("VHOST_HOST_WRAP_CONFIG");
	FILE *file;
	char *text;

	for (size_t i = 0; i < sizeof(loud_variables) / sizeof(*loud_variables); i++) {
		const char *value = getenv(loud_variables[i]);

		if (value && *value)
			config->concerns_all = true;
	}
	config->path = named && *named ? named : DEFAULT_PATH;
	file = fopen(config->path, "re");
	if (!file) {
		bool absent = config->path != named && (errno == ENOENT || errno == ENOTDIR);

		config->state = absent ? CONFIG_NONE : CONFIG_BAD;
		return;
	}
	text = read_text(file);
	fclose(file);
	config->state = text && scan_config(config, text) ? CONFIG_READ : CONFIG_BAD;
	free(text);
}
