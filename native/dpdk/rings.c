#include "rings.h"
#include "call_guard.h"
#include "direct.h"
#include "events.h"
#include "feed.h"
#include "loan.h"
#include "sigbus.h"
#include "worker.h"

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

static void forget_fds(struct vh_ring *r, bool tx)
{
	if (tx)
		unwatch(r);
	if (r->kick_fd >= 0)
		close(r->kick_fd);
	if (r->call_fd >= 0) {
		vh_call_guard_remove(r->call_fd);
		close(r->call_fd);
	}
	r->kick_fd = r->call_fd = -1;
}

/* Ends what the queues that were live have at cards, so that their guest may do what it likes from now on. */
static void take_back(struct vh_session *s, const bool *was_live)
{
	uint64_t deadline = vh_direct_deadline();

	for (uint32_t i = 0; i < 2U * s->port->pairs; i++) {
		if (!was_live[i] || !vh_ring_is_tx(i))
			continue;
		vh_switch_flush(s->sw, s->port, (uint16_t)(i / 2));
		vh_direct_end(vh_ring_queue(s, i), &s->port->counters[VH_CONTROL_COUNTERS], deadline);
	}
	/* Last: it sends by the queue in which the others' frames are. */
	vh_feed_end(s->port->id, true);
}

void vh_rings_pause(struct vh_session *s)
{
	bool was_live[VH_MAX_RINGS] = {false}, any = false;

	__atomic_store_n(&s->port->rx_live, 0, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++) {
		was_live[i] = vh_vq_is_live(vh_ring_queue(s, i)) || s->iommu.ring[i].suspended;
		any |= was_live[i];
		s->iommu.ring[i].suspended = false;
		vh_vq_stop(vh_ring_queue(s, i));
	}
	if (!any)
		return;
	vh_feed_stop(s->port->id);
	vh_workers_sync();
	take_back(s, was_live);
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++) {
		uint16_t avail, used;

		if (!was_live[i])
			continue;
		vh_vq_positions(vh_ring_queue(s, i), &avail, &used);
		rte_vhost_set_vring_base(s->vid, (uint16_t)i, avail, used);
		vh_session_iommu_stood(&s->iommu, i, avail, used);
		forget_fds(&s->ring[i], vh_ring_is_tx(i));
	}
}

/*
 * Only eventfds: writing to anything else that a front end sends (a pipe, a socket, a terminal) could block a
 * worker or reach somebody it should not. Return: our own non-blocking duplicate, or -1.
 */
static int duplicate_eventfd(int fd)
{
	char path[40], target[40];
	ssize_t n;
	int copy;

	if (fd < 0)
		return -1;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	if (strcmp(target, "anon_inode:[eventfd]") != 0 || fcntl(copy, F_SETFL, O_RDWR | O_NONBLOCK) != 0) {
		close(copy);
		return -1;
	}
	return copy;
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
			vh_events_say(VH_EVENT_REFUSED, s->port->id,
				"memory region %u of %u cannot be used: empty, overlapping or too many", i,
				table->nregions);
	}
	/* What a guest behind an IOMMU takes back must not wait for a card: its frames are copied. */
	if (vh_direct_is_on() && !vh_session_iommu_on(&s->iommu))
		vh_loan_open(s->port->id, table);
	free(table);
	return s->mem.n > 0;
}

/* Why a ring does not run. Once: it is tried again at every message. */
static void refuse(struct vh_session *s, uint32_t i, const char *why)
{
	if (s->ring[i].refused != why)
		vh_events_say(VH_EVENT_REFUSED, s->port->id, "ring %u: %s", i, why);
	s->ring[i].refused = why;
}

