/* Walking descriptor chains: direct, indirect, split and packed. Every loop is bounded, whatever the guest
 * links. */
#include "virtq.h"
#include "virtq_iova.h"
#include "virtq_ring.h"

/* Appends one buffer; more than one segment only where it crosses into a neighbouring memory region. */
static enum vh_chain_fault append(const struct vh_vq *vq, uint64_t addr, uint32_t left, bool write,
	struct vh_seg *out, uint32_t room, uint32_t *n)
{
	if (addr + left < addr)
		return VH_CHAIN_BAD_ADDRESS;
	while (left > 0) {
		uint32_t got = 0;
		uint8_t *p = vh_guest_mem_part(vq->mem, addr, left, &got);

		if (vh_unlikely(p == NULL))
			return vq->mem->iotlb == NULL ? VH_CHAIN_BAD_ADDRESS
						      : vh_iova_append(vq, addr, left, write, out, room, n);
		if (*n >= room)
			return VH_CHAIN_NO_ROOM;
		out[(*n)++] = (struct vh_seg){.p = p, .len = got};
		addr += got;
		left -= got;
	}
	return VH_CHAIN_OK;
}

/*
 * Whether this may be an indirect table (virtio 1.2, 2.7.5.3 and 2.8.8): negotiated, whole entries, at most
 * VH_MAX_CHAIN (Linux makes them longer than the ring).
 */
static inline bool is_table(const struct vh_vq *vq, uint64_t addr, uint32_t len)
{
	if (!vq->indirect || len == 0 || len % sizeof(struct vh_desc) != 0 ||
		len / sizeof(struct vh_desc) > VH_MAX_CHAIN)
		return false;
	/* Alignment: descriptors are loaded as 64-bit words; virtio asks drivers for 16 bytes. */
	return addr % sizeof(uint64_t) == 0;
}

/* Finds an indirect table. Return: it, or NULL: it is none, or is at no address of the guest's. */
static const void *indirect_table(const struct vh_vq *vq, uint64_t addr, uint32_t len, uint32_t *entries)
{
	*entries = len / (uint32_t)sizeof(struct vh_desc);
	return is_table(vq, addr, len) ? vh_guest_mem_at(vq->mem, addr, len) : NULL;
}

/*
 * The same for a guest behind an IOMMU, where the other has found none. Apart, and with a fault of its own:
 * one whose address is taken would be in memory for everybody.
 */
static __attribute__((noinline)) const void *translated_table(
	const struct vh_vq *vq, uint64_t addr, uint32_t len, enum vh_chain_fault *why)
{
	*why = VH_CHAIN_BAD_INDIRECT;
	if (vq->mem->iotlb == NULL || !is_table(vq, addr, len))
		return NULL;
	return vh_iova_table(vq, addr, len, why);
}

enum vh_chain_fault vh_split_resolve(const struct vh_vq *vq, uint16_t head, bool write, struct vh_seg *out,
	uint32_t room, uint32_t *n, struct vh_taken *taken)
{
	const struct vh_desc *table = vq->desc;
	uint32_t entries = vq->size, i = head;
	/* A flag and not a comparison of pointers: a guest may name its ring itself as an indirect table. */
	bool inside = false;
	/* While it is the ring's own table that is read. */
	bool scattered = vq->scattered;

	*n = 0;
	/* Bounded whatever the guest links to what. */
	for (taken->walked = 1; taken->walked <= VH_MAX_CHAIN + 1; taken->walked++) {
		struct vh_desc d = vh_desc_load(vh_unlikely(scattered) ? vh_desc_at(vq, i) : &table[i]);
		enum vh_chain_fault fault;

		if ((d.flags & VH_DESC_INDIRECT) != 0) {
			if ((d.flags & VH_DESC_NEXT) != 0 || inside)
				return VH_CHAIN_BAD_INDIRECT;
			table = indirect_table(vq, d.addr, d.len, &entries);
			if (vh_unlikely(table == NULL)) {
				enum vh_chain_fault why;

				table = translated_table(vq, d.addr, d.len, &why);
				if (table == NULL)
					return why;
			}
			inside = true;
			scattered = false;
			i = 0;
			continue;
		}
		if (((d.flags & VH_DESC_WRITE) != 0) != write)
			return VH_CHAIN_BAD_DIRECTION;
		fault = append(vq, d.addr, d.len, write, out, room, n);
		if (fault != VH_CHAIN_OK)
			return fault;
		if ((d.flags & VH_DESC_NEXT) == 0)
			return VH_CHAIN_OK;
		i = d.next;
		if (i >= entries)
			return VH_CHAIN_BAD_CHAIN;
	}
	return VH_CHAIN_BAD_CHAIN;
}

