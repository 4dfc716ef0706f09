#include "msg_filter.h"
#include "foreign_fd.h"
#include "memfd_check.h"
#include "../../virtio/dirty_log.h"
#include "../../virtio/virtq.h"

#include <string.h>
#include <sys/socket.h>

/* What a message carries; the size is exact but for MEMORY, which depends on the number of regions. */
enum payload {
	NONE,
	U64,
	U64_RING, /* bits 0-7: ring index, bit 8: no descriptor comes */
	STATE,
	STATE_RING,
	ADDR_RING,
	LOG,
	IOTLB,
	MEMORY,
};

enum fds {
	NO_FDS,
	ONE,
	ONE_EVENT,   /* an eventfd */
	ONE_OR_NOFD, /* an eventfd, or none when the payload says so */
	PER_REGION,
};

struct rule {
	const char *name; /* NULL: no such message */
	enum payload payload;
	enum fds fds;
	bool quiesce;
	bool reply; /* the library always answers */
	bool offered;
};

#define YES true
#define NO false

/* One row per message of the protocol: name, payload, descriptors, quiesce?, answered?, offered? */
static const struct rule rules[] = {
	[1] = {"GET_FEATURES", NONE, NO_FDS, NO, YES, YES},
	[2] = {"SET_FEATURES", U64, NO_FDS, YES, NO, YES},
	[3] = {"SET_OWNER", NONE, NO_FDS, NO, NO, YES},
	[4] = {"RESET_OWNER", NONE, NO_FDS, YES, NO, YES},
	[5] = {"SET_MEM_TABLE", MEMORY, PER_REGION, YES, NO, YES},
	[6] = {"SET_LOG_BASE", LOG, ONE, YES, YES, YES},
	/* To be told that something was logged; librte_vhost closes it, and no front end waits for that. */
	[7] = {"SET_LOG_FD", NONE, ONE_EVENT, NO, NO, YES},
	[8] = {"SET_VRING_NUM", STATE_RING, NO_FDS, YES, NO, YES},
	[9] = {"SET_VRING_ADDR", ADDR_RING, NO_FDS, YES, NO, YES},
	[10] = {"SET_VRING_BASE", STATE_RING, NO_FDS, YES, NO, YES},
	[11] = {"GET_VRING_BASE", STATE_RING, NO_FDS, YES, YES, YES},
	[12] = {"SET_VRING_KICK", U64_RING, ONE_OR_NOFD, YES, NO, YES},
	[13] = {"SET_VRING_CALL", U64_RING, ONE_OR_NOFD, YES, NO, YES},
	[14] = {"SET_VRING_ERR", U64_RING, ONE_OR_NOFD, NO, NO, YES},
	[15] = {"GET_PROTOCOL_FEATURES", NONE, NO_FDS, NO, YES, YES},
	[16] = {"SET_PROTOCOL_FEATURES", U64, NO_FDS, NO, NO, YES},
	[17] = {"GET_QUEUE_NUM", NONE, NO_FDS, NO, YES, YES},
	[18] = {"SET_VRING_ENABLE", STATE_RING, NO_FDS, YES, NO, YES},
	[19] = {"SEND_RARP", U64, NO_FDS, YES, NO, YES},
	[20] = {"NET_SET_MTU", U64, NO_FDS, NO, NO, NO},
	[21] = {"SET_BACKEND_REQ_FD", NONE, ONE, YES, NO, YES},
	[22] = {"IOTLB_MSG", IOTLB, NO_FDS, NO, NO, YES},
	[23] = {"SET_VRING_ENDIAN", STATE, NO_FDS, NO, NO, NO},
	[24] = {"GET_CONFIG", NONE, NO_FDS, NO, NO, NO},
	[25] = {"SET_CONFIG", NONE, NO_FDS, NO, NO, NO},
	[26] = {"CREATE_CRYPTO_SESSION", NONE, NO_FDS, NO, NO, NO},
	[27] = {"CLOSE_CRYPTO_SESSION", NONE, NO_FDS, NO, NO, NO},
	[28] = {"POSTCOPY_ADVISE", NONE, NO_FDS, NO, NO, NO},
	[29] = {"POSTCOPY_LISTEN", NONE, NO_FDS, NO, NO, NO},
	[30] = {"POSTCOPY_END", NONE, NO_FDS, NO, NO, NO},
	[31] = {"GET_INFLIGHT_FD", NONE, NO_FDS, NO, NO, NO},
	[32] = {"SET_INFLIGHT_FD", NONE, NO_FDS, NO, NO, NO},
	[39] = {"SET_STATUS", U64, NO_FDS, NO, NO, NO},
	[40] = {"GET_STATUS", NONE, NO_FDS, NO, NO, NO},
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

bool vh_gate_replies(const struct vh_vhu_msg *msg)
{
	const struct rule *r = rule_of(msg->request);

	return (msg->flags & VH_VHU_NEED_REPLY) != 0 || (r != NULL && r->reply);
}

bool vh_gate_quiesces(uint32_t request)
{
	const struct rule *r = rule_of(request);

	/* One that the table does not know never gets this far; if it did, quiet is the safe side. */
	return r == NULL || r->quiesce;
}

void vh_gate_open(struct vh_gate *g, uint32_t rings, uint64_t features, uint64_t protocol_features)
{
	*g = (struct vh_gate){.rings = rings, .offered = features, .offered_protocol = protocol_features};
}

const char *vh_gate_check_header(const struct vh_vhu_msg *msg)
{
	static const uint32_t sizes[] = {[NONE] = 0,
		[U64] = sizeof(msg->u64),
		[U64_RING] = sizeof(msg->u64),
		[STATE] = sizeof(msg->state),
		[STATE_RING] = sizeof(msg->state),
		[ADDR_RING] = sizeof(msg->addr),
		[LOG] = sizeof(msg->log),
		[IOTLB] = sizeof(msg->iotlb)};
	const struct rule *r = rule_of(msg->request);
	uint32_t table = msg->size - 8; /* wraps to a huge value for what is too short */

	if (r == NULL || !r->offered)
		return "this switch does not offer it";
	/* Version 1, no reply, and nothing that has no meaning. */
	if ((msg->flags & ~VH_VHU_NEED_REPLY) != VH_VHU_VERSION)
		return "its flags are wrong";
	if (r->payload != MEMORY)
		return msg->size == sizes[r->payload] ? NULL : "its size is wrong";
	if (table > sizeof(msg->memory.region) || table % sizeof(struct vh_vhu_region) != 0)
		return "its size is wrong";
	return NULL;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* n > 0 regions, each with its descriptor. */
static const char *check_memory(const struct vh_vhu_msg *m, const int *fds)
{
	uint64_t mapped = 0;

	if (m->memory.n == 0 || m->size != 8 + m->memory.n * sizeof(struct vh_vhu_region))
		return "it does not hold the regions that it announces";
	for (uint32_t i = 0; i < m->memory.n; i++) {
		const struct vh_vhu_region *r = &m->memory.region[i];
		const char *why;

		if (r->size == 0 || r->gpa + r->size < r->gpa || r->user_addr + r->size < r->user_addr ||
			r->mmap_offset + r->size < r->mmap_offset)
			return "a region is empty or wraps round";
		for (uint32_t k = 0; k < i; k++) {
			const struct vh_vhu_region *o = &m->memory.region[k];

			if (overlap(r->gpa, r->size, o->gpa, o->size) ||
				overlap(r->user_addr, r->size, o->user_addr, o->size))
				return "two regions overlap";
		}
		/* librte_vhost maps from the file's beginning. */
		if (r->mmap_offset + r->size > VH_VHU_MAX_MAPPED - mapped)
			return "it maps more than 8 TiB";
		mapped += r->mmap_offset + r->size;
		why = vh_memfile_check(fds[i], r->mmap_offset + r->size);
		if (why != NULL)
			return why;
	}
	return NULL;
}

/* Whether [addr, addr + len) lies in one region, in the front end's own addresses. */
static bool in_memory(const struct vh_gate *g, uint64_t addr, uint64_t len)
{
	for (uint32_t i = 0; i < g->regions; i++) {
		uint64_t offset = addr - g->region[i].user_addr;

		if (offset < g->region[i].size && len <= g->region[i].size - offset)
			return true;
	}
	return false;
}

/* Whether addresses are I/O virtual ones (session_iommu.h). */
static bool has_iommu(const struct vh_gate *g)
{
	return (g->features & VH_F_ACCESS_PLATFORM) != 0 && g->channel;
}

static bool any_placed(const struct vh_gate *g)
{
	for (uint32_t i = 0; i < g->rings; i++)
		if (g->ring[i].placed)
			return true;
	return false;
}

/* A socket, so that nothing that is written there reaches anything else, or waits. */
static const char *check_channel(const struct vh_gate *g, int fd)
{
	int domain = -1, type = -1;
	socklen_t n = sizeof(domain);

	if ((g->protocol & VH_VHU_F_BACKEND_REQ) == 0)
		return "it comes without BACKEND_REQ";
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) != 0 || domain != AF_UNIX ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_STREAM)
		return "its descriptor is no UNIX stream socket";
	if ((g->features & VH_F_ACCESS_PLATFORM) != 0 && !g->channel && any_placed(g))
		return "it comes after rings whose addresses were taken for those of a guest without an "
		       "IOMMU";
	return NULL;
}

