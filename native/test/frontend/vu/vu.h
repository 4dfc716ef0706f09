/*
 * The front end's side of vhost-user, for tests: every message can be written raw, right or wrong.
 *
 * Nothing here is shared with the switch: sizes and numbers are written down again from the protocol, so that
 * a mistake on one side is not made on the other as well. Waits have deadlines; there are no sleeps.
 */
#ifndef VU_H
#define VU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
};

#define VU_VERSION 1U
#define VU_NEED_REPLY 8U
#define VU_MAX_FDS 8

/* Checksums and TCP segmentation, left to the switch and taken from it. */
#define VU_F_OFFLOADS (1ULL << 0 | 1ULL << 1 | 1ULL << 7 | 1ULL << 8 | 1ULL << 11 | 1ULL << 12)
#define VU_F_MRG_RXBUF (1ULL << 15)
#define VU_F_LOG_ALL (1ULL << 26)
#define VU_F_INDIRECT (1ULL << 28)
#define VU_F_PROTOCOL (1ULL << 30)
#define VU_F_VERSION_1 (1ULL << 32)
#define VU_F_ACCESS_PLATFORM (1ULL << 33)
#define VU_F_PACKED (1ULL << 34)

/* Protocol features. */
#define VU_P_MQ (1ULL << 0)
#define VU_P_REPLY_ACK (1ULL << 3)

struct vu_region {
	uint64_t gpa, size, user, offset;
};

/* A message with room for more than any valid payload. */
struct vu_msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		uint32_t state[2]; /* index, num */
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint64_t size, offset;
		} log;
		struct {
			uint64_t iova, size, user;
			uint8_t access, type, padding[6];
		} iotlb;
		struct {
			uint32_t n, padding;
			struct vu_region region[8];
		} memory;
		uint8_t bytes[1024];
	};
} __attribute__((packed));

/* Monotonic time in nanoseconds. */
uint64_t vu_now(void);

/* Connects, trying again until the deadline: a port that just lost its front end may be shut for a moment.
 * Return: a socket whose reads end after 5 s, or -1. */
int vu_connect(const char *path);

/* Sends header and msg->size bytes (at most sizeof(bytes)) with `n` descriptors. Return: whether it went. */
bool vu_send(int sock, const struct vu_msg *msg, const int *fds, int n);

/* Sends any bytes, with descriptors. */
bool vu_send_bytes(int sock, const void *bytes, size_t size, const int *fds, int n);

/* Reads one reply. Return: whether one came before the socket's timeout. */
bool vu_recv(int sock, struct vu_msg *reply);

/* One message of a kind; *_ack asks for an acknowledgement. Return: whether it went (and was acknowledged).
 */
bool vu_u64(int sock, uint32_t request, uint64_t value);
bool vu_state(int sock, uint32_t request, uint32_t index, uint32_t num);
bool vu_state_ack(int sock, uint32_t request, uint32_t index, uint32_t num);
bool vu_fd(int sock, uint32_t request, uint32_t ring, int fd);

/* Asks. Return: whether there was an answer. */
bool vu_get(int sock, uint32_t request, uint64_t *value);
bool vu_get_base(int sock, uint32_t ring, uint32_t *base);

/* Whether the switch closes the connection within `ms`; replies that come first are thrown away. */
bool vu_closed(int sock, int ms);

#endif
