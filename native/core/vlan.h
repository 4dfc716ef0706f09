/*
 * VLANs: what a port's guest may send and gets to see. Inside of the switch a frame belongs to one VLAN, 0
 * for none; that and its address are its key in the table.
 *
 *   none        frames pass as they are, tagged or not: their own tag is their VLAN
 *   auto        the original's scheme: the guest knows of no VLANs, and all such guests share VLAN 0; towards
 *               uplinks its frames carry tag 1000 + device number, and of what comes from there it gets what
 *               carries just that tag
 *   access N    the guest knows of no VLANs, and is in N
 *   trunk       the guest's own tags (0: untagged frames), of which it may use those on a list
 */
#ifndef VH_CORE_VLAN_H
#define VH_CORE_VLAN_H

#include "defs.h"

/* The original's scheme: a device's VLAN tag towards the network is 1000 + its number. */
#define VH_VLAN_TAG_BASE 1000
#define VH_VLANS 4096

enum vh_vlan_mode { VH_VLAN_NONE, VH_VLAN_AUTO, VH_VLAN_ACCESS, VH_VLAN_TRUNK };

struct vh_vlan {
	enum vh_vlan_mode mode;
	bool keep_tag;			 /* auto: the guest gets its frames from uplinks with the tag */
	uint16_t id;			 /* access: the VLAN */
	uint64_t allowed[VH_VLANS / 64]; /* trunk: a bit for each */
};

static inline void vh_vlan_allow(struct vh_vlan *v, uint16_t id)
{
	v->allowed[id / 64] |= 1ULL << id % 64;
}

static inline bool vh_vlan_allows(const struct vh_vlan *v, uint16_t id)
{
	return (v->allowed[id / 64] >> id % 64 & 1) != 0;
}

#endif
