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

/* Keys that change nothing for a call without a vhost netdev. Any other sends every call to the planner. */
static const char *const quiet_keys[] = {"emulator", "runDir", "autostart", "hugepages", "vhostOptions"};

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
static const char *scan_member(struct config *config, const char *at)
{
	char *key = plain_string(at);

	if (!key)
		return NULL;
	at = skip_blanks(string_end(at) + 1);
	at = *at == ':' ? skip_blanks(at + 1) : NULL;
	if (at && strcmp(key, "emulator") == 0) {
		free(config->emulator);
		config->emulator = plain_string(at);
		if (!config->emulator)
			at = NULL;
	} else if (!is_quiet(key)) {
		config->concerns_all = true;
	}
	free(key);
	return at ? skip_value(at) : NULL;
}

bool scan_config(struct config *config, const char *text)
{
	const char *at = skip_blanks(text);

	if (*at != '{')
		return false;
	at = skip_blanks(at + 1);
	while (*at != '}') {
		at = scan_member(config, at);
		if (!at)
			return false;
		if (*at == ',') {
			at = skip_blanks(at + 1);
			if (*at != '"')
				return false;
		}
	}
	return *skip_blanks(at + 1) == '\0';
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
