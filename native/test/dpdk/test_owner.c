/* Who may connect to a port. */
#include "../../dpdk/proxy/port_owner.h"
#include "../../dpdk/proxy/peer_cred.h"
#include "../rig/check.h"
#include "../tests.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHER_USER 65534

struct scene {
	struct sockaddr_un at;
	socklen_t len;
	int listener;
};

static void open_scene(struct scene *s)
{
	/* A name of the kernel's choice, which is no file. */
	*s = (struct scene){.at = {.sun_family = AF_UNIX}, .len = sizeof(s->at)};
	s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(s->listener >= 0);
	REQUIRE(bind(s->listener, (struct sockaddr *)&s->at, sizeof(sa_family_t)) == 0);
	REQUIRE(listen(s->listener, 4) == 0);
	REQUIRE(getsockname(s->listener, (struct sockaddr *)&s->at, &s->len) == 0);
}

/* A process that connects and waits to be killed. Return: our end; *pid. */
static int connect_as(struct scene *s, uid_t uid, pid_t *pid)
{
	int fd;

	*pid = fork();
	REQUIRE(*pid >= 0);
	if (*pid == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "a\x1b[31mQEMU");
		if ((uid != geteuid() && setuid(uid) != 0) ||
			connect(fd, (const struct sockaddr *)&s->at, s->len) != 0)
			_exit(1);
		for (;;)
			pause();
	}
	fd = accept(s->listener, NULL, NULL);
	REQUIRE(fd >= 0);
	return fd;
}

static void end_process(pid_t pid)
{
	REQUIRE_EQ(kill(pid, SIGKILL), 0);
	REQUIRE_EQ(waitpid(pid, NULL, 0), pid);
}

/* Whether `fd` is let in; if not, its line has `names` in it. */
static bool admits(const struct vh_owner *o, int fd, const char *names)
{
	char why[768] = "";
	bool good = vh_owner_admits(o, fd, why, sizeof(why));

	REQUIRE(good || strstr(why, names) != NULL);
	REQUIRE(strchr(why, '\n') == NULL && strchr(why, '\x1b') == NULL);
	return good;
}

void test_owner_is_the_process_that_claimed(void)
{
	struct vh_owner o = {.only = true};
	char names[80];
	struct scene s;
	pid_t mine, other;
	int my_fd, other_fd;

	open_scene(&s);
	my_fd = connect_as(&s, geteuid(), &mine);
	/* The same user, group and program: another process all the same. */
	other_fd = connect_as(&s, geteuid(), &other);
	o.pid = mine;
	o.began = vh_peer_began(mine);
	REQUIRE(admits(&o, my_fd, ""));
	snprintf(names, sizeof(names),
		"(a?[31mQEMU) of user id %d is not let in: the port belongs to process %d (", (int)geteuid(),
		(int)mine);
	REQUIRE(!admits(&o, other_fd, names));
	/* A number that another process had before. */
	o.began--;
	REQUIRE(!admits(&o, my_fd, "which has ended"));
	o.began++;
	end_process(mine);
	/* Its connection waits, but the process is gone; a port of a claim is nobody's then. */
	REQUIRE(!admits(&o, my_fd, "which has ended"));
	REQUIRE(!admits(&o, other_fd, "which has ended"));
	/* One of the configuration is as it was configured. */
	o.only = false;
	REQUIRE(admits(&o, other_fd, ""));
	end_process(other);
	close(my_fd);
	close(other_fd);
	close(s.listener);
}

void test_owner_is_a_user(void)
{
	struct vh_owner o = {.by_user = true, .uid = geteuid()};
	struct scene s;
	pid_t pid;
	int fd;

	open_scene(&s);
	fd = connect_as(&s, geteuid(), &pid);
	REQUIRE(admits(&o, fd, ""));
	o.uid = geteuid() + 1;
	REQUIRE(!admits(&o, fd, "the port belongs to user id "));
	/* The bridge in front of it is root's. */
	o.bridged = true;
	REQUIRE_EQ(admits(&o, fd, ""), geteuid() == 0);
	end_process(pid);
	close(fd);
	if (geteuid() == 0) {
		o = (struct vh_owner){.by_user = true, .uid = OTHER_USER, .bridged = true};
		fd = connect_as(&s, OTHER_USER, &pid);
		REQUIRE(admits(&o, fd, ""));
		o.uid = OTHER_USER - 1;
		REQUIRE(!admits(&o, fd, "of user id 65534 is not let in: the port belongs to user id 65533"));
		o = (struct vh_owner){0};
		REQUIRE(admits(&o, fd, ""));
		end_process(pid);
		close(fd);
	}
	close(s.listener);
}

static void write_number(const char *path, pid_t pid)
{
	FILE *f = fopen(path, "w");

	REQUIRE(f != NULL);
	fprintf(f, "%d\n", (int)pid);
	fclose(f);
}

void test_owner_is_in_a_file(void)
{
	char dir[] = "/tmp/vh-owner-XXXXXX", link_path[48];
	struct vh_owner o = {0};
	struct scene s;
	pid_t pid;
	int fd;

	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(o.pid_file, sizeof(o.pid_file), "%s/web1.pid", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	open_scene(&s);
	fd = connect_as(&s, geteuid(), &pid);
	REQUIRE(!admits(&o, fd, "the port belongs to process 0 of /tmp/vh-owner-"));
	write_number(o.pid_file, pid);
	REQUIRE(admits(&o, fd, ""));
	write_number(o.pid_file, getpid());
	REQUIRE(!admits(&o, fd, o.pid_file));
	write_number(o.pid_file, -1);
	REQUIRE(!admits(&o, fd, o.pid_file));
	/* Nobody else's file is believed, nor a link to one. */
	write_number(o.pid_file, pid);
	REQUIRE_EQ(rename(o.pid_file, link_path), 0);
	REQUIRE_EQ(symlink(link_path, o.pid_file), 0);
	REQUIRE(!admits(&o, fd, o.pid_file));
	unlink(o.pid_file);
	REQUIRE_EQ(rename(link_path, o.pid_file), 0);
	if (geteuid() == 0) {
		REQUIRE_EQ(chown(o.pid_file, OTHER_USER, OTHER_USER), 0);
		REQUIRE(!admits(&o, fd, o.pid_file));
		REQUIRE_EQ(chown(o.pid_file, 0, 0), 0);
	}
	end_process(pid);
	/* Ended before anybody looked. */
	REQUIRE(!admits(&o, fd, o.pid_file));
	unlink(o.pid_file);
	REQUIRE_EQ(rmdir(dir), 0);
	close(fd);
	close(s.listener);
}
