/* Checksums and segments in the fuzz target. */
#ifndef VH_FUZZ_RIG_OFFLOADS_H
#define VH_FUZZ_RIG_OFFLOADS_H

#include "pair.h"

#define ALL_OFFLOADS (VH_F_SENDER_OFFLOADS | VH_F_RECEIVER_OFFLOADS)

/* From now on frames are finished for receivers that do not take them as they are. */
void finish_frames(void);
/* A frame of `len` bytes came with a header that makes sense for it, and that the guest has agreed to. */
void require_header(const struct guest *g, const struct vh_virtio_header *h, uint32_t len);
/* An unfinished frame from guest 2 to the hostile guest: received, in whole or in pieces, or counted. */
void send_unfinished(struct input *in);

#endif
