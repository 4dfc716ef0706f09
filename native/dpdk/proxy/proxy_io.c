#include "proxy_io.h"
#include "foreign_fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void vh_mail_drop(struct vh_mail *mail)
{
	for (uint32_t i = 0; i < mail->n_fds; i++)
		vh_foreign_close(mail->port, mail->fds[i]);
	mail->n_fds = mail->have = 0;
}

/* Takes the descriptors out of a control message. Return: whether there is room for them. */
static bool take_fds(struct vh_mail *mail, struct msghdr *h)
{
	bool room = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (mail->n_fds < VH_VHU_MAX_FDS) {
				mail->fds[mail->n_fds++] = fd;
			} else {
				vh_foreign_close(mail->port, fd);
				room = false;
			}
		}
	}
	/* The kernel has closed what found no room, or could not install it: too many open files. */
	return room && (h->msg_flags & MSG_CTRUNC) == 0;
}

/* How much of the message is to be read next. */
static uint32_t missing(const struct vh_mail *mail)
{
	uint32_t whole = VH_VHU_HEADER;

	if (mail->have >= VH_VHU_HEADER)
		whole += mail->msg.size;
	return whole - mail->have;
}

enum vh_mail_state vh_mail_read(int fd, struct vh_mail *mail, bool check, const char **why)
{
	/* Ends: every pass adds bytes, and a message has at most sizeof(msg). */
	while (mail->have < VH_VHU_HEADER || missing(mail) > 0) {
		char control[CMSG_SPACE(VH_VHU_MAX_FDS * sizeof(int))];
		struct iovec part = {
			.iov_base = (uint8_t *)&mail->msg + mail->have, .iov_len = missing(mail)};
		struct msghdr h = {.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return VH_MAIL_PARTIAL;
		if (n <= 0)
			return VH_MAIL_ENDED;
		mail->have += (uint32_t)n;
		if (!take_fds(mail, &h)) {
			*why = "it brings more descriptors than it may, or than can be open";
			return VH_MAIL_BAD;
		}
		if (mail->have != VH_VHU_HEADER)
			continue;
		*why = check ? vh_gate_check_header(&mail->msg) : NULL;
		if (*why == NULL && mail->msg.size > sizeof(mail->msg) - VH_VHU_HEADER)
			*why = "its size is wrong";
		if (*why != NULL)
			return VH_MAIL_BAD;
	}
	return VH_MAIL_WHOLE;
}

int vh_mail_send(int fd, const struct vh_mail *mail)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(VH_VHU_MAX_FDS * sizeof(int))];
	} control = {0};
	struct iovec part = {
		.iov_base = (void *)(uintptr_t)&mail->msg, .iov_len = VH_VHU_HEADER + mail->msg.size};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	if (mail->n_fds > 0) {
		struct cmsghdr *c;

		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(mail->n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(mail->n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), mail->fds, mail->n_fds * sizeof(int));
	}
	n = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
	/* A stream may take a part; a message of at most 276 bytes is one buffer, and those go as a whole. */
	return (size_t)n == part.iov_len ? 0 : -EMSGSIZE;
}

int vh_mail_connect(int path_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", path_fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}
