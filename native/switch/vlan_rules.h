/*
 * Sorting where more counts than addresses: frames from uplinks, VLAN modes (vlan.h), and guests that must
 * not talk to each other directly. Part of the data path; forward.c alone uses it.
 *
 * Theory of operation
 *   A frame is classified once: its VLAN, what it looks like where tags are wanted and where they are not,
 * and the one guest it is meant for, if its tag says so. Every port that it might go to is then asked for the
 * form in which it takes the frame, if it does. A form other than "as it came" is made at its first use: a
 * front of our own, and behind it the sender's bytes where they are, so that there is still one copy.
 *
 *   Guests to uplinks: what no guest is known to have, and every broadcast. Uplinks to guests: what a guest
 * is known to have, and broadcasts; the rest is unknown unicast, dropped unless the uplink is to flood it.
 * Uplinks never get frames from uplinks: the switch is an edge of the network, and cannot become a loop in
 * it.
 *
 *   What comes back from an uplink with the tag of the very guest whose address is its source is dropped:
 * cards and networks may return group frames to where they came from.
 *
 *   Where a card switches between guests (vh_switch.card), a frame to a guest that the card knows goes out
 * under that guest's tag, and comes back by that guest's queue. Everything else is as without: group frames
 * are ours to copy to guests, since the tag under which they go out to the network is their sender's own.
 *
 * Trust
 *   A guest may change a frame while we read it. Where either its sender or its receiver may not have every
 * tag, what is delivered begins with our own copy, as far as the EtherType behind the last tag, which was
 * read once and judged; and no checksum that is still missing belongs there. So what a receiver or an uplink
 * finds in a frame, however many tags it takes off, is what the sender may send and the receiver may get.
 */
#ifndef VH_SWITCH_VLAN_RULES_H
#define VH_SWITCH_VLAN_RULES_H

#include "switch.h"

/* Puts the frames of a round on their lists; r->batch holds them. */
void vh_sort_by_rules(struct vh_switch *sw, struct vh_lane *lane, struct vh_round *r, struct vh_port *port,
	struct vh_vq *vq);

#endif
