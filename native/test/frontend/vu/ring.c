#include "ring.h"

#include <string.h>

#define WRITE 2U
#define AVAIL (1U << 7)
#define USED (1U << 15)

void ring_init(struct ring *r, bool packed, uint16_t size, void *memory)
{
	uint8_t *at = memory;

	*r = (struct ring){.packed = packed, .size = size};
	memset(memory, 0, RING_BYTES(size));
	r->desc = (void *)at;
	r->driver = (void *)(at + size * 16U);
	r->device = (void *)(at + (size * 16U + size * 2U + 4096U) / 4096U * 4096U);
}

/* Packed rings: which lap a count is in; the first has wrap counter 1. */
static bool wrap_of(const struct ring *r, uint32_t count)
{
	return count / r->size % 2 == 0;
}

uint32_t ring_base(const struct ring *r, uint32_t count)
{
	uint32_t one;

	if (!r->packed)
		return count & 0xffff;
	one = count % r->size | (wrap_of(r, count) ? 1U << 15 : 0);
	return one | one << 16;
}

void ring_put(struct ring *r, uint64_t gpa, uint32_t len, bool write)
{
	ring_put_as(r, (uint16_t)(r->offered % r->size), gpa, len, write);
}

void ring_put_as(struct ring *r, uint16_t id, uint64_t gpa, uint32_t len, bool write)
{
	uint16_t at = (uint16_t)(r->offered % r->size);
	struct ring_desc *d = &r->desc[r->packed ? at : id];
	uint16_t flags = write ? WRITE : 0;

	d->addr = gpa;
	d->len = len;
	if (r->packed) {
		d->a = id;
		flags |= (uint16_t)(wrap_of(r, r->offered) ? AVAIL : USED);
		__atomic_store_n(&d->b, flags, __ATOMIC_RELEASE);
		r->offered++;
	} else {
		d->a = flags;
		d->b = 0;
		r->driver[2 + at] = id;
		r->offered++;
		__atomic_store_n(&r->driver[1], (uint16_t)r->offered, __ATOMIC_RELEASE);
	}
}

bool ring_reap(struct ring *r, uint32_t *len)
{
	uint16_t at = (uint16_t)(r->reaped % r->size);

	if (ring_busy(r) == 0)
		return false;
	if (r->packed) {
		uint16_t flags = __atomic_load_n(&r->desc[at].b, __ATOMIC_ACQUIRE);
		bool wrap = wrap_of(r, r->reaped);

		if (((flags & AVAIL) != 0) != wrap || ((flags & USED) != 0) != wrap)
			return false;
		*len = r->desc[at].len;
		r->last = r->desc[at].a;
	} else {
		const uint32_t *used = (const uint32_t *)(const void *)(r->device + 2);

		if (__atomic_load_n(&r->device[1], __ATOMIC_ACQUIRE) == (uint16_t)r->reaped)
			return false;
		*len = used[2 * at + 1];
		r->last = (uint16_t)used[2 * at];
	}
	r->reaped++;
	return true;
}

bool ring_wants_kick(const struct ring *r)
{
	/* What was offered must be visible before the device's suppression setting is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->packed)
		return __atomic_load_n(&r->device[1], __ATOMIC_RELAXED) != 1;
	return (__atomic_load_n(&r->device[0], __ATOMIC_RELAXED) & 1) == 0;
}
