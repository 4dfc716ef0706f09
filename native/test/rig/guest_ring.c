/* The mock guest's ends of a virtqueue: offering, taking back and notifications (virtio 1.2, 2.7 and 2.8). */
#include "guest.h"

#include <string.h>
#include <unistd.h>

/* The wrap counter of a packed ring starts at 1 and flips with every lap. */
static bool wrap_of(const struct guest_queue *q, uint64_t n)
{
	return n / q->size % 2 == 0;
}

static uint32_t at_of(const struct guest_queue *q, uint64_t n)
{
	return (uint32_t)(n % q->size);
}

uint16_t guest_place(const struct guest_queue *q, uint64_t n)
{
	if (!q->packed)
		return (uint16_t)n;
	return (uint16_t)(at_of(q, n) | (wrap_of(q, n) ? 0x8000U : 0));
}

static uint64_t *word(const struct guest_queue *q, uint32_t at)
{
	return (uint64_t *)(void *)&q->ring[at] + 1;
}

void guest_ring_reset(struct guest_queue *q, uint16_t start)
{
	memset(q->desc, 0, q->size * sizeof(*q->desc));
	memset(q->avail, 0, sizeof(*q->avail) + q->size * 2 + 2);
	memset(q->used, 0, sizeof(*q->used) + q->size * 8 + 2);
	q->avail_n = q->used_n = q->kicked_n = start;
	q->staged = q->done = 0;
	q->batch = 0;
	q->held = false;
	if (q->packed) {
		/* Each entry as the device left it in the lap that has passed it last. */
		for (uint32_t i = 0; i < q->size; i++)
			if (wrap_of(q, start) == (i < at_of(q, start)))
				*word(q, i) = (uint64_t)(VH_DESC_AVAIL | VH_DESC_USED) << 48;
		return;
	}
	q->avail->idx = q->used->idx = start;
	if ((q->features & VH_F_EVENT_IDX) != 0) {
		/* As if both sides had run up to `start`. */
		q->avail->ring[q->size] = start;
		memcpy(&q->used->ring[q->size], &start, sizeof(start));
	}
}

static uint64_t second_word(const struct guest_queue *q, struct vh_desc d)
{
	if (q->packed)
		return (uint64_t)d.flags << 48 | (uint64_t)d.next << 32 | d.len;
	return (uint64_t)d.next << 48 | (uint64_t)d.flags << 32 | d.len;
}

void guest_put_desc(const struct guest_queue *q, void *at, struct vh_desc d)
{
	uint64_t *raw = at;

	__atomic_store_n(&raw[0], d.addr, __ATOMIC_RELAXED);
	__atomic_store_n(&raw[1], second_word(q, d), __ATOMIC_RELAXED);
}

/* The next entry of a packed ring. The first one since the last guest_publish() is held back. */
static void put_packed(struct guest_queue *q, struct vh_desc d)
{
	uint32_t at = at_of(q, q->avail_n);

	d.flags |= wrap_of(q, q->avail_n) ? VH_DESC_AVAIL : VH_DESC_USED;
	__atomic_store_n((uint64_t *)(void *)&q->ring[at], d.addr, __ATOMIC_RELAXED);
	if (q->held) {
		__atomic_store_n(word(q, at), second_word(q, d), __ATOMIC_RELAXED);
	} else {
		q->held = true;
		q->held_at = at;
		q->held_word = second_word(q, d);
	}
	q->avail_n++;
}

static void note_staged(struct guest_queue *q, uint16_t id, uint32_t descs)
{
	q->in_flight[q->staged++ % q->size] = (struct guest_staged){.id = id, .descs = (uint16_t)descs};
}

/* Buffers or a table; only the last entry's id counts, so the others get another. */
static void stage_packed(struct guest_queue *q, uint16_t id)
{
	const struct guest_chain *c = &q->chain[id];

	for (uint32_t i = 0; i < c->n_descs; i++) {
		const struct guest_buf *b = &c->buf[c->table ? c->n_bufs : i];
		bool last = i + 1 == c->n_descs;
		struct vh_desc d = {.addr = b->gpa, .len = b->len, .next = last ? id : (uint16_t)~id};

		d.flags = c->table ? VH_DESC_INDIRECT : c->write ? VH_DESC_WRITE : 0;
		d.flags |= last ? 0 : VH_DESC_NEXT;
		put_packed(q, d);
	}
}

void guest_stage(struct guest_queue *q, uint16_t id)
{
	note_staged(q, id, q->packed ? q->chain[id].n_descs : 1);
	if (q->packed) {
		stage_packed(q, id);
		return;
	}
	__atomic_store_n(&q->avail->ring[q->avail_n & (q->size - 1)], id, __ATOMIC_RELAXED);
	q->avail_n++;
}

void guest_stage_raw(struct guest_queue *q, const struct vh_desc *d, uint32_t n, uint16_t id)
{
	for (uint32_t i = 0; i < n; i++) {
		struct vh_desc p = d[i];

		if (q->packed) {
			p.next = i + 1 == n ? id : (uint16_t)~id;
			put_packed(q, p);
		} else {
			guest_put_desc(q, &q->desc[(id + i) % q->size], p);
		}
	}
	if (q->packed)
		note_staged(q, id, n);
	else
		guest_stage(q, id);
}

void guest_publish(struct guest_queue *q)
{
	if (!q->packed)
		__atomic_store_n(&q->avail->idx, (uint16_t)q->avail_n, __ATOMIC_RELEASE);
	else if (q->held)
		__atomic_store_n(word(q, q->held_at), q->held_word, __ATOMIC_RELEASE);
	q->held = false;
}