static const char *check_iotlb(const struct vh_gate *g, const struct vh_vhu_iotlb *m)
{
	if (!has_iommu(g))
		return "it comes without ACCESS_PLATFORM, or without a channel for questions";
	/* From 0 on, size 0 is everything: 64 bits cannot say it otherwise. */
	if (m->type == VH_VHU_IOTLB_INVALIDATE && m->iova == 0 && m->size == 0)
		return NULL;
	if (m->size == 0 || m->iova + (m->size - 1) < m->iova)
		return "its range is empty or wraps round";
	if (m->type == VH_VHU_IOTLB_INVALIDATE)
		return NULL;
	if (m->type != VH_VHU_IOTLB_UPDATE)
		return "it is neither an update nor an invalidation";
	if (m->user + (m->size - 1) < m->user)
		return "its range is empty or wraps round";
	return m->access == 0 || m->access > 3 ? "it permits nothing that there is" : NULL;
}

static const char *check_addr(const struct vh_gate *g, const struct vh_vhu_addr *a)
{
	uint64_t size = g->ring[a->index].size;
	uint64_t event = (g->features & VH_F_EVENT_IDX) != 0 ? sizeof(uint16_t) : 0;
	uint64_t avail = sizeof(struct vh_avail) + size * sizeof(uint16_t) + event;
	uint64_t used = sizeof(struct vh_used) + size * sizeof(struct vh_used_elem) + event;

	if (g->regions == 0)
		return "it comes before SET_MEM_TABLE";
	if (size == 0)
		return "it comes before SET_VRING_NUM";
	if ((a->flags & ~VH_VHU_VRING_LOG) != 0)
		return "its flags are unknown";
	if (a->flags != 0 && (g->offered & VH_F_LOG_ALL) == 0)
		return "it asks for logging, which is not offered";
	if ((g->features & VH_F_RING_PACKED) != 0)
		avail = used = sizeof(struct vh_packed_event);
	if (a->desc % 16 != 0 || a->avail % 2 != 0 || a->used % 4 != 0)
		return "a part of the ring is not aligned";
	if (has_iommu(g))
		return a->desc + size * sizeof(struct vh_desc) < a->desc || a->avail + avail < a->avail ||
				       a->used + used < a->used
			       ? "a part of the ring wraps round"
			       : NULL;
	if (!in_memory(g, a->desc, size * sizeof(struct vh_desc)) || !in_memory(g, a->avail, avail) ||
		!in_memory(g, a->used, used))
		return "a part of the ring lies outside the memory table";
	return NULL;
}

