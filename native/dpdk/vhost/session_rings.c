#include "session_rings.h"
#include "../runtime/callfd_guard.h"
#include "../uplink/zc_tx.h"
#include "../runtime/events.h"
#include "../uplink/zc_rx.h"
#include "../proxy/foreign_fd.h"
#include "../uplink/guest_dma.h"
#include "../runtime/sigbus.h"
#include "../runtime/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_vhost.h>

/* Tells the ring's worker that kicks for it come, or do not come any more. */
static void watch(struct vh_ring *r)
{
	/* Nobody kicks when a card has sent something. */
	if (vh_direct_is_on())
		vh_workers_unkicked(r->worker, 1);
	r->watched = r->kick_fd >= 0 && vh_workers_watch(r->worker, r->kick_fd) == 0;
	if (!r->watched)
		vh_workers_unkicked(r->worker, 1);
}

static void unwatch(struct vh_ring *r)
{
	if (vh_direct_is_on())
		vh_workers_unkicked(r->worker, -1);
	if (r->watched)
		vh_workers_unwatch(r->worker, r->kick_fd);
	else
		vh_workers_unkicked(r->worker, -1);
	r->watched = false;
}

static void forget_fds(struct vh_ring *r)
{
	if (r->kick_fd >= 0)
		close(r->kick_fd);
	vh_call_guard_remove(r->line);
	r->line = NULL;
	if (r->call_fd >= 0)
		close(r->call_fd);
	r->kick_fd = r->call_fd = -1;
}

/* The receive queues that take frames, but for those in [first, first + n). Return: how many stay. */
static uint16_t steer(struct vh_session *s, uint32_t first, uint32_t n)
{
	uint8_t queues[VH_MAX_PAIRS];
	uint16_t live = 0;

	for (uint16_t pair = 0; pair < s->port->pairs; pair++)
		if (s->ring[2U * pair].use == VH_RING_SERVED && 2U * pair - first >= n)
			queues[live++] = (uint8_t)pair;
	vh_port_steer(s->port, queues, live);
	return live;
}

/* Whether one of these rings is served; of receive rings alone, or of any. */
static bool serves(const struct vh_session *s, uint32_t first, uint32_t n, bool receive_only)
{
	for (uint32_t i = first; i < first + n; i++)
		if (s->ring[i].use == VH_RING_SERVED && !(receive_only && vh_ring_is_tx(i)))
			return true;
	return false;
}

/* Ends what queues that were live have at cards, so that their guest may do what it likes from now on. */
static void take_back(struct vh_session *s, uint32_t first, uint32_t n)
{
	uint64_t deadline = vh_direct_deadline();

	for (uint32_t i = first; i < first + n; i++) {
		if (s->ring[i].use != VH_RING_SERVED || !vh_ring_is_tx(i))
			continue;
		vh_switch_flush(s->sw, s->port, (uint16_t)(i / 2));
		vh_direct_end(vh_ring_queue(s, i), &s->port->counters[VH_CONTROL_COUNTERS], deadline);
	}
	/* Last: it sends by the queue in which the others' frames are. */
	vh_feed_end(s->port->id, true);
}

/* Hands an idle queue's position back to librte_vhost. */
static void let_go(struct vh_session *s, uint32_t i)
{
	struct vh_ring *r = &s->ring[i];
	uint16_t avail, used;

	if (r->use == VH_RING_IDLE)
		return;
	vh_vq_positions(vh_ring_queue(s, i), &avail, &used);
	rte_vhost_set_vring_base(s->vid, (uint16_t)i, avail, used);
	vh_session_iommu_stood(&s->iommu, i, avail, used);
	s->iommu.ring[i].suspended = false;
	if (r->use == VH_RING_SERVED && vh_ring_is_tx(i))
		unwatch(r);
	forget_fds(r);
	r->use = VH_RING_IDLE;
}

