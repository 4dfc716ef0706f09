#include "vu.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEADER 12U
#define CONNECT_NS 15000000000ULL

uint64_t vu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

int vu_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 5};
	uint64_t end = vu_now() + CONNECT_NS;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	do {
		int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (sock < 0)
			return -1;
		setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0)
			return sock;
		close(sock);
		poll(NULL, 0, 1);
	} while (vu_now() < end);
	return -1;
}

bool vu_send_bytes(int sock, const void *bytes, size_t size, const int *fds, int n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

	if (n > 0) {
		struct cmsghdr *c;

		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	}
	for (;;) {
		ssize_t n = sendmsg(sock, &h, MSG_NOSIGNAL);

		/* A process that is stopped and goes on finds its waits with a timeout interrupted. */
		if (n >= 0 || errno != EINTR)
			return n == (ssize_t)size;
	}
}

bool vu_send(int sock, const struct vu_msg *msg, const int *fds, int n)
{
	size_t payload = msg->size < sizeof(msg->bytes) ? msg->size : sizeof(msg->bytes);

	return vu_send_bytes(sock, msg, HEADER + payload, fds, n);
}

static bool recv_all(int sock, void *to, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = recv(sock, (uint8_t *)to + have, n - have, 0);

		if (got > 0)
			have += (size_t)got;
		else if (got == 0 || errno != EINTR)
			return false;
	}
	return true;
}

bool vu_recv(int sock, struct vu_msg *reply)
{
	return recv_all(sock, reply, HEADER) && reply->size <= sizeof(reply->bytes) &&
	       recv_all(sock, reply->bytes, reply->size);
}

bool vu_u64(int sock, uint32_t request, uint64_t value)
{
	struct vu_msg m = {.request = request, .flags = VU_VERSION, .size = 8};

	m.u64 = value;
	return vu_send(sock, &m, NULL, 0);
}

bool vu_state(int sock, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_msg m = {.request = request, .flags = VU_VERSION, .size = 8};

	m.state[0] = index;
	m.state[1] = num;
	return vu_send(sock, &m, NULL, 0);
}

bool vu_state_ack(int sock, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_msg m = {.request = request, .flags = VU_VERSION | VU_NEED_REPLY, .size = 8}, reply;

	m.state[0] = index;
	m.state[1] = num;
	return vu_send(sock, &m, NULL, 0) && vu_recv(sock, &reply) && reply.request == request &&
	       reply.u64 == 0;
}

bool vu_fd(int sock, uint32_t request, uint32_t ring, int fd)
{
	struct vu_msg m = {.request = request, .flags = VU_VERSION, .size = 8};

	m.u64 = fd < 0 ? ring | 1U << 8 : ring;
	return vu_send(sock, &m, &fd, fd < 0 ? 0 : 1);
}

bool vu_get(int sock, uint32_t request, uint64_t *value)
{
	struct vu_msg m = {.request = request, .flags = VU_VERSION}, reply;

	if (!vu_send(sock, &m, NULL, 0) || !vu_recv(sock, &reply) || reply.request != request ||
		reply.size != 8)
		return false;
	*value = reply.u64;
	return true;
}

bool vu_get_base(int sock, uint32_t ring, uint32_t *base)
{
	struct vu_msg reply;

	if (!vu_state(sock, VU_GET_VRING_BASE, ring, 0) || !vu_recv(sock, &reply) ||
		reply.request != VU_GET_VRING_BASE || reply.state[0] != ring)
		return false;
	*base = reply.state[1];
	return true;
}

bool vu_closed(int sock, int ms)
{
	uint64_t end = vu_now() + (uint64_t)ms * 1000000;
	char scrap[4096];

	for (uint64_t now = vu_now(); now < end; now = vu_now()) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, (int)((end - now) / 1000000 + 1)) != 1)
			continue;
		n = recv(sock, scrap, sizeof(scrap), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return true;
	}
	return false;
}
