/* The steps that an input of the fuzzer is made of. */
#ifndef VH_FUZZ_STEPS_H
#define VH_FUZZ_STEPS_H

#include "input.h"
#include "../test/rig.h"

/* Guest 0 is hostile; 1 and 2 are the pair that must not notice. */
extern struct rig *r;

/* Does what the next bytes of the input say. */
void step(struct input *in);
/* Takes away what arrived at guest `i` of the pair, whatever it is, and offers buffers again. */
void drain(uint32_t i);

#endif
