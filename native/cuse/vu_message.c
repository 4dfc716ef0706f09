#include "vu_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int vh_cuse_wire_patience(int socket, uint32_t ms)
{
	struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};

	if (setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
		setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0)
		return 0;
	return -errno;
}

int vh_cuse_wire_connect(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = vh_cuse_wire_patience(fd, VH_CUSE_PATIENCE_MS);
	if (error == 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		error = -errno;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

int vh_cuse_wire_send(int socket, struct vh_cuse_msg *msg, const int *fds, uint32_t n)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(VH_CUSE_SHARED * sizeof(int))];
	} control = {0};
	struct iovec data = {.iov_base = msg, .iov_len = VH_CUSE_HEADER + msg->size};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
	ssize_t sent;

	msg->flags = VH_CUSE_VERSION | (msg->flags & VH_CUSE_NEED_REPLY);
	if (n > 0) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	}
	do
		sent = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	/* A message is far smaller than a socket's buffer: part of one means that the rest cannot follow. */
	return (size_t)sent == data.iov_len ? 0 : -EPIPE;
}

static int read_all(int socket, void *to, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = recv(socket, (char *)to + have, n - have, 0);

		if (got == 0)
			return -ECONNRESET;
		if (got < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (got > 0)
			have += (size_t)got;
	}
	return 0;
}

int vh_cuse_wire_answer(int socket, struct vh_cuse_msg *msg, uint32_t request)
{
	int error = read_all(socket, msg, VH_CUSE_HEADER);

	if (error != 0)
		return error;
	/* Answers carry 8 bytes, but the one to SET_LOG_BASE says nothing. */
	if (msg->request != request || (msg->flags & VH_CUSE_REPLY) == 0 ||
		msg->size != (request == VH_CUSE_SET_LOG_BASE ? 0 : sizeof(msg->u64)))
		return -EPROTO;
	return read_all(socket, &msg->u64, msg->size);
}
