/*
 * The gate in front of librte_vhost: which vhost-user messages pass, and what must be quiet while they act.
 *
 * The library acts on what its front end says; some messages it cannot digest safely (one GET_INFLIGHT_FD
 * with large numbers makes it allocate many gigabytes). Only messages that this switch has a use for pass,
 * after their queue numbers were checked. See the vhost-user protocol, "Front-end message types".
 */
#ifndef VH_DPDK_GATE_H
#define VH_DPDK_GATE_H

#include "../core/defs.h"

#define VH_VHU_MAX_REGIONS 8
#define VH_VHU_GET_QUEUE_NUM 17

struct vh_vhu_region {
	uint64_t gpa, size, user_addr, mmap_offset;
} __attribute__((packed));

/* The message as librte_vhost hands it to the pre- and post-handlers: header and payload as on the wire. */
struct vh_vhu_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t n, padding;
			struct vh_vhu_region region[VH_VHU_MAX_REGIONS];
		} memory;
	};
} __attribute__((packed));

enum vh_gate_verdict {
	VH_GATE_PASS,	 /* nothing that workers use changes */
	VH_GATE_QUIESCE, /* pause the session while the library acts */
	VH_GATE_REFUSE,	 /* end the connection */
};

/* rings: how many the port has. On REFUSE *why says the reason. */
enum vh_gate_verdict vh_gate_check(const struct vh_vhu_msg *msg, uint32_t rings, const char **why);

const char *vh_gate_name(uint32_t request);

#endif
