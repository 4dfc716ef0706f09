#include "virtq_chain.h"

#include <string.h>
#include <unistd.h>

static const char *check(const struct vh_vq_config *c)
{
	uint64_t events = (c->features & VH_F_EVENT_IDX) != 0 ? sizeof(uint16_t) : 0;

	if (c->size == 0 || c->size > VH_MAX_QUEUE_SIZE || (c->size & (c->size - 1)) != 0)
		return "the ring size is no power of two up to 32768";
	if (!vh_guest_mem_holds(c->mem, c->desc, (uint64_t)c->size * sizeof(struct vh_desc)))
		return "the descriptor table lies outside the guest's memory";
	if (!vh_guest_mem_holds(
		    c->mem, c->avail, sizeof(struct vh_avail) + c->size * sizeof(uint16_t) + events))
		return "the available ring lies outside the guest's memory";
	if (!vh_guest_mem_holds(c->mem, c->used,
		    sizeof(struct vh_used) + (uint64_t)c->size * sizeof(struct vh_used_elem) + events))
		return "the used ring lies outside the guest's memory";
	if ((uintptr_t)c->desc % 8 != 0 || (uintptr_t)c->avail % 2 != 0 || (uintptr_t)c->used % 4 != 0)
		return "a ring is not aligned";
	return NULL;
}

const char *vh_vq_setup(struct vh_vq *vq, const struct vh_vq_config *c)
{
	const char *why = check(c);

	if (why != NULL)
		return why;
	memset(vq, 0, sizeof(*vq));
	vq->size = (uint16_t)c->size;
	vq->mask = (uint16_t)(c->size - 1);
	vq->mergeable = (c->features & VH_F_MRG_RXBUF) != 0;
	vq->indirect = (c->features & VH_F_INDIRECT_DESC) != 0;
	vq->event_idx = (c->features & VH_F_EVENT_IDX) != 0;
	vq->hdr_len = (c->features & (VH_F_MRG_RXBUF | VH_F_VERSION_1)) != 0 ? 12 : 10;
	vq->call_fd = c->call_fd;
	vq->desc = c->desc;
	vq->avail = c->avail;
	vq->used = c->used;
	vq->mem = c->mem;
	vq->last_avail = c->last_avail;
	vq->last_used = c->last_used;
	return NULL;
}

void vh_vq_start(struct vh_vq *vq)
{
	__atomic_store_n(&vq->live, 1, __ATOMIC_RELEASE);
}

void vh_vq_stop(struct vh_vq *vq)
{
	__atomic_store_n(&vq->live, 0, __ATOMIC_SEQ_CST);
}

/* Behind the used ring's last element (virtio 1.2, 2.7.8): up to where the guest need not kick. */
static inline uint16_t *avail_event(struct vh_vq *vq)
{
	return (uint16_t *)(void *)&vq->used->ring[vq->size];
}

bool vh_vq_want_kicks(struct vh_vq *vq, bool on)
{
	if (vq->event_idx) {
		/* Off needs nothing: an event index that is not moved on asks for no kick for 65535 frames.
		 */
		if (on)
			__atomic_store_n(avail_event(vq), vq->last_avail, __ATOMIC_RELAXED);
	} else {
		__atomic_store_n(&vq->used->flags, on ? 0 : 1, __ATOMIC_RELAXED);
	}
	if (!on)
		return false;
	/*
	 * Our wish must be visible before we look for the last time: the guest publishes its index and then
	 * reads the wish, we write the wish and then read the index. With a full barrier on both sides one of
	 * us sees.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Of a broken queue nothing will be taken: its worker may sleep. */
	return !vq->broken && __atomic_load_n(&vq->avail->idx, __ATOMIC_RELAXED) != vq->last_avail;
}

/* Whether the guest wants an interrupt for used entries [old, new) (virtio 1.2, 2.7.7 and 2.7.10). */
static inline bool wants_interrupt(const struct vh_vq *vq, uint16_t old, uint16_t new)
{
	/* The used index must be visible before the guest's wish is read; see vh_vq_want_kicks(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->event_idx) {
		uint16_t event = __atomic_load_n(&vq->avail->ring[vq->size], __ATOMIC_RELAXED);

		return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	}
	return (__atomic_load_n(&vq->avail->flags, __ATOMIC_RELAXED) & 1) == 0;
}

void vh_vq_publish(struct vh_vq *vq, uint16_t n, struct vh_counters *own)
{
	uint16_t old = vq->last_used;
	static const uint64_t one = 1;

	if (n == 0)
		return;
	vq->last_used = (uint16_t)(old + n);
	/* Release: the guest sees the entries, and the frames they name, before it sees the index. */
	__atomic_store_n(&vq->used->idx, vq->last_used, __ATOMIC_RELEASE);
	if (wants_interrupt(vq, old, vq->last_used) && vq->call_fd >= 0) {
		/* A full eventfd counter means that the guest has an interrupt pending already: nothing is
		 * lost. */
		if (write(vq->call_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
			vh_count(&own->interrupts, 1);
	}
}
