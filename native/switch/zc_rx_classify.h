/*
 * Frames that a card has put into a guest's buffer, by a queue that is this guest's (VMDq): whether they are
 * its, and in what form. The rules are those of vlan_rules.h for frames from uplinks; but as the frame is in
 * guest memory by now, it goes to that guest or to nobody, and what it says is believed less.
 */
#ifndef VH_SWITCH_ZC_RX_CLASSIFY_H
#define VH_SWITCH_ZC_RX_CLASSIFY_H

#include "switch.h"

/* Destination and source, EtherType, tag, EtherType: as much as is looked at. */
#define VH_LANDED_FRONT (VH_MIN_FRAME + 4U)

/* A frame of a card's, with what the card said of it. */
struct vh_landed {
	const struct vh_port *from, *to;
	uint8_t *data; /* in guest memory */
	uint32_t len;
	bool stripped; /* the card has taken the tag off: it is `tag` */
	uint16_t tag;  /* all 16 bits */
	uint32_t now;  /* seconds of the address table */
};

/* What a frame is for its guest. */
struct vh_landing {
	enum vh_drop drop;    /* VH_DROP_COUNT: it is the guest's */
	bool copy;	      /* a group frame that another queue has too: it is dropped and not counted */
	bool tagged, has_tag; /* whether the guest gets it with its tag; whether that stands in the frame */
	uint16_t tag;
	uint8_t front[VH_LANDED_FRONT]; /* read once */
};

/* Judges a frame of VH_MIN_FRAME bytes at least, and learns who sent it. */
struct vh_landing vh_landed_judge(struct vh_switch *sw, const struct vh_landed *f);

/*
 * Makes the frame at f->data stand at `to`, in the same buffer and up to four bytes before, as its guest gets
 * it. Return: its length.
 */
uint32_t vh_landed_shape(const struct vh_landed *f, const struct vh_landing *l, uint8_t *to);

#endif
