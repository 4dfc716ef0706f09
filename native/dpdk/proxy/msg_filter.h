/*
 * The gate in front of librte_vhost: which vhost-user messages pass.
 *
 * The library acts on what its front end says, and some of it harms everybody (one GET_INFLIGHT_FD with large
 * numbers makes it allocate many gigabytes; a ring number that is too high loses the message's descriptors).
 * So every message is checked here before the library sees it: its header, its exact size, the number of its
 * descriptors, and whether it makes sense after those that came before. What a message may be is one table
 * (msg_filter.c); what came before is struct vh_gate, one per connection, owned by the relay (proxy.h).
 *
 * See the vhost-user protocol, "Front-end message types".
 */
#ifndef VH_DPDK_PROXY_MSG_FILTER_H
#define VH_DPDK_PROXY_MSG_FILTER_H

#include "../../base/defs.h"

#define VH_VHU_MAX_REGIONS 8
#define VH_VHU_MAX_FDS VH_VHU_MAX_REGIONS
#define VH_VHU_HEADER 12U
#define VH_MAX_RINGS (2 * VH_MAX_PAIRS)
/* Bytes a guest's memory may map altogether: a quarter of what a process can address with 47 bits would let
 * four front ends leave nothing to the others; no guest comes near this. */
#define VH_VHU_MAX_MAPPED (1ULL << 43)

/* Bytes of a dirty log and what lies before it in its file: one bit for each page of 52 bits of addresses. */
#define VH_VHU_MAX_LOG (1ULL << 37)

/* VHOST_F_LOG_ALL (linux/vhost.h), and the protocol features that this switch knows. */
#define VH_F_LOG_ALL (1ULL << 26)
#define VH_F_PROTOCOL_FEATURES (1ULL << 30)
#define VH_VHU_F_MQ (1ULL << 0)
#define VH_VHU_F_LOG_SHMFD (1ULL << 1)
#define VH_VHU_F_RARP (1ULL << 2)
#define VH_VHU_F_REPLY_ACK (1ULL << 3)
#define VH_VHU_F_BACKEND_REQ (1ULL << 5)
/* Of vh_vhu_addr.flags: VHOST_VRING_F_LOG. */
#define VH_VHU_VRING_LOG 1U

/* Messages that other files need to know by number. */
#define VH_VHU_GET_FEATURES 1
#define VH_VHU_SET_FEATURES 2
#define VH_VHU_SET_OWNER 3
#define VH_VHU_RESET_OWNER 4
#define VH_VHU_SET_MEM_TABLE 5
#define VH_VHU_SET_LOG_BASE 6
#define VH_VHU_SET_VRING_NUM 8
#define VH_VHU_SET_VRING_ADDR 9
#define VH_VHU_SET_VRING_BASE 10
#define VH_VHU_GET_VRING_BASE 11
#define VH_VHU_SET_VRING_KICK 12
#define VH_VHU_GET_QUEUE_NUM 17
#define VH_VHU_SET_VRING_ENABLE 18
#define VH_VHU_SEND_RARP 19
#define VH_VHU_SET_BACKEND_REQ_FD 21
#define VH_VHU_IOTLB_MSG 22
/* Of those that the back end sends: IOTLB_MSG. */
#define VH_VHU_BACKEND_IOTLB_MSG 1

/* Of vh_vhu_iotlb.type. */
#define VH_VHU_IOTLB_MISS 1
#define VH_VHU_IOTLB_UPDATE 2
#define VH_VHU_IOTLB_INVALIDATE 3

/* Bits of the header's flags. */
#define VH_VHU_VERSION 1U
#define VH_VHU_REPLY (1U << 2)
#define VH_VHU_NEED_REPLY (1U << 3)

struct vh_vhu_region {
	uint64_t gpa, size, user_addr, mmap_offset;
} __attribute__((packed));

struct vh_vhu_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
} __attribute__((packed));

/* struct vhost_iotlb_msg of linux/vhost_types.h. */
struct vh_vhu_iotlb {
	uint64_t iova, size, user; /* user: of an update, in the front end's own addresses */
	uint8_t access;		   /* VH_IOTLB_READ, VH_IOTLB_WRITE or both */
	uint8_t type;
	uint8_t padding[6];
} __attribute__((packed));

/* The message as on the wire, and as librte_vhost hands it to its pre- and post-handlers. */
struct vh_vhu_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of what follows */
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct vh_vhu_addr addr;
		struct vh_vhu_iotlb iotlb;
		struct {
			uint64_t size, offset;
		} log;
		struct {
			uint32_t n, padding;
			struct vh_vhu_region region[VH_VHU_MAX_REGIONS];
		} memory;
	};
} __attribute__((packed));

/* What one connection has said so far. */
struct vh_gate {
	uint32_t rings; /* the port's */
	uint64_t offered, offered_protocol;
	uint64_t features, protocol;
	bool features_set;
	bool channel;	  /* has said how it can be asked */
	uint32_t regions; /* 0: no memory table yet */
	struct vh_vhu_region region[VH_VHU_MAX_REGIONS];
	struct {
		uint16_t size; /* 0: none yet */
		bool placed;   /* has addresses */
		bool started;  /* from its kick descriptor to GET_VRING_BASE */
	} ring[VH_MAX_RINGS];
};

/* A connection begins: rings <= VH_MAX_RINGS and the feature bits that the port offers. */
void vh_gate_open(struct vh_gate *g, uint32_t rings, uint64_t features, uint64_t protocol_features);

/* Return: NULL when a message with this header may be followed by its payload, or why not. */
const char *vh_gate_check_header(const struct vh_vhu_msg *msg);

/*
 * Checks a complete message with the `n` descriptors that came with it (looked at, neither kept nor closed)
 * and, when it passes, notes what it says. Return: NULL when it passes, or the reason to end the connection.
 */
const char *vh_gate_check(struct vh_gate *g, const struct vh_vhu_msg *msg, const int *fds, uint32_t n);

/* Whether librte_vhost answers this message. */
bool vh_gate_replies(const struct vh_vhu_msg *msg);

/* The ring that a message which passed is about, or VH_VHU_ALL_RINGS. */
#define VH_VHU_ALL_RINGS UINT32_MAX
uint32_t vh_gate_ring(const struct vh_vhu_msg *msg);

/* Whether rings, memory or descriptors may move while the library acts on this message. */
bool vh_gate_quiesces(uint32_t request);

/* For messages to people. Return: never NULL. */
const char *vh_gate_name(uint32_t request);

#endif
