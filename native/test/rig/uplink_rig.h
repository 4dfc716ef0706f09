/* An uplink that is nothing but two lists of frames, as a port of a rig. */
#ifndef VH_TEST_RIG_UPLINK_RIG_H
#define VH_TEST_RIG_UPLINK_RIG_H

#include "rig.h"

#define UPLINK_FRAMES 512
#define UPLINK_ROOM 2048

struct uplink_frame {
	uint32_t len;
	/* Of frames that went out: by which queue, and what was left to the card. */
	uint16_t queue;
	uint32_t unfinished;
	struct vh_offload offload;
	uint8_t data[UPLINK_ROOM];
};

struct uplink_rig {
	struct vh_port port; /* first: the operations find the rest by it */
	struct vh_vq rx[1], tx[1];
	struct rig *rig;
	/* Frames that the network sends, from `taken` on; those that the switch holds are not inaccessible
	 * yet. */
	uint32_t n_in, taken;
	struct uplink_frame *in[UPLINK_FRAMES];
	bool given_back[UPLINK_FRAMES];
	/* Frames that went out, from `read` on, at most `room` of them. */
	uint32_t n_out, read, room;
	struct uplink_frame out[UPLINK_FRAMES];
	bool checks;  /* as a card that finds every frame's checksum right */
	bool refuses; /* as a card that finishes none of the frames that rx_offloads names */
	/* Called before frames are copied out: a guest that changes them at the worst moment. */
	void (*meanwhile)(void *context);
	void *context;
};

/* Makes uplink number `i` of the rig; uplink_free() before rig_free(). */
struct uplink_rig *uplink_new(struct rig *r, uint32_t i);
void uplink_free(struct uplink_rig *u);

/* The network sends a frame; the switch has not seen it yet. */
void uplink_arrive(struct uplink_rig *u, const void *frame, uint32_t len);
/* Polls it until it is empty or `rounds` are over. Return: frames completed. */
uint32_t uplink_poll(struct uplink_rig *u, uint32_t rounds);
/* The next frame that went out. Return: its length, or GUEST_NOTHING. */
int32_t uplink_sent(struct uplink_rig *u, void *out);
/* Frames that the switch has taken and not given back. */
uint32_t uplink_lent(const struct uplink_rig *u);
uint64_t uplink_drops(const struct uplink_rig *u, enum vh_drop reason);

#endif