/* Whether the device's event lies among the entries [from, avail_n). */
static bool packed_event_passed(const struct guest_queue *q, uint64_t from)
{
	uint16_t off_wrap = __atomic_load_n(&q->device->off_wrap, __ATOMIC_RELAXED);
	int64_t event = (int64_t)(q->avail_n - at_of(q, q->avail_n)) + (off_wrap & 0x7fff);

	/* Of the lap before. */
	if ((off_wrap >> 15 != 0) != wrap_of(q, q->avail_n))
		event -= q->size;
	return event >= (int64_t)from && event < (int64_t)q->avail_n;
}

bool guest_should_kick(struct guest_queue *q)
{
	uint64_t from = q->kicked_n;
	uint16_t flags, event;

	q->kicked_n = q->avail_n;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->packed) {
		flags = __atomic_load_n(&q->device->flags, __ATOMIC_ACQUIRE);
		if (flags != VH_EVENT_DESC)
			return flags == VH_EVENT_ENABLE;
		REQUIRE((q->features & VH_F_EVENT_IDX) != 0);
		return packed_event_passed(q, from);
	}
	if ((q->features & VH_F_EVENT_IDX) == 0)
		return (__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & 1) == 0;
	event = __atomic_load_n((uint16_t *)(void *)&q->used->ring[q->size], __ATOMIC_RELAXED);
	return (uint16_t)(event - from) < (uint16_t)(q->avail_n - from);
}

/* Reads the used entry at the driver's position. Return: whether the device has written it. */
static bool read_used(const struct guest_queue *q, struct vh_used_elem *e)
{
	bool wrap = wrap_of(q, q->used_n);
	uint64_t w;

	if (!q->packed) {
		if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == (uint16_t)q->used_n)
			return false;
		*e = q->used->ring[q->used_n & (q->size - 1)];
		return true;
	}
	w = __atomic_load_n(word(q, at_of(q, q->used_n)), __ATOMIC_ACQUIRE);
	if ((w >> 48 & VH_DESC_AVAIL) / VH_DESC_AVAIL != wrap ||
		(w >> 48 & VH_DESC_USED) / VH_DESC_USED != wrap)
		return false;
	e->id = (uint32_t)(w >> 32 & 0xffff);
	/* A length counts only where the device says that it wrote (virtio 1.2, 2.8.7). */
	e->len = (w >> 48 & VH_DESC_WRITE) != 0 ? (uint32_t)w : 0;
	return true;
}

bool guest_has_used(const struct guest_queue *q)
{
	struct vh_used_elem e;

	return q->batch > 0 || read_used(q, &e);
}

/* In order, a used entry may stand for all chains up to the one it names (virtio 1.2, 2.7.9, 2.8.10). */
static uint32_t batch_of(const struct guest_queue *q, uint32_t id)
{
	for (uint64_t i = q->done; q->in_order && i < q->staged; i++)
		if (q->in_flight[i % q->size].id == id)
			return (uint32_t)(i + 1 - q->done);
	return 1;
}

/* Makes a chain the oldest that is in flight, as if it had been offered first. */
static void bring_forward(struct guest_queue *q, uint32_t id)
{
	uint64_t i = q->done;
	struct guest_staged t;

	while (i < q->staged && q->in_flight[i % q->size].id != id)
		i++;
	REQUIRE(i < q->staged);
	t = q->in_flight[i % q->size];
	for (; i > q->done; i--)
		q->in_flight[i % q->size] = q->in_flight[(i - 1) % q->size];
	q->in_flight[i % q->size] = t;
}

bool guest_used(struct guest_queue *q, struct vh_used_elem *out)
{
	struct guest_staged t;

	if (q->batch == 0) {
		if (!read_used(q, &q->batch_last))
			return false;
		/* What was not offered cannot be used. */
		REQUIRE(q->done < q->staged);
		q->batch = batch_of(q, q->batch_last.id);
		if (q->any_order)
			bring_forward(q, q->batch_last.id);
	}
	t = q->in_flight[q->done % q->size];
	q->batch--;
	*out = q->batch == 0 ? q->batch_last : (struct vh_used_elem){.id = t.id};
	q->used_n += q->packed ? t.descs : 1;
	q->done++;
	return true;
}

void guest_want_interrupt_after(struct guest_queue *q, int32_t after)
{
	uint16_t place = guest_place(q, (uint64_t)((int64_t)q->used_n + after));

	if (q->packed) {
		__atomic_store_n(&q->driver->off_wrap, place, __ATOMIC_RELAXED);
		__atomic_store_n(&q->driver->flags, VH_EVENT_DESC, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&q->avail->ring[q->size], place, __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void guest_want_interrupts(struct guest_queue *q, bool on)
{
	bool event = (q->features & VH_F_EVENT_IDX) != 0;

	if (event && (on || !q->packed)) {
		/* Off: an event that lies as far in the future as can be. */
		guest_want_interrupt_after(q, on ? 0 : -1);
		return;
	}
	if (q->packed)
		__atomic_store_n(
			&q->driver->flags, on ? VH_EVENT_ENABLE : VH_EVENT_DISABLE, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&q->avail->flags, on ? 0 : 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint64_t guest_interrupts(struct guest_queue *q)
{
	uint64_t n = 0;

	return read(q->call_fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}
