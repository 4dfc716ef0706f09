#include "deliver_offload.h"

/* The frames that the hook made, in order. */
static const uint8_t all_frames[VH_BATCH] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
	19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
	44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

_Static_assert(sizeof(all_frames) == VH_BATCH && VH_BATCH == 64, "one number each");

/* Delivers what becomes of one frame. Return: whether that is over; otherwise the ring is full. */
static bool finish(struct vh_delivery *d, uint8_t frame)
{
	struct vh_soften soften = d->sw->soften;
	uint32_t total;

	if (d->progress->frame != frame)
		*d->progress = (struct vh_progress){
			.port = d->progress->port, .queue = d->progress->queue, .frame = frame};
	do {
		const struct vh_batch *made = soften.hook == NULL
						      ? NULL
						      : soften.hook(soften.context, d->worker, d->batch,
								frame, d->progress->done, &total);
		uint32_t got;

		if (made == NULL || made->frames == 0) {
			vh_count(&d->sender->drops[VH_DROP_TX_BAD_OFFLOAD], 1);
			break;
		}
		got = vh_hand_over(d->to, d->vq, made, all_frames, made->frames, d->receiver);
		d->moved |= got > 0;
		d->progress->done = (uint16_t)(d->progress->done + got);
		if (got < made->frames)
			return false;
	} while (d->progress->done < total);
	d->progress->done = 0;
	return true;
}

/* Whether the receiver takes the frame without anything done to it. */
static bool takes(const struct vh_delivery *d, uint8_t frame)
{
	uint32_t needs = d->batch->frame[frame].offload & ~VH_CHECKED;

	if ((needs & ~(uint32_t)d->vq->rx_offloads) != 0)
		return false;
	/* Guests finish whatever they negotiated; cards have limits that no feature tells. */
	return needs == 0 || d->to->uplink == NULL || d->to->uplink->takes(d->to, d->batch, frame);
}

uint32_t vh_deliver_unfinished(struct vh_delivery *d, const uint8_t *which, uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		uint32_t run = 0, got;

		while (done + run < n && takes(d, which[done + run]))
			run++;
		if (run == 0) {
			if (!finish(d, which[done]))
				break;
			done++;
			continue;
		}
		got = vh_hand_over(d->to, d->vq, d->batch, which + done, run, d->receiver);
		d->moved |= got > 0;
		done += got;
		if (got < run)
			break;
	}
	return done;
}
