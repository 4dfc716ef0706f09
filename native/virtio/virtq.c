/* Setting queues up, notifications in both directions, publishing used entries: everything but frames. */
#include "virtq.h"
#include "ring_record.h"
#include "virtq_ring.h"

#include <stddef.h>
#include <string.h>

/* Whether a part of a ring lies wholly in the guest's memory. */
static bool held(const struct vh_vq_config *c, enum vh_part part, const void *p, uint64_t bytes)
{
	return c->pieces != NULL ? vh_pieces_held(c->pieces, part, c->mem, bytes)
				 : vh_guest_mem_holds(c->mem, p, bytes);
}

/* Sizes and places of a split ring's three parts (virtio 1.2, 2.7). Return: NULL, or what is wrong. */
static const char *check_split(const struct vh_vq_config *c)
{
	uint64_t event = (c->features & VH_F_EVENT_IDX) != 0 ? sizeof(uint16_t) : 0;

	if ((c->size & (c->size - 1)) != 0)
		return "the ring size is no power of two";
	if (!held(c, VH_PART_DESC, c->desc, (uint64_t)c->size * sizeof(struct vh_desc)))
		return "the descriptor table lies outside the guest's memory";
	if (!held(c, VH_PART_AVAIL, c->avail, sizeof(struct vh_avail) + c->size * sizeof(uint16_t) + event))
		return "the available ring lies outside the guest's memory";
	if (!held(c, VH_PART_USED, c->used,
		    sizeof(struct vh_used) + (uint64_t)c->size * sizeof(struct vh_used_elem) + event))
		return "the used ring lies outside the guest's memory";
	return NULL;
}

/* As above for a packed ring and its two event suppression areas (virtio 1.2, 2.8). */
static const char *check_packed(const struct vh_vq_config *c)
{
	if ((c->last_avail & 0x7fff) >= c->size || (c->last_used & 0x7fff) >= c->size)
		return "a ring position lies outside the ring";
	if (c->record == NULL)
		return "there is no memory for the record of its place";
	if (!held(c, VH_PART_DESC, c->desc, (uint64_t)c->size * sizeof(struct vh_packed_desc)))
		return "the descriptor ring lies outside the guest's memory";
	if (!held(c, VH_PART_AVAIL, c->avail, sizeof(struct vh_packed_event)))
		return "the driver event area lies outside the guest's memory";
	if (!held(c, VH_PART_USED, c->used, sizeof(struct vh_packed_event)))
		return "the device event area lies outside the guest's memory";
	return NULL;
}

/* A log in which some of what is written could not be marked would lose it in silence. */
static const char *check_log(const struct vh_vq_config *c)
{
	uint64_t used =
		sizeof(struct vh_used) + (uint64_t)c->size * sizeof(struct vh_used_elem) + sizeof(uint16_t);

	if (c->log == NULL)
		return NULL;
	if ((c->features & VH_F_RING_PACKED) != 0)
		used = sizeof(struct vh_packed_event);
	if (c->log->memory && !vh_log_covers_all(&c->log->log, c->mem))
		return "the dirty log is missing, or too short for the guest's memory";
	if (c->log->used_ring && !vh_log_covers(&c->log->log, c->log->used, used))
		return "the dirty log is missing, or too short for the used ring";
	return NULL;
}

/* Of a power of two of entries, `size` at least. */
static uint16_t mask_of(uint32_t size)
{
	uint32_t entries = 1;

	while (entries < size)
		entries *= 2;
	return (uint16_t)(entries - 1);
}

const char *vh_vq_setup(struct vh_vq *vq, const struct vh_vq_config *c)
{
	bool packed = (c->features & VH_F_RING_PACKED) != 0;
	struct vh_vq made;
	const char *why;

	if (c->size == 0 || c->size > VH_MAX_QUEUE_SIZE)
		return "the ring size is not within 1 to 32768";
	if ((uintptr_t)c->desc % 8 != 0 || (uintptr_t)c->avail % 2 != 0 || (uintptr_t)c->used % 4 != 0)
		return "a ring is not aligned";
	why = packed ? check_packed(c) : check_split(c);
	if (why == NULL)
		why = check_log(c);
	if (why != NULL)
		return why;
	made = (struct vh_vq){.size = (uint16_t)c->size,
		.mask = mask_of(c->size),
		.packed = packed,
		.in_order = (c->features & VH_F_IN_ORDER) != 0,
		.mergeable = (c->features & VH_F_MRG_RXBUF) != 0,
		.indirect = (c->features & VH_F_INDIRECT_DESC) != 0,
		.event_idx = (c->features & VH_F_EVENT_IDX) != 0,
		.hdr_len = (c->features & (VH_F_MRG_RXBUF | VH_F_VERSION_1)) != 0 ? 12 : 10,
		.line = c->line,
		.scattered = c->pieces != NULL,
		.pieces = c->pieces,
		.tx_offloads = vh_offloads_of_sender(c->features),
		.tx_general = c->pieces != NULL || vh_offloads_of_sender(c->features) != 0,
		.rx_offloads = vh_offloads_of_receiver(c->features),
		.mem = c->space != NULL ? c->space : c->mem,
		.log = c->log};
	if (packed) {
		made.ring = c->desc;
		made.driver_event = c->avail;
		made.device_event = c->used;
		made.record = c->record;
	} else {
		made.desc = c->desc;
		made.avail = c->avail;
		made.used = c->used;
	}
	made.last_avail = packed ? c->last_avail & 0x7fff : c->last_avail;
	made.last_used = packed ? c->last_used & 0x7fff : c->last_used;
	made.avail_wrap = packed && c->last_avail >> 15 != 0;
	made.used_wrap = packed && c->last_used >> 15 != 0;
	why = packed ? vh_ring_record_settle(&made, c) : NULL;
	/* All but `live`, which stays 0 and which workers look at meanwhile. */
	if (why == NULL)
		memcpy((uint8_t *)vq + offsetof(struct vh_vq, size),
			(uint8_t *)&made + offsetof(struct vh_vq, size),
			sizeof(made) - offsetof(struct vh_vq, size));
	return why;
}