/* Finds the ring of a guest behind an IOMMU. Return: whether it can run now. */
static bool find_ring(struct vh_session *s, uint32_t i, struct vh_vq_config *c)
{
	switch (vh_session_iommu_ring(&s->iommu, i, c)) {
	case VH_IOTLB_HIT:
		return true;
	case VH_IOTLB_FAULT:
		refuse(s, i, "the guest's IOMMU does not let the card reach it");
		return false;
	case VH_IOTLB_SCATTERED:
		refuse(s, i,
			"its pages do not lie together in the guest's memory: "
			"rx_queue_size=256,tx_queue_size=256, "
			"or iommu=pt in the guest, helps");
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
		vh_events_say(VH_EVENT_REFUSED, s->port->id,
			"ring %u: %s: %s; its guest will not find it again after a restart of the switch", i,
			s->records.path, strerror(-error));
	return record;
}

static bool start_ring(struct vh_session *s, uint32_t i)
{
	struct vh_ring *r = &s->ring[i];
	struct vh_vq *vq = vh_ring_queue(s, i);
	struct rte_vhost_vring v = {.callfd = -1, .kickfd = -1};
	struct vh_vq_config c = {.mem = &s->mem, .features = s->features};
	const char *why;
	static const uint64_t one = 1;

	if (rte_vhost_get_vhost_vring(s->vid, (uint16_t)i, &v) != 0 ||
		rte_vhost_get_vring_base(s->vid, (uint16_t)i, &c.last_avail, &c.last_used) != 0)
		return false;
	c.desc = v.desc;
	c.avail = v.avail;
	c.used = v.used;
	c.size = v.size;
	if (vh_session_iommu_on(&s->iommu) && !find_ring(s, i, &c))
		return false;
	c.log = vh_session_log_of(&s->log, i, c.space != NULL);
	c.call_fd = duplicate_eventfd(v.callfd);
	if (c.call_fd >= 0 && vh_call_guard_add(s->port->id, c.call_fd) != 0) {
		close(c.call_fd);
		c.call_fd = -1;
	}
	c.rejoin = !r->placed_here;
	if ((s->features & VH_F_RING_PACKED) != 0)
		c.record = record_of(s, i, v.size);
	why = vh_vq_setup(vq, &c);
	if (why != NULL) {
		refuse(s, i, why);
		if (c.call_fd >= 0) {
			vh_call_guard_remove(c.call_fd);
			close(c.call_fd);
		}
		return false;
	}
	r->refused = NULL;
	r->placed_here = true;
	r->size = (uint16_t)v.size;
	r->call_fd = c.call_fd;
	r->kick_fd = vh_ring_is_tx(i) ? duplicate_eventfd(v.kickfd) : -1;
	if (vh_ring_is_tx(i))
		watch(r);
	if (vh_ring_is_tx(i))
		vh_direct_begin(s->port->id, vq);
	if (c.space != NULL && !vh_ring_is_tx(i))
		vh_rxq_ask_ahead(vq);
	vh_vq_start(vq);
	/* An interrupt may have been due while the queue was stopped; one too many does no harm. */
	if (r->call_fd >= 0) {
		ssize_t ignored = write(r->call_fd, &one, sizeof(one));

		(void)ignored;
	}
	if (vh_ring_is_tx(i))
		vh_workers_wake(r->worker);
	return true;
}

void vh_rings_start(struct vh_session *s)
{
	uint16_t rx_live = 0;

	for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
		if (s->ring[i].wanted && !s->iommu.ring[i].suspended && !vh_vq_is_live(vh_ring_queue(s, i)))
			start_ring(s, i);
	while (rx_live < s->port->pairs &&
		(vh_vq_is_live(&s->port->rx[rx_live]) || s->iommu.ring[2 * rx_live].suspended))
		rx_live++;
	__atomic_store_n(&s->port->rx_live, rx_live, __ATOMIC_RELEASE);
}

void vh_rings_resume(struct vh_session *s)
{
	if (!s->running || rte_vhost_get_negotiated_features(s->vid, &s->features) != 0 || !refresh_memory(s))
		return;
	s->features |= vh_session_iommu_features(&s->iommu);
	vh_rings_start(s);
}

void vh_rings_base(struct vh_session *s, uint32_t ring)
{
	/* What it says while we serve the ring is news, whatever it said before. */
	if (s->ring[ring].placed_here)
		vh_records_told(&s->records, ring);
	s->ring[ring].placed_here = false;
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
