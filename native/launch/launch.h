/*
 * vh-launch: the process that becomes QEMU.
 *
 * libvirt (or a shell) starts bin/qemu-wrap, which execs this program; nothing in between forks. This
 * process keeps its id and every inherited descriptor, and execs QEMU in the end:
 *
 *      bin/qemu-wrap -> vh-launch ----------- nothing of ours in the call -----------> exec QEMU
 *                           |                                                            ^
 *                           `- a vhost netdev: fork -> node wrap-start.cjs -> plan -------'
 *
 * bin/vhost-host execs it too, to be run by Node with the flags that this Node takes.
 *
 * The planner decides what QEMU's arguments become; this program decides which QEMU is run, whether a
 * planner is needed at all (it costs a start of Node), and carries the plan out. It has no thread, no
 * signal handler and no state that outlives the exec; where the guest takes hugepages, a process beside it
 * keeps others waiting until it has them (turn.c).
 */
#ifndef VH_LAUNCH_H
#define VH_LAUNCH_H

#include <stdbool.h>
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

/* The configuration file, as far as this program cares. */
enum config_state {
	CONFIG_NONE, /* there is no such file, and nobody named one */
	CONFIG_READ,
	CONFIG_BAD, /* unreadable or not understood: the planner has to say what is wrong with it */
};

struct config {
	enum config_state state;
	const char *path;
	char *emulator;	   /* NULL when the file does not say */
	bool concerns_all; /* it (or a variable) may change calls without a vhost netdev too */
};

/* One start of the wrapper. */
struct call {
	const char *wrapper; /* qemu-wrap, as it was called */
	const char *mode;    /* "plan", or an --explain… option */
	char **args;	     /* QEMU's arguments, ended by NULL */
	size_t count;
	struct config config;
	char *emulator;
};

/* How to come by a Node; src/common/node-flags.ts says the same. */
#define NODE_HINT "install Node 22 or 24 (https://nodejs.org/en/download), and have it first in PATH"

/* Room for a version as Node tells it. */
#define VERSION_BYTES 32

/* The Node to run a program of ours with. */
struct node {
	char *path;
	char version[VERSION_BYTES];
	char **flags;
	size_t count;
	bool known; /* the table of flags was there */
};

/* A Node that we wait for; `line` is its stdin and stdout. */
struct child {
	pid_t pid;
	int line;
	struct sigaction old;
};

/* What this process calls itself where it complains: qemu-wrap or vhost-host. */
extern const char *program_name;

/* Prints "PROGRAM: …" and, where there is one, the hint below it; ends the process with status 1. */
_Noreturn void fail(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* malloc and friends that end the process instead of returning NULL. */
void *grow(void *memory, size_t bytes);
/* Of CLOCK_MONOTONIC, for deadlines. */
long long now_ms(void);
char *join_path(const char *directory, const char *name);

/* Whether an argument is the option of that name. QEMU takes one dash or two. */
bool is_option(const char *arg, const char *name);

void read_config(struct config *config);
/* Takes the text of a configuration file apart; false where it is not one JSON object. */
bool scan_config(struct config *config, const char *text);

/* The QEMU to run; never the wrapper and never this program. Ends the process when there is none. */
char *find_emulator(const struct call *call);
char *find_node(void);
/*
 * The Node that there is, its version, and the flags that one of our programs ("command", "planner") is to be
 * run with; ends the process where it is too old. Flags that a Node does not know keep it from starting.
 */
const struct node *choose_node(const char *program);
/* Node and its flags, with room for so many arguments more and NULL. */
char **node_args(const struct node *node, size_t more);
/* A file of this package, by its path from the package's root. */
char *package_file(const char *path);

/* Starts `args` with its stdin and stdout as the line to this process, and no descriptor more but stderr. */
struct child start_child(char **args);
/* As read(), but it does not fail. */
ssize_t read_child(const struct child *child, char *bytes, size_t count);
/* Waits for its end; returns its status as waitpid() has it. */
int end_child(struct child *child);
/* Replaces this process by Node, which does not see the variables for other programs on Node. */
_Noreturn void exec_node(char **args);

/* Sends `text` to the UNIX socket at `path`, and what comes back (or an errno) to the planner. */
void relay(int planner, const char *path, const char *text);

/* Opens a device of the cuse bridge for QEMU, and sends its number (or an errno) to the planner. */
void open_device(int planner, const char *path);

/*
 * Waits, for some seconds at most, until no other wrapper's guest is about to take hugepages, and has others
 * wait for this one; `path`: the directory of the kernel's that all of them lock. Tells the planner 0 or an
 * errno.
 */
void take_turn(int planner, const char *path);
/* If it is this one's turn: ends it as soon as QEMU uses more than `kib` KiB of hugepages, or has ended. */
void pass_turn(long long kib);

/* Replaces this process by the emulator. */
_Noreturn void become(const struct call *call, char **args);
/* Runs the planner and does what it says: becomes the emulator, or ends with the planner's failure. */
_Noreturn void plan_and_become(const struct call *call);
/* Becomes the planner itself, for calls whose answer is text. */
_Noreturn void become_planner(const struct call *call);

#endif