void vh_vq_positions(const struct vh_vq *vq, uint16_t *last_avail, uint16_t *last_used)
{
	/* Split rings have no wrap counter that is set. */
	*last_avail = vh_place_bits(vh_avail_place(vq));
	*last_used = vh_place_bits(vh_used_place(vq));
}

bool vh_vq_was_filled(const struct vh_vq *vq, uint16_t began)
{
	uint16_t at = __atomic_load_n(&vq->last_avail, __ATOMIC_RELAXED);
	bool wrap = __atomic_load_n(&vq->avail_wrap, __ATOMIC_RELAXED);

	/* After exactly one turn of 65536 buffers it looks new for a moment, if it is empty just then. */
	if (at != (vq->packed ? began & 0x7fff : began))
		return true;
	if (vq->packed)
		return wrap != (began >> 15 != 0) ||
		       vh_packed_is_avail(vh_packed_load(vh_packed_at(vq, at)).flags, wrap);
	return __atomic_load_n(&vq->avail->idx, __ATOMIC_RELAXED) != at;
}

void vh_vq_stop(struct vh_vq *vq)
{
	__atomic_store_n(&vq->live, 0, __ATOMIC_SEQ_CST);
}

/* Behind the used ring's last element (virtio 1.2, 2.7.8): up to where the guest need not kick. */
static inline uint16_t *avail_event(struct vh_vq *vq)
{
	if (vq->scattered)
		return vh_pieces_at(vq->pieces, VH_PART_USED, vh_used_offset(vq->size));
	return (uint16_t *)(void *)&vq->used->ring[vq->size];
}

static void say_split(struct vh_vq *vq, bool on)
{
	/* With event index off needs nothing: an index that is not moved on asks for no kick for 65535
	 * frames. */
	if (!vq->event_idx)
		__atomic_store_n(&vq->used->flags, on ? 0 : 1, __ATOMIC_RELAXED);
	else if (on)
		__atomic_store_n(avail_event(vq), vq->last_avail, __ATOMIC_RELAXED);
}

static void say_packed(struct vh_vq *vq, bool on)
{
	uint16_t flags = VH_EVENT_DISABLE;

	if (on && vq->event_idx) {
		/* The place before the flags that make the driver look at it. */
		__atomic_store_n(
			&vq->device_event->off_wrap, vh_place_bits(vh_avail_place(vq)), __ATOMIC_RELAXED);
		flags = VH_EVENT_DESC;
	} else if (on) {
		flags = VH_EVENT_ENABLE;
	}
	__atomic_store_n(&vq->device_event->flags, flags, __ATOMIC_RELEASE);
}

static void say(struct vh_vq *vq, bool on)
{
	if (vq->packed)
		say_packed(vq, on);
	else
		say_split(vq, on);
	if (vq->log != NULL)
		vh_vq_log_suppression(vq);
}

/* A packed ring tells from now on that it was served (ring_record.h). */
static void leave_mark(struct vh_vq *vq)
{
	/* No place that a driver could kick at; nobody waits for kicks of a queue that is not live. */
	if (vq->packed)
		__atomic_store_n(&vq->device_event->off_wrap, UINT16_MAX, __ATOMIC_RELAXED);
}

void vh_vq_start(struct vh_vq *vq)
{
	leave_mark(vq);
	/* A fresh ring asks for kicks, and a kick is a system call or an exit of the guest for every burst
	 * that it sends and for every few buffers that it offers. */
	say(vq, false);
	__atomic_store_n(&vq->live, 1, __ATOMIC_RELEASE);
}