static const char *check_num(const struct vh_gate *g, uint32_t size)
{
	if (size == 0 || size > VH_MAX_QUEUE_SIZE)
		return "a ring has 1 to 32768 entries";
	if ((g->features & VH_F_RING_PACKED) == 0 && (size & (size - 1)) != 0)
		return "a split ring has a power of two of entries";
	return NULL;
}

static const char *check_base(const struct vh_gate *g, uint32_t index, uint32_t base)
{
	if ((g->features & VH_F_RING_PACKED) == 0)
		return base > UINT16_MAX ? "a position in a split ring has 16 bits" : NULL;
	/* Packed: available and used position, each with its wrap counter on top. */
	if (g->ring[index].size != 0 &&
		((base & 0x7fff) >= g->ring[index].size || (base >> 16 & 0x7fff) >= g->ring[index].size))
		return "a position lies outside the ring";
	return NULL;
}

/* How much of the file it may be, and whether it is enough for the guest's memory. */
static const char *check_log(const struct vh_gate *g, const struct vh_vhu_msg *m, int fd)
{
	struct vh_dirty_log log = {.bytes = m->log.size};

	if ((g->protocol & VH_VHU_F_LOG_SHMFD) == 0)
		return "it comes without LOG_SHMFD";
	if (m->log.size == 0 || m->log.size > VH_VHU_MAX_LOG || m->log.offset > VH_VHU_MAX_LOG - m->log.size)
		return "the log is empty, or longer than any guest needs";
	for (uint32_t i = 0; i < g->regions; i++)
		if (!vh_log_covers(&log, g->region[i].gpa, g->region[i].size))
			return "the log is too short for the memory table";
	return vh_memfile_check(fd, m->log.offset + m->log.size);
}

