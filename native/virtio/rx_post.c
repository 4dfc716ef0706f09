#include "rx_post.h"
#include "virtq_ring.h"

#include <string.h>

/* Segments of a chain that are looked at; only the first one counts. */
#define LOOKED_AT VH_MAX_CHAIN

/* Return: whether there is a next chain that is well-formed, in *seg its first buffer. */
static bool next_chain(
	const struct vh_vq *vq, struct vh_place *place, struct vh_seg *seg, struct vh_taken *taken)
{
	static _Thread_local struct vh_seg all[LOOKED_AT];
	enum vh_chain_fault fault = VH_CHAIN_OK;
	uint16_t offered = 0;
	uint32_t n = 0;
	int found;

	if (vq->packed) {
		found = vh_next_chain(vq, place, 0, true, all, LOOKED_AT, &n, taken, &fault, true);
	} else {
		offered = __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE);
		if ((uint16_t)(offered - place->at) > vq->size)
			return false;
		found = vh_next_chain(vq, place, offered, true, all, LOOKED_AT, &n, taken, &fault, false);
	}
	if (found <= 0 || fault != VH_CHAIN_OK || n == 0)
		return false;
	*seg = all[0];
	return true;
}

enum vh_post vh_rxq_post(struct vh_vq *vq, uint32_t need, const struct vh_reach *reach, struct vh_posted *out)
{
	enum vh_post result = VH_POST_NONE;
	struct vh_taken taken = {0};
	struct vh_place place;
	struct vh_seg seg;

	*out = (struct vh_posted){0};
	vh_lock(&vq->lock);
	place = vh_avail_place(vq);
	if (!vq->broken && next_chain(vq, &place, &seg, &taken)) {
		out->id = taken.id;
		out->descs = taken.descs;
		out->at = seg.p;
		out->card = seg.len < need ? NULL : reach->at(reach->context, seg.p, need);
		result = out->card == NULL ? VH_POST_UNFIT : VH_POST_TAKEN;
	}
	out->walked = taken.walked;
	if (result == VH_POST_TAKEN) {
		vq->last_avail = place.at;
		vq->avail_wrap = place.wrap;
	}
	vh_unlock(&vq->lock);
	return result;
}

/* The virtio-net header of a whole frame (virtio 1.2, 5.1.6): DATA_VALID or nothing, in one buffer. */
static void put_header(const struct vh_vq *vq, uint8_t *p, bool checked)
{
	struct vh_offload offload = {.checked = true};

	memset(p, 0, vq->hdr_len);
	if (vq->hdr_len == 12)
		p[10] = 1;
	if (checked && (vq->rx_offloads & VH_F_GUEST_CSUM) != 0)
		vh_offload_put(&offload, p);
}

void vh_rxq_fill(struct vh_vq *vq, const struct vh_fill *fill, uint32_t n, struct vh_counters *own)
{
	struct vh_used_list used;

	vh_lock(&vq->lock);
	used = (struct vh_used_list){.at = vh_used_place(vq)};
	for (uint32_t i = 0; i < n; i++) {
		const struct vh_fill *f = &fill[i];
		struct vh_taken t = {.id = f->chain.id, .descs = f->chain.descs};

		if (f->len > 0) {
			t.len = vq->hdr_len + f->len;
			put_header(vq, f->chain.at, f->checked);
			/* After the writing, the card's too. */
			if (vq->log != NULL)
				vh_vq_log_range(vq, f->chain.at, t.len);
		}
		if (vq->packed)
			vh_used_put(vq, &used, t, true);
		else
			vh_used_put(vq, &used, t, false);
	}
	vh_used_publish(vq, &used, 0, own);
	vh_unlock(&vq->lock);
}
