/*
 * vh-cuse SOCKET: the supervisor of the devices /dev/<basename>-N (supervisor.h), with its line at SOCKET.
 * Writes "ready" on descriptor 3 once it listens, and what happens on its standard error.
 */
#include "supervisor_socket.h"
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often it is looked whether a device that shall go was closed. */
#define SWEEP_MS 200
/* How often it is looked whether the line still has its name; the switch waits a few of them (bridge.ts). */
#define LINE_MS 500
#define LINE_BYTES 512
/* Where its starter waits for a line. */
#define READY_FD 3

static struct vh_cuse_supervisor supervisor;

static _Noreturn void fail(const char *what, int error)
{
	fprintf(stderr, "vh-cuse: %s: %s\n", what, strerror(error));
	exit(1);
}

/* "NAME MODE UID GID SOCKET", the mode in octal. Device names are those that ports may have (schema.ts). */
static bool parse_spec(const char *text, struct vh_cuse_spec *w)
{
	int end = 0;

	if (sscanf(text, "%63[A-Za-z0-9._-] %" SCNo32 " %d %d %n", w->name, &w->mode, &w->uid, &w->gid,
		    &end) != 4 ||
		end == 0 || w->name[0] == '.' || w->mode > 0777)
		return false;
	if (text[end] != '/' || strlen(text + end) >= sizeof(w->socket))
		return false;
	strcpy(w->socket, text + end);
	return true;
}

static void list(int to)
{
	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++) {
		struct vh_cuse_slot *slot = &supervisor.slots->slot[i];

		if (supervisor.fd[i] >= 0)
			dprintf(to, "%s %u %s\n", slot->name, atomic_load(&slot->opens), slot->socket);
	}
}

static const char *obey(char *line, int to)
{
	struct vh_cuse_spec spec = {0};

	if (strncmp(line, "add ", 4) == 0 && parse_spec(line + 4, &spec))
		return vh_cuse_supervisor_add(&supervisor, &spec);
	if (strncmp(line, "remove ", 7) == 0)
		return vh_cuse_supervisor_remove(&supervisor, line + 7);
	if (strcmp(line, "list") == 0)
		return list(to), NULL;
	if (strcmp(line, "retire") == 0)
		return vh_cuse_supervisor_retire(&supervisor), NULL;
	return "not understood";
}

/* One that asks; whoever does not come to the point within a second is left. */
static void answer(int listener)
{
	struct timeval patience = {.tv_sec = 1};
	char line[LINE_BYTES];
	const char *trouble;
	FILE *from;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	from = fdopen(fd, "r");
	if (from == NULL) {
		close(fd);
		return;
	}
	if (fgets(line, sizeof(line), from) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		trouble = obey(line, fd);
		dprintf(fd, "%s%s\n", trouble == NULL ? "ok" : "error ", trouble == NULL ? "" : trouble);
	}
	fclose(from);
}

/*
 * Whatever else its starter had open. The switch has guests' memory, by descriptors that librte_vhost leaves
 * to be inherited: kept here, that memory would be taken for as long as there are devices.
 */
static void close_inherited(void)
{
	struct rlimit limit;

	/* close_range(2) is younger than all else that is needed here. */
	if (syscall(SYS_close_range, READY_FD + 1, ~0U, 0) == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	for (rlim_t fd = READY_FD + 1; fd < limit.rlim_cur; fd++)
		close((int)fd);
}

static int catch_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		fail("signals", errno);
	return fd;
}

/* Return: whether to go on. */
static bool act_on_signal(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD)
			return false;
		if (vh_cuse_supervisor_revive(&supervisor) != 0)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct vh_cuse_line line;
	int signals, error;
	bool waiting = false;

	if (argc != 2) {
		fprintf(stderr, "vh-cuse SOCKET: started by the switch, not by hand\n");
		return 2;
	}
	prctl(PR_SET_NAME, "vh-cuse");
	close_inherited();
	signals = catch_signals();
	error = vh_cuse_supervisor_start(&supervisor);
	if (error != 0)
		fail("the bridge", -error);
	error = vh_cuse_line_open(&line, argv[1]);
	if (error != 0)
		fail(argv[1], -error);
	dprintf(READY_FD, "ready\n");
	close(READY_FD);
	while (!vh_cuse_supervisor_done(&supervisor)) {
		struct pollfd p[] = {{.fd = signals, .events = POLLIN}, {.fd = line.fd, .events = POLLIN}};

		poll(p, 2, waiting ? SWEEP_MS : LINE_MS);
		if (p[0].revents != 0 && !act_on_signal(signals))
			break;
		if (p[1].revents != 0)
			answer(line.fd);
		vh_cuse_line_tend(&line);
		waiting = vh_cuse_supervisor_sweep(&supervisor);
	}
	vh_cuse_line_close(&line);
	return 0;
}
