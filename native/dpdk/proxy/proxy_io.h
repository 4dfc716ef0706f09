/* Internal to the relay: messages and descriptors over sockets, never waiting. */
#ifndef VH_DPDK_PROXY_PROXY_IO_H
#define VH_DPDK_PROXY_PROXY_IO_H

#include "msg_filter.h"

/* A message on its way in. */
struct vh_mail {
	struct vh_vhu_msg msg;
	uint32_t have; /* bytes of it */
	int fds[VH_VHU_MAX_FDS];
	uint32_t n_fds; /* open ones, ours to close */
	uint16_t port;	/* whose front end sent it */
};

enum vh_mail_state {
	VH_MAIL_PARTIAL, /* nothing more to read for now */
	VH_MAIL_WHOLE,
	VH_MAIL_ENDED, /* the other side has closed */
	VH_MAIL_BAD,   /* *why says what is wrong */
};

/* Closes what the message brought and makes room for the next one. */
void vh_mail_drop(struct vh_mail *mail);

/* Reads on until a whole message is there. check: whether its header is to be checked (msg_filter.h). */
enum vh_mail_state vh_mail_read(int fd, struct vh_mail *mail, bool check, const char **why);

/*
 * Sends the whole message with its descriptors, or nothing. Return: 0, -EAGAIN when there is no room now, or
 * another negative errno.
 */
int vh_mail_send(int fd, const struct vh_mail *mail);

/* Connects to the socket behind an O_PATH descriptor. Return: a non-blocking socket, or a negative errno. */
int vh_mail_connect(int path_fd);

#endif
