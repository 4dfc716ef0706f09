/* The file of a socket in a directory of somebody who puts other files by its name. */
#include "../../dpdk/proxy/socket_file.h"
#include "../rig/check.h"
#include "../tests.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Each way of leading it elsewhere has to have been in its way that often, and the socket itself too. */
#define TIMES 40
#define PATIENCE_S 60

struct scene {
	char dir[32], socket[48], victim[48], second[48];
	bool stop; /* atomic */
};

/* Instead of the socket, in turn: a link to the victim, another name of it, and nothing. */
static void *swap(void *arg)
{
	struct scene *s = arg;

	for (unsigned int turn = 0; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED); turn++) {
		unlink(s->socket);
		if (turn % 3 == 0)
			(void)!symlink(s->victim, s->socket);
		else if (turn % 3 == 1)
			(void)!link(s->second, s->socket);
		sched_yield();
	}
	return NULL;
}

/* As session.c makes one; it may find the attacker's file there and fail. */
static bool bind_closed(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	mode_t before = umask(0777);
	bool bound;

	REQUIRE(fd >= 0);
	strcpy(at.sun_path, path);
	bound = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	umask(before);
	close(fd);
	return bound;
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	REQUIRE(fd >= 0);
	close(fd);
}

static bool is_untouched(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 && S_ISREG(st.st_mode);
}

static void attack(struct scene *s)
{
	unsigned int refused = 0, links = 0, given = 0;
	time_t end = time(NULL) + PATIENCE_S;

	while (refused < TIMES || links < TIMES || given < TIMES) {
		struct stat made;
		int fd;

		REQUIRE(time(NULL) < end);
		bind_closed(s->socket);
		fd = vh_socket_file_open(s->socket, &made);
		/* O_PATH opens a link itself, which is no socket. */
		if (fd == -EPERM)
			refused++;
		else if (fd == -ENOENT)
			links++;
		else if (fd >= 0 && vh_socket_file_give(fd, (int)getegid(), 0660) == 0)
			given++;
		if (fd >= 0)
			close(fd);
		REQUIRE(is_untouched(s->victim));
		REQUIRE(is_untouched(s->second));
	}
}

void test_socket_file_is_not_led_elsewhere(void)
{
	struct scene s = {.dir = "/tmp/vh-socket-XXXXXX"};
	pthread_t attacker;

	REQUIRE(mkdtemp(s.dir) != NULL);
	snprintf(s.socket, sizeof(s.socket), "%s/socket", s.dir);
	snprintf(s.victim, sizeof(s.victim), "%s/victim", s.dir);
	snprintf(s.second, sizeof(s.second), "%s/second", s.dir);
	make_file(s.victim);
	make_file(s.second);
	REQUIRE_EQ(pthread_create(&attacker, NULL, swap, &s), 0);
	attack(&s);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	pthread_join(attacker, NULL);
	unlink(s.socket);
	unlink(s.victim);
	unlink(s.second);
	REQUIRE_EQ(rmdir(s.dir), 0);
}

void test_socket_file_is_only_a_fresh_socket(void)
{
	char dir[] = "/tmp/vh-socket-XXXXXX", path[48], other[48];
	struct stat made;
	int fd;

	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	REQUIRE_EQ(vh_socket_file_open(path, &made), -ENOENT);
	REQUIRE(bind_closed(path));
	fd = vh_socket_file_open(path, &made);
	REQUIRE(fd >= 0);
	REQUIRE_EQ(link(path, other), 0);
	/* Two names: one of them is somebody's idea. */
	REQUIRE_EQ(vh_socket_file_open(path, &made), -EPERM);
	unlink(other);
	REQUIRE_EQ(vh_socket_file_give(fd, -1, 0640), 0);
	REQUIRE(stat(path, &made) == 0 && (made.st_mode & 07777) == 0640);
	/* It is open already. */
	REQUIRE_EQ(vh_socket_file_open(path, &made), -EPERM);
	close(fd);
	unlink(path);
	make_file(path);
	REQUIRE_EQ(vh_socket_file_open(path, &made), -EPERM);
	unlink(path);
	REQUIRE_EQ(symlink(other, path), 0);
	REQUIRE_EQ(vh_socket_file_open(path, &made), -EPERM);
	unlink(path);
	REQUIRE_EQ(rmdir(dir), 0);
}
