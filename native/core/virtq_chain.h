/*
 * Internal to native/core: loading descriptors and walking chains, for both directions of a split virtqueue.
 */
#ifndef VH_CORE_VIRTQ_CHAIN_H
#define VH_CORE_VIRTQ_CHAIN_H

#include "virtq.h"

/* Offsets of the drop reasons that both directions have, from *_BAD_ADDRESS. */
enum vh_chain_fault {
	VH_CHAIN_OK = 0,
	VH_CHAIN_BAD_ADDRESS,
	VH_CHAIN_BAD_CHAIN,
	VH_CHAIN_BAD_INDIRECT,
	VH_CHAIN_BAD_DIRECTION,
	VH_CHAIN_NO_ROOM, /* more segments than the caller has room for */
};

_Static_assert(
	VH_DROP_TX_BAD_DIRECTION - VH_DROP_TX_BAD_ADDRESS == VH_CHAIN_BAD_DIRECTION - VH_CHAIN_BAD_ADDRESS,
	"the tx reasons stand in the order of the faults");
_Static_assert(
	VH_DROP_RX_BAD_DIRECTION - VH_DROP_RX_BAD_ADDRESS == VH_CHAIN_BAD_DIRECTION - VH_CHAIN_BAD_ADDRESS,
	"the rx reasons stand in the order of the faults");

/*
 * Loads a descriptor from guest memory exactly once: two 64-bit relaxed atomic loads, which the compiler may
 * neither repeat nor tear, so that what is checked is what is used.
 */
static inline struct vh_desc vh_desc_load(const struct vh_desc *d)
{
	const uint64_t *raw = (const uint64_t *)(const void *)d;
	uint64_t addr = __atomic_load_n(&raw[0], __ATOMIC_RELAXED);
	uint64_t rest = __atomic_load_n(&raw[1], __ATOMIC_RELAXED);

	return (struct vh_desc){.addr = addr,
		.len = (uint32_t)rest,
		.flags = (uint16_t)(rest >> 32),
		.next = (uint16_t)(rest >> 48)};
}

static inline uint16_t vh_avail_head(const struct vh_vq *vq, uint16_t position)
{
	return __atomic_load_n(&vq->avail->ring[position & vq->mask], __ATOMIC_RELAXED);
}

/*
 * Resolves the chain at `head` (< vq->size) to at most `room` segments in this process.
 * write: the direction every buffer must have. Return: VH_CHAIN_OK with *n segments, or the fault.
 */
enum vh_chain_fault vh_chain_resolve(
	const struct vh_vq *vq, uint16_t head, bool write, struct vh_seg *out, uint32_t room, uint32_t *n);

/* Publishes the used index up to vq->last_used + n and interrupts the guest if it wants that. */
void vh_vq_publish(struct vh_vq *vq, uint16_t n, struct vh_counters *own);

#endif
