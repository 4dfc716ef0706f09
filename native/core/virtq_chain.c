#include "virtq_chain.h"

/* Where a chain's descriptors come from: the ring, or one indirect table. */
struct table {
	const struct vh_desc *desc;
	uint32_t n;
	bool indirect;
};

/* Appends one buffer; more than one segment only where it crosses into a neighbouring memory region. */
static enum vh_chain_fault append(
	const struct vh_vq *vq, const struct vh_desc *d, struct vh_seg *out, uint32_t room, uint32_t *n)
{
	uint64_t addr = d->addr;
	uint32_t left = d->len;

	if (addr + left < addr)
		return VH_CHAIN_BAD_ADDRESS;
	while (left > 0) {
		uint32_t got = 0;
		uint8_t *p = vh_guest_mem_part(vq->mem, addr, left, &got);

		if (p == NULL)
			return VH_CHAIN_BAD_ADDRESS;
		if (*n >= room)
			return VH_CHAIN_NO_ROOM;
		out[(*n)++] = (struct vh_seg){.p = p, .len = got};
		addr += got;
		left -= got;
	}
	return VH_CHAIN_OK;
}

/* Follows an indirect descriptor (virtio 1.2, 2.7.5.3): no NEXT beside it, whole entries, no nesting. */
static enum vh_chain_fault enter(const struct vh_vq *vq, const struct vh_desc *d, struct table *t)
{
	if (!vq->indirect || (d->flags & VH_DESC_NEXT) != 0 || t->indirect)
		return VH_CHAIN_BAD_INDIRECT;
	if (d->len == 0 || d->len % sizeof(struct vh_desc) != 0 || d->len / sizeof(struct vh_desc) > vq->size)
		return VH_CHAIN_BAD_INDIRECT;
	/* Alignment: descriptors are loaded as 64-bit words; virtio asks drivers for 16 bytes. */
	if (d->addr % sizeof(uint64_t) != 0)
		return VH_CHAIN_BAD_INDIRECT;
	t->desc = (const struct vh_desc *)(const void *)vh_guest_mem_at(vq->mem, d->addr, d->len);
	t->n = d->len / (uint32_t)sizeof(struct vh_desc);
	/* A flag and not a comparison of pointers: a guest may name its ring itself as an indirect table. */
	t->indirect = true;
	return t->desc == NULL ? VH_CHAIN_BAD_INDIRECT : VH_CHAIN_OK;
}

enum vh_chain_fault vh_chain_resolve(
	const struct vh_vq *vq, uint16_t head, bool write, struct vh_seg *out, uint32_t room, uint32_t *n)
{
	struct table t = {.desc = vq->desc, .n = vq->size};
	uint32_t i = head;

	*n = 0;
	/* A chain has at most `size` buffers, and one descriptor more that leads to an indirect table. */
	for (uint32_t budget = vq->size + 1U; budget > 0; budget--) {
		struct vh_desc d = vh_desc_load(&t.desc[i]);
		enum vh_chain_fault fault;

		if ((d.flags & VH_DESC_INDIRECT) != 0) {
			fault = enter(vq, &d, &t);
			if (fault != VH_CHAIN_OK)
				return fault;
			i = 0;
			continue;
		}
		if (((d.flags & VH_DESC_WRITE) != 0) != write)
			return VH_CHAIN_BAD_DIRECTION;
		fault = append(vq, &d, out, room, n);
		if (fault != VH_CHAIN_OK)
			return fault;
		if ((d.flags & VH_DESC_NEXT) == 0)
			return VH_CHAIN_OK;
		i = d.next;
		if (i >= t.n)
			return VH_CHAIN_BAD_CHAIN;
	}
	return VH_CHAIN_BAD_CHAIN;
}
