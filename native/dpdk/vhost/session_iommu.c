#include "session_iommu.h"
#include "../proxy/proxy.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <rte_vhost.h>

static void ask(void *context)
{
	(void)context;
	vh_relay_ask();
}

int vh_session_iommu_init(struct vh_session_iommu *m, const struct vh_guest_mem *mem, uint32_t rings)
{
	m->iotlb = calloc(1, sizeof(*m->iotlb));
	m->pieces = calloc(rings, sizeof(*m->pieces));
	if (m->iotlb == NULL || m->pieces == NULL) {
		vh_session_iommu_free(m);
		return -ENOMEM;
	}
	vh_iotlb_init(m->iotlb, ask, NULL);
	m->space.iotlb = m->iotlb;
	m->space.behind = mem;
	return 0;
}

void vh_session_iommu_free(struct vh_session_iommu *m)
{
	free(m->iotlb);
	free(m->pieces);
	m->iotlb = NULL;
	m->pieces = NULL;
}

void vh_session_iommu_forget(struct vh_session_iommu *m)
{
	vh_iotlb_clear(m->iotlb);
	m->channel = m->taken = false;
	m->regions = 0;
	memset(m->ring, 0, sizeof(m->ring));
}

/* Where a ring's parts may stand for the library to look at: the largest region, from its first aligned
 * address on. */
struct placeholder {
	uint64_t user;
	const uint8_t *p;
	uint64_t room; /* bytes; the front end chose the region, which may have none */
};

static struct placeholder placeholder(const struct vh_session_iommu *m)
{
	uint32_t largest = 0;
	uint64_t skip, size;

	for (uint32_t i = 1; i < m->regions; i++)
		if (m->region[i].size > m->region[largest].size)
			largest = i;
	skip = -m->region[largest].user % 16;
	size = m->region[largest].size;
	return (struct placeholder){.user = m->region[largest].user + skip,
		.p = m->region[largest].p + skip,
		.room = size > skip ? size - skip : 0};
}

/* The library takes a ring's position from the used index where it finds another one there, and says so. */
static void agree(const struct vh_session_iommu *m, int vid, uint32_t ring)
{
	struct placeholder place;
	uint16_t idx;

	if (m->regions == 0)
		return;
	place = placeholder(m);
	/* Where there is no room the library takes no ring either. */
	if (place.room < sizeof(struct vh_used))
		return;
	/* Byte by byte: an address that is aligned for the front end need not be so here. */
	memcpy(&idx, place.p + offsetof(struct vh_used, idx), sizeof(idx));
	rte_vhost_set_vring_base(vid, (uint16_t)ring, idx, idx);
}

static void note_addr(struct vh_session_iommu *m, int vid, struct vh_vhu_addr *a)
{
	m->ring[a->index].desc = a->desc;
	m->ring[a->index].avail = a->avail;
	m->ring[a->index].used = a->used;
	m->ring[a->index].fresh = true;
	if (m->regions == 0)
		return;
	a->desc = a->avail = a->used = placeholder(m).user;
	agree(m, vid, a->index);
}

/* As the library keeps positions: packed ones hold the wrap counter. */
static void note_base(struct vh_session_iommu *m, uint32_t ring, uint32_t base)
{
	m->ring[ring].last_avail = m->ring[ring].last_used = (uint16_t)base;
}

void vh_session_iommu_note(struct vh_session_iommu *m, int vid, struct vh_vhu_msg *msg)
{
	uint32_t ring = msg->state.index;

	switch (msg->request) {
	case VH_VHU_SET_FEATURES:
		m->taken = (msg->u64 & VH_F_ACCESS_PLATFORM) != 0;
		msg->u64 &= ~VH_F_ACCESS_PLATFORM;
		/* Nobody takes back what was said to a device before it was started anew. */
		vh_iotlb_clear(m->iotlb);
		return;
	case VH_VHU_SET_BACKEND_REQ_FD:
		m->channel = true;
		return;
	case VH_VHU_SET_MEM_TABLE:
		vh_iotlb_clear(m->iotlb);
		m->regions = 0;
		return;
	case VH_VHU_RESET_OWNER:
		vh_session_iommu_forget(m);
		return;
	default:
		break;
	}
	if (!vh_session_iommu_on(m))
		return;
	switch (msg->request) {
	case VH_VHU_SET_VRING_ADDR:
		note_addr(m, vid, &msg->addr);
		break;
	case VH_VHU_SET_VRING_BASE:
		note_base(m, ring, msg->state.num);
		break;
	case VH_VHU_GET_VRING_BASE:
		rte_vhost_set_vring_base(
			vid, (uint16_t)ring, m->ring[ring].last_avail, m->ring[ring].last_used);
		break;
	case VH_VHU_SET_VRING_KICK:
		agree(m, vid, (uint32_t)(msg->u64 & 0xff));
		break;
	case VH_VHU_SET_VRING_ENABLE:
		agree(m, vid, ring);
		break;
	default:
		break;
	}
}