/* The entries of an indirect table of a packed ring: all of them, in order; NEXT means nothing there. */
static enum vh_chain_fault packed_table(const struct vh_vq *vq, const struct vh_packed_desc *head, bool write,
	struct vh_seg *out, uint32_t room, uint32_t *n, struct vh_taken *taken)
{
	uint32_t entries;
	const struct vh_packed_desc *table = indirect_table(vq, head->addr, head->len, &entries);

	if (vh_unlikely(table == NULL)) {
		enum vh_chain_fault why;

		table = translated_table(vq, head->addr, head->len, &why);
		if (table == NULL)
			return why;
	}
	taken->walked += entries;
	for (uint32_t i = 0; i < entries; i++) {
		struct vh_packed_desc d = vh_packed_load(&table[i]);
		enum vh_chain_fault fault;

		if ((d.flags & VH_DESC_INDIRECT) != 0)
			return VH_CHAIN_BAD_INDIRECT;
		/*
		 * Only where we would write. DPDK's virtio driver (22.11) marks the header's entry of the
		 * tables it sends as writable; reading such a buffer harms nobody.
		 */
		if (write && (d.flags & VH_DESC_WRITE) == 0)
			return VH_CHAIN_BAD_DIRECTION;
		fault = append(vq, d.addr, d.len, write, out, room, n);
		if (fault != VH_CHAIN_OK)
			return fault;
	}
	return VH_CHAIN_OK;
}

enum vh_chain_fault vh_packed_resolve(const struct vh_vq *vq, uint16_t at, bool write, struct vh_seg *out,
	uint32_t room, uint32_t *n, struct vh_taken *taken)
{
	enum vh_chain_fault fault = VH_CHAIN_OK;

	*n = 0;
	taken->len = taken->walked = 0;
	/*
	 * The chain's extent comes first, whatever is wrong with it: its last entry carries the buffer id
	 * under which the whole of it goes back.
	 */
	for (taken->descs = 1; taken->descs <= vq->size && taken->descs <= VH_MAX_CHAIN; taken->descs++) {
		struct vh_packed_desc d = vh_packed_load(vh_packed_at(vq, at));

		taken->id = d.id;
		taken->walked++;
		if (fault != VH_CHAIN_OK)
			; /* only the end is of interest any more */
		else if ((d.flags & VH_DESC_INDIRECT) != 0)
			/* An indirect entry stands alone (virtio 1.2, 2.8.8). */
			fault = taken->descs > 1 || (d.flags & VH_DESC_NEXT) != 0
					? VH_CHAIN_BAD_INDIRECT
					: packed_table(vq, &d, write, out, room, n, taken);
		else if (((d.flags & VH_DESC_WRITE) != 0) != write)
			fault = VH_CHAIN_BAD_DIRECTION;
		else
			fault = append(vq, d.addr, d.len, write, out, room, n);
		if ((d.flags & VH_DESC_NEXT) == 0)
			return fault;
		at = (uint16_t)(at + 1 < vq->size ? at + 1 : 0);
	}
	return VH_CHAIN_ENDLESS;
}