static const char *check_features(const struct vh_gate *g, uint64_t wanted)
{
	if ((wanted & ~g->offered) != 0)
		return "it takes features that were not offered";
	if ((wanted & VH_F_RING_PACKED) != 0 && (wanted & VH_F_VERSION_1) == 0)
		return "packed rings need VERSION_1";
	if ((wanted & VH_F_LOG_ALL) != 0 && (g->protocol & VH_VHU_F_LOG_SHMFD) == 0)
		return "logging needs LOG_SHMFD";
	/* Rings that run are read by the features that they were set up with. */
	for (uint32_t i = 0; i < g->rings; i++)
		if (g->ring[i].started && ((wanted ^ g->features) & ~VH_F_LOG_ALL) != 0)
			return "the features change while a ring runs";
	if (((wanted ^ g->features) & VH_F_ACCESS_PLATFORM) != 0 && any_placed(g))
		return "it changes what the addresses of rings mean that are set up";
	return NULL;
}

/* The number of descriptors, by the table. */
static const char *check_fds(const struct rule *r, const struct vh_vhu_msg *m, const int *fds, uint32_t n)
{
	uint32_t expected = 0;

	if (r->fds == ONE || r->fds == ONE_EVENT)
		expected = 1;
	else if (r->fds == ONE_OR_NOFD)
		expected = (m->u64 & 1U << 8) != 0 ? 0 : 1;
	else if (r->fds == PER_REGION)
		expected = m->memory.n;
	if (n != expected)
		return "it comes with the wrong number of descriptors";
	/* Whoever writes to anything else, or closes it, may have to wait. */
	return n == 1 && (r->fds == ONE_OR_NOFD || r->fds == ONE_EVENT) && !vh_foreign_is_eventfd(fds[0])
		       ? "its descriptor is no eventfd"
		       : NULL;
}