void vh_rings_pause(struct vh_session *s, uint32_t ring)
{
	/* What a card has of a guest is its memory's affair: there all queues stop together. */
	bool all = ring == VH_VHU_ALL_RINGS || vh_direct_is_on();
	uint32_t first = all ? 0 : ring, n = all ? 2U * s->port->pairs : 1;

	if (serves(s, first, n, true)) {
		/* Frames that were meant for this queue find it alive; from then on they go to the others. */
		if (steer(s, first, n) > 0)
			vh_workers_sync();
	}
	if (serves(s, first, n, false)) {
		for (uint32_t i = first; i < first + n; i++)
			vh_vq_stop(vh_ring_queue(s, i));
		vh_feed_stop(s->port->id);
		vh_workers_sync();
		take_back(s, first, n);
	}
	for (uint32_t i = first; i < first + n; i++)
		let_go(s, i);
}

/* The gate has let only eventfds pass. Return: our own non-blocking duplicate, or -1. */
static int duplicate_eventfd(int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy >= 0 && vh_foreign_is_eventfd(copy) && fcntl(copy, F_SETFL, O_RDWR | O_NONBLOCK) == 0)
		return copy;
	if (copy >= 0)
		close(copy);
	return -1;
}

/* Takes the guest's memory as the library has mapped it. Return: whether there is any. */
static bool refresh_memory(struct vh_session *s)
{
	struct rte_vhost_memory *table = NULL;

	s->mem.n = 0;
	s->memory_bytes = 0;
	/* Without a table the library would follow a null pointer. */
	if (!s->mapped || rte_vhost_get_mem_table(s->vid, &table) != 0 || table == NULL)
		return false;
	vh_sigbus_forget(s->port->id);
	for (uint32_t i = 0; i < table->nregions; i++) {
		const struct rte_vhost_mem_region *r = &table->regions[i];

		vh_sigbus_region(s->port->id, i, r->mmap_addr, r->mmap_size);
		if (vh_guest_mem_add(
			    &s->mem, r->guest_phys_addr, r->size, (void *)(uintptr_t)r->host_user_addr) == 0)
			s->memory_bytes += r->size;
		else
			vh_events_say(VH_EVENT_REJECTED, s->port->id,
				"memory region %u of %u cannot be used: empty, overlapping or too many", i,
				table->nregions);
	}
	/* What a guest behind an IOMMU takes back must not wait for a card: its frames are copied. */
	if (vh_direct_is_on()) {
		if (vh_session_iommu_on(&s->iommu))
			vh_loan_close(s->port->id);
		else
			vh_loan_open(s->port->id, table);
	}
	free(table);
	return s->mem.n > 0;
}

/* As above, where that may have changed: while a queue is in use the memory table has not. */
static bool has_memory(struct vh_session *s)
{
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
		if (s->ring[i].use != VH_RING_IDLE)
			return true;
	return refresh_memory(s);
}

void vh_ring_refuse(struct vh_session *s, uint32_t i, const char *why)
{
	if (s->ring[i].refused != why)
		vh_events_say(VH_EVENT_REJECTED, s->port->id, "ring %u: %s", i, why);
	s->ring[i].refused = why;
}

bool vh_ring_find(struct vh_session *s, uint32_t i, struct vh_vq_config *c)
{
	switch (vh_session_iommu_ring(&s->iommu, i, c)) {
	case VH_IOTLB_HIT:
		return true;
	case VH_IOTLB_FAULT:
		vh_ring_refuse(s, i, "the guest's IOMMU does not let the card reach it");
		return false;
	case VH_IOTLB_SCATTERED:
		vh_ring_refuse(s, i, "its pages lie apart, and one of them in pieces or not aligned");
		return false;
	case VH_IOTLB_MISS:
		break;
	}
	return false;
}

/* Return: NULL when there is no memory. */
static struct vh_ring_record *record_of(struct vh_session *s, uint32_t i, uint32_t size)
{
	int error;
	struct vh_ring_record *record = vh_records_of(&s->records, i, size, &error);

	if (error != 0)
		vh_events_say(VH_EVENT_REJECTED, s->port->id,
			"ring %u: %s: %s; its guest will not find it again after a restart of the switch", i,
			s->records.path, strerror(-error));
	return record;
}

