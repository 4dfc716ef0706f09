/*
 * VLANs: what a port's guest may send and gets to see. Inside of the switch a frame belongs to one VLAN, 0
 * for none; that and its address are its key in the table.
 *
 *   none        frames pass as they are, tagged or not: their own tag is their VLAN
 *   auto        as DPDK's vhost example: the guest knows of no VLANs, and all such guests share VLAN 0;
 * towards uplinks its frames carry tag 1000 + device number, and of what comes from there it gets what
 *               carries just that tag
 *   access N    the guest knows of no VLANs, and is in N
 *   trunk       the guest's own tags (0: untagged frames), of which it may use those on a list
 *
 * Of a frame with several tags the first one is its VLAN, and those behind it must be allowed too: whoever
 * takes the first off, a guest, a card or a switch elsewhere, finds a frame of the next one's VLAN. So only
 * trunks have such frames, and nothing but a VLAN stands in front of another tag there. Mode none lets
 * everything pass, towards ports of that mode and the network.
 */
#ifndef VH_BASE_VLAN_H
#define VH_BASE_VLAN_H

#include "defs.h"

/* As in DPDK's vhost example: a device's VLAN tag towards the network is 1000 + its number. */
#define VH_VLAN_TAG_BASE 1000
#define VH_VLANS 4096

enum vh_vlan_mode { VH_VLAN_NONE, VH_VLAN_AUTO, VH_VLAN_ACCESS, VH_VLAN_TRUNK };

struct vh_vlan {
	enum vh_vlan_mode mode;
	bool keep_tag;			 /* auto: the guest gets its frames from uplinks with the tag */
	uint16_t id;			 /* access: the VLAN */
	uint64_t allowed[VH_VLANS / 64]; /* trunk: a bit for each */
};

/*
 * Tags of one frame that are told apart: as many as there are between the addresses and what VH_MAX_FRAME
 * holds. A frame with more of them, or with one that it ends in, is none for ports with a mode.
 */
#define VH_MAX_TAGS 2U
#define VH_TAG_BYTES 4U
/* Addresses, tags, EtherType. */
#define VH_FRONT (VH_MIN_FRAME + VH_MAX_TAGS * VH_TAG_BYTES)
/* Of vh_tags_count(). */
#define VH_TAGS_ODD (VH_MAX_TAGS + 1)

/* Whether this EtherType is a tag's: 802.1Q, 802.1ad, and the two that came before the latter. */
static inline bool vh_is_tag(uint16_t type)
{
	/* What they have in common first: one compare for IP, ARP and nearly everything else. */
	return vh_unlikely((type & 0x8057) == 0x8000) &&
	       (type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200);
}

/*
 * Counts the tags of a frame of `total` bytes by its first VH_FRONT ones (behind its end: zeroes).
 * Return: how many it has, or VH_TAGS_ODD: too many, or the last one is not all there.
 */
static inline uint32_t vh_tags_count(const uint8_t *front, uint32_t total)
{
	uint32_t n = 0, at = VH_MIN_FRAME - 2;

	while (vh_is_tag((uint16_t)(front[at] << 8 | front[at + 1]))) {
		at += VH_TAG_BYTES;
		if (n == VH_MAX_TAGS || at + 2 > total)
			return VH_TAGS_ODD;
		n++;
	}
	return n;
}

static inline void vh_vlan_allow(struct vh_vlan *v, uint16_t id)
{
	v->allowed[id / 64] |= 1ULL << id % 64;
}

static inline bool vh_vlan_allows(const struct vh_vlan *v, uint16_t id)
{
	return (v->allowed[id / 64] >> id % 64 & 1) != 0;
}

#endif
