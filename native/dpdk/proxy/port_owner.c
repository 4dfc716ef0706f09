#include "port_owner.h"
#include "peer_cred.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* asm-generic/socket.h, since Linux 6.5. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* Whether the process that connected has ended: its number says nothing then, or names another one. */
static bool has_ended(int socket)
{
	int pidfd = -1;
	socklen_t len = sizeof(pidfd);
	struct pollfd ended = {.events = POLLIN};

	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) != 0)
		return errno == ESRCH || errno == EINVAL;
	ended.fd = pidfd;
	if (poll(&ended, 1, 0) == 0)
		ended.revents = 0;
	close(pidfd);
	return ended.revents != 0;
}

/* The number in a file that nobody but root or ourselves could have made. Return: 0 where there is none. */
static pid_t pid_in(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[16] = "";
	struct stat st;
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
		read(fd, text, sizeof(text) - 1) > 0)
		pid = (pid_t)strtol(text, NULL, 10);
	close(fd);
	return pid > 0 ? pid : 0;
}

/* A process by its name, which is its own choice: nothing but printable characters of it. */
static void name_of(pid_t pid, char *out, size_t n)
{
	char path[32];
	size_t got = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	if (f != NULL) {
		got = fread(out, 1, n - 1, f);
		fclose(f);
	}
	out[got] = '\0';
	for (size_t i = 0; i < got; i++)
		if (out[i] < ' ' || out[i] > '~')
			out[i] = out[i] == '\n' ? '\0' : '?';
	if (out[0] == '\0')
		snprintf(out, n, "?");
}

static void whose(const struct vh_owner *o, bool by_process, char *out, size_t n)
{
	char name[20];

	name_of(o->pid, name, sizeof(name));
	if (by_process && vh_peer_began(o->pid) == o->began)
		snprintf(out, n, "process %d (%s)", (int)o->pid, name);
	else if (by_process)
		snprintf(out, n, "process %d, which has ended", (int)o->pid);
	else if (o->pid_file[0] != '\0')
		snprintf(out, n, "process %d of %s", (int)pid_in(o->pid_file), o->pid_file);
	else
		snprintf(out, n, "user id %lld", (long long)o->uid);
}

static bool is_process(const struct ucred *who, int socket, pid_t pid)
{
	return pid > 0 && who->pid == pid && !has_ended(socket);
}

bool vh_owner_admits(const struct vh_owner *o, int socket, char *why, size_t n)
{
	struct ucred who = {.pid = 0, .uid = (uid_t)-1};
	socklen_t len = sizeof(who);
	/* Handed out, and still so. */
	bool by_process = o->pid > 0 && (o->only || vh_peer_began(o->pid) == o->began), good;
	char owner[600], name[20];

	if (!by_process && !o->by_user && o->pid_file[0] == '\0')
		return true;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		who.pid = 0;
	if (o->bridged && who.uid == 0)
		return true;
	if (by_process)
		/* In this order: what /proc shows of a number is the connected process only while that lives.
		 */
		good = vh_peer_began(who.pid) == o->began && is_process(&who, socket, o->pid);
	else if (o->pid_file[0] != '\0')
		good = is_process(&who, socket, pid_in(o->pid_file));
	else
		good = who.uid == o->uid;
	if (good)
		return true;
	name_of(who.pid, name, sizeof(name));
	whose(o, by_process, owner, sizeof(owner));
	snprintf(why, n, "process %d (%s) of user id %lld is not let in: the port belongs to %s",
		(int)who.pid, name, (long long)(int32_t)who.uid, owner);
	return false;
}
