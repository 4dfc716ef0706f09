/* The guests of the fuzz target, and what must hold for the two that are honest. */
#ifndef VH_FUZZ_RIG_PAIR_H
#define VH_FUZZ_RIG_PAIR_H

#include "../../test/rig/rig.h"

/* Guest 0 is hostile; 1 and 2 are the pair that must not notice. */
extern struct rig *r;

/* Ends what waits on the hostile guest's transmit queue, as the control thread does. */
void flush_hostile(void);
/* Polls a guest of the pair until nothing waits any more, which is after a bounded number of tries. */
void settle(uint32_t i);
/* Takes away what arrived at guest `i` of the pair, whatever it is, and offers buffers again. */
void drain(uint32_t i);

/* What is to be done to a frame of `total` bytes makes sense, whatever its sender asked for. */
void require_offload(const struct vh_offload *o, uint32_t total);
/* A frame of `len` bytes came with a header that makes sense for it, and that the guest has agreed to. */
void require_header(const struct guest *g, const struct vh_virtio_header *h, uint32_t len);

#endif
