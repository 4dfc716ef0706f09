#define _GNU_SOURCE
#include "launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the build writes (.ci/lib/bundle.mjs): which flags each version takes (src/common/node-flags.ts), */
#define TABLE "build/bundle/cli/node.table"
/* and which Nodes it has seen: to ask one for its version takes a tenth of a guest's planning. */
#define SEEN "build/bundle/cli/node.seen"
/* src/common/node-flags.ts says the same. */
#define NEEDED "vhost-host runs on Node 20.19 or a newer 20, and on 22 and newer"

/* Versions compare as numbers. */
typedef unsigned long long version;
#define NEWER_THAN_ALL (~0ULL)

/* NEWER_THAN_ALL where the text does not begin with a version. */
static version parse_version(const char *text)
{
	unsigned int major, minor, patch;

	if (sscanf(text + (*text == 'v'), "%6u.%6u.%6u", &major, &minor, &patch) != 3)
		return NEWER_THAN_ALL;
	return ((version)major << 40) | ((version)minor << 20) | patch;
}

static FILE *open_file(const char *name)
{
	char *path = package_file(name);
	FILE *file = fopen(path, "re");

	free(path);
	return file;
}

/* The version that the build wrote down for this very file; "" where it has not seen it. */
static void recall_version(const char *node, char *text)
{
	FILE *file = open_file(SEEN);
	struct stat st;
	unsigned long long inode, size, seconds, nanoseconds;
	char found[VERSION_BYTES];

	*text = '\0';
	if (!file)
		return;
	if (stat(node, &st) == 0)
		while (fscanf(file, "%llu %llu %llu %llu %31s", &inode, &size, &seconds, &nanoseconds,
			       found) == 5)
			if (inode == st.st_ino && size == (unsigned long long)st.st_size &&
				seconds == (unsigned long long)st.st_mtim.tv_sec &&
				nanoseconds == (unsigned long long)st.st_mtim.tv_nsec)
				strcpy(text, found);
	fclose(file);
}

/* What `node --version` says, "" where that is no plain word. */
static void ask_version(char *node, char *text)
{
	char *args[] = {node, "--version", NULL};
	struct child child = start_child(args);
	size_t length = 0;

	while (length < VERSION_BYTES - 1) {
		ssize_t got = read_child(&child, text + length, VERSION_BYTES - 1 - length);

		if (got == 0)
			break;
		length += (size_t)got;
	}
	end_child(&child);
	text[length] = '\0';
	text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.+-")] = '\0';
}

/* The words of `line` after its first two. */
static void take_flags(struct node *node, char *line)
{
	char *state = NULL;

	node->count = 0;
	strtok_r(line, " \n", &state);
	strtok_r(NULL, " \n", &state);
	for (char *word; (word = strtok_r(NULL, " \n", &state)) != NULL; node->count++) {
		node->flags = grow(node->flags, (node->count + 1) * sizeof(*node->flags));
		node->flags[node->count] = word;
	}
}

/* The last line for the program whose version is not above Node's; false without a table. */
static bool look_up(struct node *node, const char *program, version wanted)
{
	FILE *file = open_file(TABLE);
	char *line = NULL, *best = NULL;
	size_t room = 0, name = strlen(program);

	if (!file)
		return false;
	while (getline(&line, &room, file) >= 0) {
		if (strncmp(line, program, name) != 0 || line[name] != ' ' ||
			parse_version(line + name + 1) > wanted)
			continue;
		free(best);
		best = line;
		line = NULL;
		room = 0;
	}
	free(line);
	fclose(file);
	if (best)
		take_flags(node, best);
	return best;
}

const struct node *choose_node(const char *program)
{
	/* Kept until this process is another program. */
	static struct node node;

	node.path = find_node();
	recall_version(node.path, node.version);
	if (!*node.version)
		ask_version(node.path, node.version);
	node.known = look_up(&node, program, parse_version(node.version));
	if (node.count == 1 && strcmp(node.flags[0], "-") == 0)
		fail(NODE_HINT, "Node %s (%s) is not supported: " NEEDED, node.version, node.path);
	return &node;
}

char **node_args(const struct node *node, size_t more)
{
	char **args = grow(NULL, (node->count + more + 2) * sizeof(*args));

	args[0] = node->path;
	if (node->count > 0)
		memcpy(args + 1, node->flags, node->count * sizeof(*args));
	return args;
}