/* Makes a ring's queue ready to start, from the library's present state. Return: whether it can be used. */
static bool set_up(struct vh_session *s, uint32_t i)
{
	struct vh_ring *r = &s->ring[i];
	struct rte_vhost_vring v = {.callfd = -1, .kickfd = -1};
	struct vh_vq_config c = {.mem = &s->mem, .features = s->features};
	const char *why;

	if (rte_vhost_get_vhost_vring(s->vid, (uint16_t)i, &v) != 0 ||
		rte_vhost_get_vring_base(s->vid, (uint16_t)i, &c.last_avail, &c.last_used) != 0)
		return false;
	c.desc = v.desc;
	c.avail = v.avail;
	c.used = v.used;
	c.size = v.size;
	if (vh_session_iommu_on(&s->iommu) && !vh_ring_find(s, i, &c))
		return false;
	c.log = vh_session_log_of(&s->log, i, c.space != NULL);
	r->call_fd = duplicate_eventfd(v.callfd);
	if (r->call_fd >= 0)
		c.line = r->line = vh_call_guard_add(s->port->id, r->call_fd);
	r->size = (uint16_t)v.size;
	c.rejoin = !vh_records_placed(&s->records, i);
	if ((s->features & VH_F_RING_PACKED) != 0)
		c.record = record_of(s, i, v.size);
	why = vh_vq_setup(vh_ring_queue(s, i), &c);
	if (why != NULL) {
		vh_ring_refuse(s, i, why);
		forget_fds(r);
		return false;
	}
	if (vh_ring_is_tx(i))
		r->kick_fd = duplicate_eventfd(v.kickfd);
	r->refused = NULL;
	vh_records_set_placed(&s->records, i, true);
	return true;
}

static void serve(struct vh_session *s, uint32_t i)
{
	struct vh_ring *r = &s->ring[i];
	struct vh_vq *vq = vh_ring_queue(s, i);

	r->use = VH_RING_SERVED;
	if (vh_ring_is_tx(i)) {
		watch(r);
		if (!vh_session_iommu_on(&s->iommu))
			vh_direct_begin(s->port->id, vq);
	} else if (vh_session_iommu_on(&s->iommu)) {
		vh_rxq_ask_ahead(vq);
	}
	vh_vq_start(vq);
	/* An interrupt may have been due while the queue was stopped; one too many does no harm. */
	if (r->line != NULL)
		vh_call_write(r->line);
	if (vh_ring_is_tx(i))
		vh_workers_wake(r->worker);
}

/*
 * A ring that its driver has not enabled so far waits: a front end that comes back while its guest runs
 * starts rings first and enables them next, and what stands in them until then shall not be lost.
 */
static void start_ring(struct vh_session *s, uint32_t i)
{
	struct vh_ring *r = &s->ring[i];

	if (!r->started || r->use != VH_RING_IDLE)
		return;
	if (r->enable == VH_RING_ENABLED && set_up(s, i))
		serve(s, i);
	else if (r->enable == VH_RING_DISABLED && vh_ring_is_tx(i) && set_up(s, i))
		r->use = VH_RING_DRAINED;
}

/* Says it when frames begin to go both ways, or do not any more. */
static void note_ready(struct vh_session *s)
{
	bool receives = false, sends = false;

	for (uint32_t i = 0; i < 2U * s->port->pairs; i++) {
		receives |= !vh_ring_is_tx(i) && s->ring[i].use == VH_RING_SERVED;
		sends |= vh_ring_is_tx(i) && s->ring[i].use == VH_RING_SERVED;
	}
	if (s->ready == (receives && sends))
		return;
	s->ready = !s->ready;
	vh_events_push(s->ready ? VH_EVENT_READY : VH_EVENT_STOPPED, s->port->id, 0, "");
}

void vh_rings_resume(struct vh_session *s)
{
	bool wanted = false;

	for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
		wanted |= s->ring[i].started && s->ring[i].use == VH_RING_IDLE;
	if (wanted && has_memory(s))
		for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
			start_ring(s, i);
	steer(s, 0, 0);
	vh_rings_drain(s);
	note_ready(s);
}

