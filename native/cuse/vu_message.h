/*
 * vhost-user messages over a socket, as the front end sends them (vhost-user protocol, "Front-end message
 * types"). Waits for the back end, but never longer than its patience for one message.
 */
#ifndef VH_CUSE_VU_MESSAGE_H
#define VH_CUSE_VU_MESSAGE_H

#include "port.h"

/* A client of the device waits this long at most for one answer; QEMU stands still meanwhile. */
#define VH_CUSE_PATIENCE_MS 2000
/* One whose guest is only starting waits as long as the launcher does: nothing runs yet that could stand
 * still. */
#define VH_CUSE_FIRST_PATIENCE_MS 10000

/* Messages used here. */
enum vh_cuse_request {
	VH_CUSE_GET_FEATURES = 1,
	VH_CUSE_SET_FEATURES = 2,
	VH_CUSE_SET_OWNER = 3,
	VH_CUSE_SET_MEM_TABLE = 5,
	VH_CUSE_SET_LOG_BASE = 6,
	VH_CUSE_SET_VRING_NUM = 8,
	VH_CUSE_SET_VRING_ADDR = 9,
	VH_CUSE_SET_VRING_BASE = 10,
	VH_CUSE_GET_VRING_BASE = 11,
	VH_CUSE_SET_VRING_KICK = 12,
	VH_CUSE_SET_VRING_CALL = 13,
	VH_CUSE_GET_PROTOCOL_FEATURES = 15,
	VH_CUSE_SET_PROTOCOL_FEATURES = 16,
	VH_CUSE_GET_QUEUE_NUM = 17,
	VH_CUSE_SET_VRING_ENABLE = 18,
};

/* In the payload of SET_VRING_KICK and SET_VRING_CALL: no descriptor comes. */
#define VH_CUSE_NO_FD (1U << 8)

struct vh_cuse_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint64_t size, offset;
		} log;
		struct {
			uint32_t n, padding;
			struct {
				uint64_t gpa, size, user, offset;
			} region[VH_CUSE_SHARED];
		} memory;
	};
} __attribute__((packed));

#define VH_CUSE_HEADER 12U
#define VH_CUSE_VERSION 1U
#define VH_CUSE_REPLY (1U << 2)
#define VH_CUSE_NEED_REPLY (1U << 3)

/* Connects to a UNIX socket, which waits for VH_CUSE_PATIENCE_MS. Return: the descriptor or a negative errno.
 */
int vh_cuse_wire_connect(const char *path);

/* How long a socket waits from now on, for each message. Return: 0 or a negative errno. */
int vh_cuse_wire_patience(int socket, uint32_t ms);

/* Sends a message (request and size set) with n descriptors, which stay the caller's. Return: 0 or -errno. */
int vh_cuse_wire_send(int socket, struct vh_cuse_msg *msg, const int *fds, uint32_t n);

/* Reads the answer to `request` over *msg. Return: 0 or -errno; -EPROTO where it is none. */
int vh_cuse_wire_answer(int socket, struct vh_cuse_msg *msg, uint32_t request);

#endif
