/* Translations of guests behind an IOMMU come and go: what that does to rings that run. */
#include "../runtime/events.h"
#include "session_rings.h"
#include "../runtime/worker.h"

/* Whether the guest lets the card still read all that a parked round points to. */
static bool still_readable(const struct vh_session *s, const struct vh_round *r)
{
	const struct vh_batch *b = &r->batch;

	for (uint16_t i = 0; i < b->frames; i++) {
		const struct vh_frame *f = &b->frame[i];

		if (!vh_iotlb_reaches(s->iommu.iotlb, f->data, f->len, VH_IOTLB_READ))
			return false;
		for (uint16_t k = 0; k < f->more; k++) {
			const struct vh_seg *seg = &b->seg[f->first + k];

			if (!vh_iotlb_reaches(s->iommu.iotlb, seg->p, seg->len, VH_IOTLB_READ))
				return false;
		}
	}
	return true;
}

/* Starts a suspended ring again, if its translations are there; else they are asked for. */
static void go_on(struct vh_session *s, uint32_t i)
{
	struct vh_ring *r = &s->ring[i];
	struct vh_vq *vq = vh_ring_queue(s, i);
	struct vh_vq_config c = {.mem = &s->mem,
		.features = s->features,
		.size = r->size,
		.record = vq->record,
		.line = r->line};
	const char *why;

	if (!vh_ring_find(s, i, &c))
		return;
	c.log = vh_session_log_of(&s->log, i, true);
	why = vh_vq_setup(vq, &c);
	if (why != NULL) {
		vh_ring_refuse(s, i, why);
		return;
	}
	r->refused = NULL;
	s->iommu.ring[i].suspended = false;
	if (!vh_ring_is_tx(i))
		vh_rxq_ask_ahead(vq);
	vh_vq_start(vq);
	if (vh_ring_is_tx(i))
		vh_workers_wake(r->worker);
}

static void update(struct vh_session *s, const struct vh_vhu_iotlb *m)
{
	vh_session_iommu_update(&s->iommu, m);
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
		if (s->iommu.ring[i].suspended)
			go_on(s, i);
	vh_rings_resume(s);
	/* Workers sleep while a chain waits for its translation. */
	for (uint32_t i = 1; i < 2U * s->port->pairs; i += 2)
		if (vh_vq_is_live(vh_ring_queue(s, i)))
			vh_workers_wake(s->ring[i].worker);
}

static void invalidate(struct vh_session *s, uint64_t first, uint64_t last)
{
	bool stopped[VH_MAX_RINGS] = {false}, lost[VH_MAX_RINGS] = {false};
	uint32_t rings = 2U * s->port->pairs;

	vh_iotlb_remove(s->iommu.iotlb, first, last);
	/* One that is only drained is found again as if it had just been disabled. Before all others: with
	 * cards that have guests' memory the pause is of all rings. */
	for (uint32_t i = 0; i < rings; i++)
		if (s->ring[i].use == VH_RING_DRAINED &&
			vh_session_iommu_ring_in(&s->iommu, i, s->ring[i].size, s->features, first, last))
			vh_rings_pause(s, i);
	for (uint32_t i = 0; i < rings; i++) {
		struct vh_vq *vq = vh_ring_queue(s, i);

		if (!vh_vq_is_live(vq))
			continue;
		lost[i] = vh_session_iommu_ring_in(&s->iommu, i, s->ring[i].size, s->features, first, last);
		/* A parked round is its worker's, unless its queue stands still. */
		stopped[i] = lost[i] || vh_ring_is_tx(i);
		if (stopped[i])
			vh_vq_stop(vq);
	}
	vh_workers_sync();
	for (uint32_t i = 0; i < rings; i++) {
		struct vh_vq *vq = vh_ring_queue(s, i);
		uint16_t avail, used;

		if (!stopped[i])
			continue;
		if (vh_ring_is_tx(i) && (lost[i] || (vq->parked != NULL && !still_readable(s, vq->parked))))
			vh_switch_flush(s->sw, s->port, (uint16_t)(i / 2));
		if (!lost[i]) {
			vh_vq_start(vq);
			vh_workers_wake(s->ring[i].worker);
			continue;
		}
		vh_vq_positions(vq, &avail, &used);
		vh_session_iommu_stood(&s->iommu, i, avail, used);
		s->iommu.ring[i].suspended = true;
		go_on(s, i);
	}
	/* The guest may flush all there is, every 10 ms: what is needed next is asked for together, rings
	 * first. Where a ring was is this queue's until the front end has its answer. */
	for (uint32_t i = 0; i < rings; i += 2)
		if (lost[i] && s->iommu.ring[i].suspended)
			vh_rxq_ask_ahead(vh_ring_queue(s, i));
	vh_rings_resume(s);
}

void vh_rings_translated(struct vh_session *s, const struct vh_vhu_iotlb *m)
{
	if (m->type == VH_VHU_IOTLB_UPDATE)
		update(s, m);
	else
		/* Size 0 is everything. */
		invalidate(s, m->iova, m->iova + m->size - 1);
}