void vh_rings_drain(struct vh_session *s)
{
	struct vh_batch *scratch = NULL;

	for (uint32_t i = 1; i < 2U * s->port->pairs; i += 2) {
		if (s->ring[i].use != VH_RING_DRAINED)
			continue;
		if (scratch == NULL)
			scratch = malloc(sizeof(*scratch));
		if (scratch == NULL)
			return;
		vh_txq_discard(vh_ring_queue(s, i), scratch, &s->port->counters[VH_CONTROL_COUNTERS]);
	}
	free(scratch);
}

/* A front end without the means to enable rings wants all that it starts. */
static void enable_all(struct vh_session *s)
{
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
		s->ring[i].enable = VH_RING_ENABLED;
}

void vh_rings_note(struct vh_session *s, const struct vh_vhu_msg *msg)
{
	uint32_t i = vh_gate_ring(msg);
	struct vh_ring *r = &s->ring[i == VH_VHU_ALL_RINGS ? 0 : i];
	uint16_t used;

	switch (msg->request) {
	case VH_VHU_SET_FEATURES:
		s->negotiated = true;
		s->features = msg->u64 | vh_session_iommu_features(&s->iommu);
		if ((msg->u64 & VH_F_PROTOCOL_FEATURES) == 0)
			enable_all(s);
		break;
	case VH_VHU_SET_VRING_NUM:
		r->sized = true;
		break;
	case VH_VHU_SET_VRING_KICK:
		if (!r->started && vh_session_iommu_on(&s->iommu))
			r->began = s->iommu.ring[i].last_avail;
		else if (!r->started)
			rte_vhost_get_vring_base(s->vid, (uint16_t)i, &r->began, &used);
		r->started = true;
		break;
	case VH_VHU_GET_VRING_BASE:
		r->started = r->sized = false;
		r->refused = NULL;
		break;
	case VH_VHU_SET_VRING_ENABLE:
		r->enable = msg->state.num != 0 ? VH_RING_ENABLED : VH_RING_DISABLED;
		break;
	case VH_VHU_RESET_OWNER:
		vh_rings_forget(s);
		break;
	default:
		break;
	}
}

void vh_rings_forget(struct vh_session *s)
{
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++) {
		struct vh_ring *r = &s->ring[i];

		r->started = r->sized = false;
		r->enable = VH_RING_UNTOLD;
		r->refused = NULL;
	}
	s->negotiated = false;
	s->features = s->memory_bytes = 0;
	note_ready(s);
}

void vh_rings_base(struct vh_session *s, uint32_t ring)
{
	/* What it says while we serve the ring is news, whatever it said before. */
	vh_records_told(&s->records, ring);
	vh_records_set_placed(&s->records, ring, false);
}

void vh_rings_asked(struct vh_session *s, uint32_t ring)
{
	bool packed = (s->features & VH_F_RING_PACKED) != 0;

	if (!packed || !s->ring[ring].started || vh_records_placed(&s->records, ring))
		return;
	if (!has_memory(s) || !set_up(s, ring))
		return;
	s->ring[ring].use = VH_RING_DRAINED;
	let_go(s, ring);
}

void vh_rings_lift(struct vh_session *s, uint32_t ring)
{
	struct vh_vq *vq = vh_ring_queue(s, ring);

	s->ring[ring].lifted = vh_vq_is_live(vq) || s->iommu.ring[ring].suspended;
	if (!s->ring[ring].lifted)
		return;
	vh_vq_stop(vq);
	vh_workers_sync();
	vh_switch_flush(s->sw, s->port, (uint16_t)(ring / 2));
	unwatch(&s->ring[ring]);
}

void vh_rings_land(struct vh_session *s, uint32_t ring)
{
	if (!s->ring[ring].lifted)
		return;
	s->ring[ring].lifted = false;
	watch(&s->ring[ring]);
	if (s->iommu.ring[ring].suspended)
		return;
	vh_vq_start(vh_ring_queue(s, ring));
	vh_workers_wake(s->ring[ring].worker);
}
