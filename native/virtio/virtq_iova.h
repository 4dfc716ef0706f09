/*
 * Internal to native/virtio: descriptors of guests behind an IOMMU, whose addresses go through a table of
 * translations (iotlb.h). Guests without one never come here: it is reached where no region of the guest's
 * memory holds an address, and a guest behind an IOMMU has none.
 */
#ifndef VH_VIRTIO_VIRTQ_IOVA_H
#define VH_VIRTIO_VIRTQ_IOVA_H

#include "memory/iotlb.h"
#include "virtq_ring.h"

/* Receive queues: frames between two looks ahead, less than those see. */
#define VH_ASK_EVERY 16U

/*
 * Appends one buffer to out[*n..room), a segment for each part that does not lie together with the one
 * before. write: the device will write to it. Return: VH_CHAIN_OK, or MISS, BAD_ADDRESS or NO_ROOM.
 */
enum vh_chain_fault vh_iova_append(const struct vh_vq *vq, uint64_t addr, uint32_t left, bool write,
	struct vh_seg *out, uint32_t room, uint32_t *n);

/*
 * Copies an indirect table, len <= VH_MAX_CHAIN descriptors. Return: the copy, the thread's own until its
 * next call, or NULL with *fault MISS or BAD_INDIRECT.
 */
const void *vh_iova_table(const struct vh_vq *vq, uint64_t addr, uint32_t len, enum vh_chain_fault *fault);

/*
 * The chain at `place` has no translation yet. Asks for those of what is offered behind it as well, so that
 * not every buffer costs a wait of its own. offered, write: as for vh_next_chain().
 */
void vh_iova_ask_ahead(const struct vh_vq *vq, struct vh_place place, uint16_t offered, bool write);

#endif
