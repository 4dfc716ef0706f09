#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * The planner's errand: one text to a UNIX socket, and what comes back. It could do so itself, but loading
 * Node's streams for it costs a start of a guest more than the planning. What is said is the planner's; this
 * program neither makes nor reads it.
 */

/* For the whole exchange: a peer that sends a byte now and then must not hold a guest either. */
#define PATIENCE_MS 10000
/* Far above any answer about one port; a bound only against what is not our switch. */
#define MAX_BYTES (1024 * 1024)

/* Lets the next call on the socket wait until the deadline at most; false where that has come. */
static bool wait_until(int fd, long long deadline)
{
	long long left = deadline - now_ms();
	struct timeval limit = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

	if (left <= 0) {
		errno = EAGAIN;
		return false;
	}
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0;
}

static bool connect_to(int fd, const char *path, long long deadline)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(address.sun_path, path);
	return wait_until(fd, deadline) && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool send_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		text += sent;
		length -= (size_t)sent;
	}
	return true;
}

/* Everything that comes until the peer closes; `bytes` has room for MAX_BYTES. */
static bool receive_all(int fd, char *bytes, size_t *length, long long deadline)
{
	for (*length = 0;;) {
		ssize_t got;

		if (!wait_until(fd, deadline))
			return false;
		got = recv(fd, bytes + *length, MAX_BYTES - *length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		*length += (size_t)got;
		if (*length == MAX_BYTES) {
			errno = EMSGSIZE;
			return false;
		}
	}
}

/* Returns 0 or an errno. */
static int exchange(const char *path, const char *text, char *bytes, size_t *length)
{
	long long deadline = now_ms() + PATIENCE_MS;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	if (!connect_to(fd, path, deadline) || !send_all(fd, text, strlen(text)) ||
		!receive_all(fd, bytes, length, deadline))
		error = errno == EAGAIN ? ETIMEDOUT : errno;
	close(fd);
	return error;
}

void relay(int planner, const char *path, const char *text)
{
	char head[32];
	char *answer = grow(NULL, sizeof(head) + MAX_BYTES);
	char *bytes = answer + sizeof(head);
	size_t length = 0;
	int error = exchange(path, text, bytes, &length);
	int used = snprintf(head, sizeof(head), "%d %zu\n", error, error ? 0 : length);

	/* In one piece: the planner, woken once, finds all of it. */
	memcpy(bytes - used, head, (size_t)used);
	/* One that does not listen any more is found out by how it ends. */
	send_all(planner, bytes - used, (size_t)used + (error ? 0 : length));
	free(answer);
}
