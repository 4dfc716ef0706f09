/* The steps that an input of the fuzzer is made of. */
#ifndef VH_FUZZ_RIG_PAIR_H
#define VH_FUZZ_RIG_PAIR_H

#include "input.h"
#include "../../test/rig/rig.h"

/* Guest 0 is hostile; 1 and 2 are the pair that must not notice. */
extern struct rig *r;

/* Does what the next bytes of the input say. */
void step(struct input *in);
/* Ends what waits on the hostile guest's transmit queue, as the control thread does. */
void flush_hostile(void);
/* Polls a guest of the pair until nothing waits any more, which is after a bounded number of tries. */
void settle(uint32_t i);
/* Takes away what arrived at guest `i` of the pair, whatever it is, and offers buffers again. */
void drain(uint32_t i);

#endif
