/* Checksums and segments in the fuzz target. */
#ifndef VH_FUZZ_RIG_OFFLOADS_H
#define VH_FUZZ_RIG_OFFLOADS_H

#include "input.h"
#include "../../virtio/offload.h"

#define ALL_OFFLOADS (VH_F_SENDER_OFFLOADS | VH_F_RECEIVER_OFFLOADS)

/* From now on frames are finished for receivers that do not take them as they are. */
void finish_frames(void);
/* An unfinished frame from guest 2 to the hostile guest: received, in whole or in pieces, or counted. */
void send_unfinished(struct input *in);

#endif