bool vh_vq_want_kicks(struct vh_vq *vq, bool on)
{
	say(vq, on);
	if (!on)
		return false;
	/*
	 * Our suppression setting must be visible before we look for the last time: the guest publishes its
	 * frames and then reads it, we write it and then look for frames. With a full barrier on both sides
	 * one of us sees.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Of a broken queue nothing will be taken: its worker may sleep. So it may until a translation comes,
	 * which wakes it. */
	if (vq->broken || vq->missed)
		return false;
	if (vq->packed)
		return vh_packed_is_avail(
			vh_packed_load(vh_packed_at(vq, vq->last_avail)).flags, vq->avail_wrap);
	return __atomic_load_n(&vq->avail->idx, __ATOMIC_RELAXED) != vq->last_avail;
}

/* Whether `event` lies in [old, new), all free-running (virtio 1.2, 2.7.7.2). */
static inline bool passed(uint16_t event, uint16_t old, uint16_t new)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* Whether the driver of a packed ring wants an interrupt for what lies between the places
 * (virtio 1.2, 2.8.10). */
static bool packed_wants(const struct vh_vq *vq, struct vh_place old)
{
	uint16_t flags = __atomic_load_n(&vq->driver_event->flags, __ATOMIC_ACQUIRE);
	uint16_t off_wrap, event, from = old.at, to = vq->last_used;

	if (!vq->event_idx || flags != VH_EVENT_DESC)
		return flags != VH_EVENT_DISABLE;
	off_wrap = __atomic_load_n(&vq->driver_event->off_wrap, __ATOMIC_RELAXED);
	event = off_wrap & 0x7fff;
	/* On one number line: places of the lap before lie one ring size back. */
	if ((off_wrap >> 15 != 0) != vq->used_wrap)
		event = (uint16_t)(event - vq->size);
	if (old.wrap != vq->used_wrap)
		from = (uint16_t)(from - vq->size);
	return passed(event, from, to);
}

/* Whether the driver of a split ring wants an interrupt for entries [old, new). */
static bool split_wants(const struct vh_vq *vq, uint16_t old, uint16_t new)
{
	if (vq->event_idx)
		return passed(__atomic_load_n(vh_avail_at(vq, vq->size), __ATOMIC_RELAXED), old, new);
	return (__atomic_load_n(&vq->avail->flags, __ATOMIC_RELAXED) & 1) == 0;
}

/* Entries from `old` to `now` have become visible. */
static void tell(struct vh_vq *vq, struct vh_place old, uint16_t now, struct vh_counters *own)
{
	/* That must be visible before the guest's suppression setting is read; see vh_vq_want_kicks(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vh_unlikely(vq->log != NULL))
		vh_vq_log_used(vq, old.at, now);
	if ((vq->packed ? packed_wants(vq, old) : split_wants(vq, old.at, now)) && vq->line != NULL &&
		vh_call_write(vq->line))
		vh_count(&own->interrupts, 1);
}

/* Split rings: shows the entries from `from` up to last_used, but for the last `linger`. */
static void show(struct vh_vq *vq, uint16_t from, uint16_t linger, struct vh_counters *own)
{
	uint16_t unseen = (uint16_t)(vq->last_used - from), now;

	/* A driver that waits for one of them gets them all. */
	if (linger > 0 && split_wants(vq, from, vq->last_used))
		linger = 0;
	vq->lingering = linger < unseen ? linger : unseen;
	if (vq->lingering == unseen)
		return;
	now = (uint16_t)(vq->last_used - vq->lingering);
	/* Release: the guest sees the entries, and the frames they name, before what makes them visible. */
	__atomic_store_n(&vq->used->idx, now, __ATOMIC_RELEASE);
	tell(vq, (struct vh_place){.at = from}, now, own);
}

uint32_t vh_txq_discard(struct vh_vq *vq, struct vh_batch *scratch, struct vh_counters *own)
{
	uint32_t total = 0;

	do {
		vh_txq_collect(vq, scratch, own);
		if (scratch->chains == 0)
			break;
		/* It may never have been started; before the first entry is used. */
		leave_mark(vq);
		if (vq->log != NULL)
			vh_vq_log_suppression(vq);
		vh_txq_complete(vq, scratch, own);
		vh_count(&own->drops[VH_DROP_TX_DISABLED], scratch->frames);
		total += scratch->chains;
	} while (total < vq->size);
	vh_txq_settle(vq, own);
	return total;
}

void vh_txq_settle(struct vh_vq *vq, struct vh_counters *own)
{
	if (vq->lingering > 0)
		show(vq, (uint16_t)(vq->last_used - vq->lingering), 0, own);
}

void vh_used_publish(struct vh_vq *vq, const struct vh_used_list *u, uint16_t linger, struct vh_counters *own)
{
	struct vh_place old = vh_used_place(vq);

	if (u->n == 0)
		return;
	vq->last_used = u->at.at;
	vq->used_wrap = u->at.wrap;
	if (vq->packed) {
		if (!u->recorded)
			vh_record_round(vq, old, u->at, 0);
		/* Release: as for the index of a split ring; and the record is before it. */
		__atomic_store_n(vh_packed_word(vq, u->first_at, vq->scattered), u->first, __ATOMIC_RELEASE);
		tell(vq, old, vq->last_used, own);
	} else {
		show(vq, (uint16_t)(old.at - vq->lingering), linger, own);
	}
}
