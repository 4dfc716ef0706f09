/* Whether the process that connected is still there. */
#include "../../dpdk/proxy/peer_cred.h"
#include "../rig/check.h"
#include "../tests.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Connects, and waits to be killed. */
static pid_t connect_from_elsewhere(const struct sockaddr_un *at, socklen_t len)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (connect(fd, (const struct sockaddr *)at, len) != 0)
			_exit(1);
		for (;;)
			pause();
	}
	return pid;
}

void test_peer_is_there_or_not(void)
{
	/* A name of the kernel's choice, which is no file. */
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(at);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	siginfo_t info;
	pid_t pid;

	REQUIRE(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	REQUIRE(listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	pid = connect_from_elsewhere(&at, len);
	fd = accept(listener, NULL, NULL);
	REQUIRE(fd >= 0);
	REQUIRE_EQ(vh_peer_of(fd), pid);
	REQUIRE(vh_peer_runs(pid));
	/* Ended, and not waited for: nobody will come back. */
	REQUIRE_EQ(kill(pid, SIGKILL), 0);
	REQUIRE_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	REQUIRE_EQ(vh_peer_of(fd), pid);
	REQUIRE(!vh_peer_runs(pid));
	REQUIRE_EQ(waitpid(pid, NULL, 0), pid);
	REQUIRE(!vh_peer_runs(pid));
	/* Nobody can tell. */
	REQUIRE_EQ(vh_peer_of(STDIN_FILENO + 1000), 0);
	REQUIRE(vh_peer_runs(0));
	close(fd);
	close(listener);
}