/* The ring number, where the message has one, or UINT64_MAX. */
static uint64_t ring_of(const struct rule *r, const struct vh_vhu_msg *m)
{
	if (r->payload == U64_RING)
		return m->u64 & ~(1ULL << 8);
	if (r->payload == STATE_RING || r->payload == ADDR_RING)
		return m->state.index;
	return UINT64_MAX;
}

uint32_t vh_gate_ring(const struct vh_vhu_msg *msg)
{
	const struct rule *r = rule_of(msg->request);

	return r == NULL ? VH_VHU_ALL_RINGS : (uint32_t)ring_of(r, msg);
}

static const char *check_ring(const struct vh_gate *g, const struct rule *r, const struct vh_vhu_msg *m)
{
	uint64_t ring = ring_of(r, m);

	return ring == UINT64_MAX || ring < g->rings
		       ? NULL
		       : "the port has no such ring: the guest has more queues than it";
}

/* What the message says, given what was said before. */
static const char *check_content(const struct vh_gate *g, const struct vh_vhu_msg *m, const int *fds)
{
	switch (m->request) {
	case 2:
		return check_features(g, m->u64);
	case 16:
		return (m->u64 & ~g->offered_protocol) != 0 ? "it takes features that were not offered"
							    : NULL;
	case 5:
		return check_memory(m, fds);
	case 6:
		return check_log(g, m, fds[0]);
	case 8:
		/* The features say what kind of ring it is; before them all would be taken for split. */
		return !g->features_set ? "it comes before SET_FEATURES" : check_num(g, m->state.num);
	case 9:
		return !g->features_set ? "it comes before SET_FEATURES" : check_addr(g, &m->addr);
	case 10:
		return !g->features_set ? "it comes before SET_FEATURES"
					: check_base(g, m->state.index, m->state.num);
	case 12:
		return !g->ring[m->u64 & 0xff].placed ? "it comes before SET_VRING_ADDR" : NULL;
	case 19:
		return (g->protocol & VH_VHU_F_RARP) == 0 ? "it comes without RARP" : NULL;
	case 21:
		return check_channel(g, fds[0]);
	case 22:
		return check_iotlb(g, &m->iotlb);
	case 18:
		return m->state.num > 1 ? "a ring is enabled (1) or not (0)" : NULL;
	default:
		return NULL;
	}
}

/* A message that passed changes what is known. */
static void note(struct vh_gate *g, const struct vh_vhu_msg *m)
{
	switch (m->request) {
	case 2:
		g->features = m->u64;
		g->features_set = true;
		break;
	case 16:
		g->protocol = m->u64;
		break;
	case 4:
		vh_gate_open(g, g->rings, g->offered, g->offered_protocol);
		break;
	case 5:
		g->regions = m->memory.n;
		memcpy(g->region, m->memory.region, m->memory.n * sizeof(g->region[0]));
		break;
	case 8:
		/* Addresses were checked for the old size. */
		if (g->ring[m->state.index].size != m->state.num)
			g->ring[m->state.index].placed = false;
		g->ring[m->state.index].size = (uint16_t)m->state.num;
		break;
	case 9:
		g->ring[m->addr.index].placed = true;
		break;
	case 21:
		g->channel = true;
		break;
	case 11:
		/* The library forgets the addresses of a ring that is stopped. */
		g->ring[m->state.index].placed = g->ring[m->state.index].started = false;
		break;
	case 12:
		g->ring[m->u64 & 0xff].started = true;
		break;
	default:
		break;
	}
}

const char *vh_gate_check(struct vh_gate *g, const struct vh_vhu_msg *msg, const int *fds, uint32_t n)
{
	const struct rule *r = rule_of(msg->request);
	const char *why = vh_gate_check_header(msg);

	if (why == NULL)
		why = check_fds(r, msg, fds, n);
	if (why == NULL)
		why = check_ring(g, r, msg);
	if (why == NULL)
		why = check_content(g, msg, fds);
	if (why == NULL)
		note(g, msg);
	return why;
}
