#include "tx_inflight.h"
#include "virtq_ring.h"

uint32_t vh_hold_places(uint32_t ring_size)
{
	uint32_t n = 2 * VH_BATCH;

	/* With everything of an honest guest's in it there is still room for a round. */
	while (n < ring_size + VH_BATCH)
		n *= 2;
	return n;
}

uint32_t vh_hold_place(const struct vh_batch *b, uint32_t frame)
{
	uint32_t chain = 0;

	/* Chains that were no frames leave gaps. */
	if (vh_unlikely(b->bad != 0))
		for (uint32_t before = 0; chain < VH_BATCH; chain++)
			if ((b->bad >> chain & 1) == 0 && before++ == frame)
				break;
	return (b->hold->tail + (b->bad != 0 ? chain : frame)) & b->hold->mask;
}

static bool is_out(const struct vh_hold *h, uint32_t place)
{
	return __atomic_load_n(&h->chain[place & h->mask].out, __ATOMIC_ACQUIRE) != 0;
}

/* Hands the first `n` chains to the guest. */
static void give(struct vh_vq *vq, uint32_t n, struct vh_counters *own)
{
	struct vh_used_list used = {.at = vh_used_place(vq)};
	struct vh_hold *h = vq->hold;

	for (uint32_t i = 0; i < n; i++) {
		const struct vh_held *c = &h->chain[h->head++ & h->mask];
		struct vh_taken t = {.id = c->id, .descs = c->descs};

		if (vq->packed)
			vh_used_put(vq, &used, t, true);
		else
			vh_used_put(vq, &used, t, false);
	}
	vh_used_publish(vq, &used, 0, own);
}

/* Return: how many chains were returned. */
static uint32_t give_back(struct vh_vq *vq, struct vh_counters *own)
{
	const struct vh_hold *h = vq->hold;
	uint32_t n = 0;

	while (h->head + n != h->tail && !is_out(h, h->head + n))
		n++;
	give(vq, n, own);
	return n;
}

void vh_hold_complete(struct vh_vq *vq, const struct vh_batch *b, struct vh_counters *own)
{
	struct vh_hold *h = vq->hold;

	for (uint16_t i = 0; i < b->chains; i++) {
		struct vh_held *c = &h->chain[h->tail++ & h->mask];

		c->id = b->head[i];
		c->descs = vq->packed ? b->descs[i] : 1;
	}
	give_back(vq, own);
}

bool vh_hold_tend(struct vh_vq *vq, struct vh_counters *own)
{
	const struct vh_hold *h = vq->hold;

	if (give_back(vq, own) == 0 && !vh_hold_is_empty(h)) {
		h->tidy(h->context);
		give_back(vq, own);
	}
	return h->tail - h->head + VH_BATCH <= h->mask + 1;
}

void vh_hold_surrender(struct vh_vq *vq, struct vh_counters *own)
{
	give(vq, vq->hold->tail - vq->hold->head, own);
}

bool vh_hold_lends(const struct vh_hold *h)
{
	for (uint32_t i = 0; i <= h->mask; i++)
		if (is_out(h, i))
			return true;
	return false;
}
