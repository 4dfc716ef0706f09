/*
 * A driver's side of one virtqueue, split or packed, for tests: one buffer per chain.
 * The caller owns the memory; everything in it can be spoilt at will (ring->desc and so on).
 */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stdint.h>

/* Room that a ring needs: descriptors, then the driver's part, then the device's. */
#define RING_BYTES(size) (16U * (size) + 4096U * 2 + 2U * (size) + 8U * (size))

struct ring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t a, b; /* split: flags, next; packed: id, flags */
};

struct ring {
	bool packed;
	uint16_t size;
	struct ring_desc *desc;
	uint16_t *driver; /* split: flags, idx, ring[]; packed: off_wrap, flags */
	uint16_t *device; /* split: flags, idx, then 8-byte elements; packed: off_wrap, flags */
	/* Free-running counts of buffers offered and taken back. */
	uint32_t offered, reaped;
	uint16_t last; /* what the buffer that was taken back last is called */
};

/* Sets a ring up in zeroed memory. */
void ring_init(struct ring *r, bool packed, uint16_t size, void *memory);

/* Position as SET_VRING_BASE wants it, where the device will look next if it has taken all. */
uint32_t ring_base(const struct ring *r, uint32_t count);

/* Buffers in the device's hands. */
static inline uint32_t ring_busy(const struct ring *r)
{
	return r->offered - r->reaped;
}

/* Offers a buffer; there must be room. write: for the device to write to. */
void ring_put(struct ring *r, uint64_t gpa, uint32_t len, bool write);

/* As above, with a name that no other buffer has which the device has; ring_put() takes its place in the
 * ring. */
void ring_put_as(struct ring *r, uint16_t id, uint64_t gpa, uint32_t len, bool write);

/* Takes the next buffer back. Return: whether there was one; *len is what the device wrote. */
bool ring_reap(struct ring *r, uint32_t *len);

/* Whether the device asks for kicks. */
bool ring_wants_kick(const struct ring *r);

#endif