void vh_session_iommu_memory(struct vh_session_iommu *m, int vid)
{
	struct rte_vhost_memory *table = NULL;

	m->regions = 0;
	if (rte_vhost_get_mem_table(vid, &table) != 0 || table == NULL)
		return;
	for (uint32_t i = 0; i < table->nregions && m->regions < VH_MAX_REGIONS; i++) {
		const struct rte_vhost_mem_region *r = &table->regions[i];
		uint32_t at = m->regions++;

		m->region[at].user = r->guest_user_addr;
		m->region[at].size = r->size;
		m->region[at].p = (uint8_t *)(uintptr_t)r->host_user_addr;
	}
	free(table);
}

void vh_session_iommu_update(struct vh_session_iommu *m, const struct vh_vhu_iotlb *u)
{
	uint8_t *p = NULL;

	for (uint32_t i = 0; i < m->regions; i++) {
		uint64_t offset = u->user - m->region[i].user;

		if (offset < m->region[i].size && u->size <= m->region[i].size - offset)
			p = m->region[i].p + offset;
	}
	vh_iotlb_update(m->iotlb, u->iova, u->iova + u->size - 1, p, u->access);
}

/* Bytes of a ring's parts. */
static void part_sizes(uint32_t size, uint64_t features, uint32_t *desc, uint32_t *avail, uint32_t *used)
{
	uint32_t event = (features & VH_F_EVENT_IDX) != 0 ? sizeof(uint16_t) : 0;

	*desc = size * (uint32_t)sizeof(struct vh_desc);
	if ((features & VH_F_RING_PACKED) != 0) {
		*avail = *used = sizeof(struct vh_packed_event);
		return;
	}
	*avail = (uint32_t)sizeof(struct vh_avail) + size * (uint32_t)sizeof(uint16_t) + event;
	*used = (uint32_t)sizeof(struct vh_used) + size * (uint32_t)sizeof(struct vh_used_elem) + event;
}

bool vh_session_iommu_ring_in(const struct vh_session_iommu *m, uint32_t ring, uint32_t size,
	uint64_t features, uint64_t first, uint64_t last)
{
	uint64_t from[3] = {m->ring[ring].desc, m->ring[ring].avail, m->ring[ring].used};
	uint32_t bytes[3];

	part_sizes(size, features, &bytes[0], &bytes[1], &bytes[2]);
	for (int i = 0; i < 3; i++) {
		uint64_t end = from[i] + (bytes[i] - 1);

		/* A size that was said again may reach beyond the last address. */
		if (end < from[i])
			end = UINT64_MAX;
		if (from[i] <= last && end >= first)
			return true;
	}
	return false;
}

/* As the library does: a driver's used index says how far a device has come that forgot it. */
static void trust_used(struct vh_session_iommu *m, uint32_t ring, const struct vh_vq_config *c)
{
	uint16_t idx = __atomic_load_n(&((const struct vh_used *)c->used)->idx, __ATOMIC_RELAXED);

	if ((c->features & VH_F_RING_PACKED) == 0 && m->ring[ring].last_used != idx)
		m->ring[ring].last_avail = m->ring[ring].last_used = idx;
}

enum vh_iotlb_result vh_session_iommu_ring(struct vh_session_iommu *m, uint32_t ring, struct vh_vq_config *c)
{
	const uint64_t from[3] = {m->ring[ring].desc, m->ring[ring].avail, m->ring[ring].used};
	bool packed = (c->features & VH_F_RING_PACKED) != 0;
	const uint8_t access[3] = {
		packed ? VH_IOTLB_READ | VH_IOTLB_WRITE : VH_IOTLB_READ, VH_IOTLB_READ, VH_IOTLB_WRITE};
	enum vh_iotlb_result worst = VH_IOTLB_HIT;
	struct vh_pieces *pieces = &m->pieces[ring];
	bool scattered = false;
	uint8_t *part[3];
	uint32_t bytes[3];

	part_sizes(c->size, c->features, &bytes[0], &bytes[1], &bytes[2]);
	for (int i = 0; i < 3; i++) {
		enum vh_iotlb_result result =
			vh_iotlb_whole(m->iotlb, from[i], bytes[i], access[i], &part[i]);

		/* All three are asked for at once. */
		if (result == VH_IOTLB_SCATTERED)
			scattered = true;
		else if (result > worst)
			worst = result;
	}
	for (int i = 0; scattered && worst == VH_IOTLB_HIT && i < VH_PARTS; i++) {
		worst = vh_pieces_find(pieces, (enum vh_part)i, m->iotlb, from[i], bytes[i], access[i]);
		/* Else a page is missing again that the table has had to forget meanwhile. */
		if (worst == VH_IOTLB_HIT)
			part[i] = vh_pieces_at(pieces, (enum vh_part)i, 0);
	}
	if (worst != VH_IOTLB_HIT)
		return worst;
	c->pieces = scattered ? pieces : NULL;
	c->desc = part[0];
	c->avail = part[1];
	c->used = part[2];
	c->space = &m->space;
	if (m->ring[ring].fresh)
		trust_used(m, ring, c);
	m->ring[ring].fresh = false;
	c->last_avail = m->ring[ring].last_avail;
	c->last_used = m->ring[ring].last_used;
	return VH_IOTLB_HIT;
}

void vh_session_iommu_stood(
	struct vh_session_iommu *m, uint32_t ring, uint16_t last_avail, uint16_t last_used)
{
	m->ring[ring].last_avail = last_avail;
	m->ring[ring].last_used = last_used;
}
