/*
 * Receive chains that a card fills (zero copy, network to guest): taken from the ring before there is a
 * frame, given back with one in it, or with nothing.
 *
 * Theory of operation
 *   A chain is taken if its first buffer has room for a virtio header and the longest frame; anything else,
 * malformed chains too, is left for deliveries by copying (virtq_rx.c), which take chains from the same ring
 * meanwhile. So chains come back in another order than they were offered, which a driver that negotiated
 * VIRTIO_F_IN_ORDER does not understand: such queues are not to be used with this.
 *
 *       offered --vh_rxq_post()--> posted --vh_rxq_fill()--> used
 *
 * Threads: a receive queue's, see virtq.h; both take its lock.
 */
#ifndef VH_VIRTIO_RX_POST_H
#define VH_VIRTIO_RX_POST_H

#include "virtq.h"

/* A chain that was taken. */
struct vh_posted {
	uint16_t id, descs;
	uint32_t walked; /* descriptors that were looked at; also of a chain that was not taken */
	uint8_t *at;	 /* its first buffer, which begins with the virtio header */
	uint8_t *card;	 /* the same as somebody else reaches it */
};

/* Tells where somebody else reaches [p, p + len) of guest memory. Return: there, or NULL: he does not. */
struct vh_reach {
	uint8_t *(*at)(const void *context, const uint8_t *p, uint32_t len);
	const void *context;
};

enum vh_post {
	VH_POST_TAKEN,
	VH_POST_NONE,  /* the guest offers nothing, or what it offers is malformed */
	VH_POST_UNFIT, /* too small, scattered, or out of reach */
};

/* Takes the next chain if the first `need` bytes of it are one piece that `reach` knows. */
enum vh_post vh_rxq_post(
	struct vh_vq *vq, uint32_t need, const struct vh_reach *reach, struct vh_posted *out);

/* What came of a chain. */
struct vh_fill {
	struct vh_posted chain;
	uint32_t len; /* of the frame, which stands behind the header; 0: the chain was not used */
	bool checked; /* its checksums are known to be right */
};

/* Writes the headers, hands the chains to the guest together and interrupts it where it asked for that. */
void vh_rxq_fill(struct vh_vq *vq, const struct vh_fill *fill, uint32_t n, struct vh_counters *own);

#endif
