#include "gate.h"

/* What a message's payload begins with, as far as it concerns the gate. */
enum payload {
	NONE,
	U64,
	U64_RING, /* bits 0-7: ring index */
	STATE_RING,
	MEMORY,
};

struct rule {
	const char *name; /* NULL: no such message */
	enum payload payload;
	bool quiesce;
	bool refuse;
};

static const struct rule rules[] = {
	[1] = {"GET_FEATURES", NONE, false, false},
	[2] = {"SET_FEATURES", U64, true, false},
	[3] = {"SET_OWNER", NONE, false, false},
	[4] = {"RESET_OWNER", NONE, true, false},
	[5] = {"SET_MEM_TABLE", MEMORY, true, false},
	/* Dirty logging is not offered, so nobody has a reason to send these two. */
	[6] = {"SET_LOG_BASE", U64, false, true},
	[7] = {"SET_LOG_FD", NONE, false, true},
	[8] = {"SET_VRING_NUM", STATE_RING, true, false},
	[9] = {"SET_VRING_ADDR", STATE_RING, true, false},
	[10] = {"SET_VRING_BASE", STATE_RING, true, false},
	[11] = {"GET_VRING_BASE", STATE_RING, true, false},
	[12] = {"SET_VRING_KICK", U64_RING, true, false},
	[13] = {"SET_VRING_CALL", U64_RING, true, false},
	[14] = {"SET_VRING_ERR", U64_RING, false, false},
	[15] = {"GET_PROTOCOL_FEATURES", NONE, false, false},
	[16] = {"SET_PROTOCOL_FEATURES", U64, false, false},
	[17] = {"GET_QUEUE_NUM", NONE, false, false},
	[18] = {"SET_VRING_ENABLE", STATE_RING, true, false},
	[19] = {"SEND_RARP", U64, false, true},
	[20] = {"NET_SET_MTU", U64, false, true},
	[21] = {"SET_BACKEND_REQ_FD", NONE, false, true},
	[22] = {"IOTLB_MSG", NONE, false, true},
	[31] = {"GET_INFLIGHT_FD", NONE, false, true},
	[32] = {"SET_INFLIGHT_FD", NONE, false, true},
	[39] = {"SET_STATUS", U64, false, true},
	[40] = {"GET_STATUS", NONE, false, true},
};

static const struct rule *rule_of(uint32_t request)
{
	if (request >= sizeof(rules) / sizeof(rules[0]) || rules[request].name == NULL)
		return NULL;
	return &rules[request];
}

const char *vh_gate_name(uint32_t request)
{
	const struct rule *r = rule_of(request);

	return r != NULL ? r->name : "unknown message";
}

static const char *check_memory(const struct vh_vhu_msg *m)
{
	if (m->memory.n == 0 || m->memory.n > VH_VHU_MAX_REGIONS)
		return "it names no region, or more than 8";
	if (m->size < 8 + m->memory.n * sizeof(struct vh_vhu_region))
		return "it is shorter than its region table";
	for (uint32_t i = 0; i < m->memory.n; i++) {
		const struct vh_vhu_region *r = &m->memory.region[i];

		if (r->size == 0 || r->gpa + r->size < r->gpa || r->user_addr + r->size < r->user_addr ||
			r->mmap_offset + r->size < r->mmap_offset)
			return "a region is empty or wraps round";
		for (uint32_t k = 0; k < i; k++) {
			const struct vh_vhu_region *o = &m->memory.region[k];

			if (r->gpa < o->gpa + o->size && o->gpa < r->gpa + r->size)
				return "two regions overlap";
		}
	}
	return NULL;
}

static const char *check_payload(const struct rule *r, const struct vh_vhu_msg *m, uint32_t rings)
{
	switch (r->payload) {
	case NONE:
		return NULL;
	case U64:
		return m->size < sizeof(m->u64) ? "it is too short" : NULL;
	case U64_RING:
		if (m->size < sizeof(m->u64))
			return "it is too short";
		return (m->u64 & 0xff) >= rings ? "the port has no such ring" : NULL;
	case STATE_RING:
		if (m->size < sizeof(m->state))
			return "it is too short";
		return m->state.index >= rings ? "the port has no such ring" : NULL;
	case MEMORY:
		return check_memory(m);
	}
	return NULL;
}

enum vh_gate_verdict vh_gate_check(const struct vh_vhu_msg *msg, uint32_t rings, const char **why)
{
	const struct rule *r = rule_of(msg->request);

	if (r == NULL || r->refuse) {
		*why = "this switch does not offer it";
		return VH_GATE_REFUSE;
	}
	*why = check_payload(r, msg, rings);
	if (*why != NULL)
		return VH_GATE_REFUSE;
	return r->quiesce ? VH_GATE_QUIESCE : VH_GATE_PASS;
}
