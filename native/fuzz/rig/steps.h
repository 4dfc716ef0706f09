/* The steps that an input of the fuzzer is made of. */
#ifndef VH_FUZZ_RIG_STEPS_H
#define VH_FUZZ_RIG_STEPS_H

#include "input.h"

/* Does what the next bytes of the input say. */
void step(struct input *in);

#endif
