/* Starts EAL for a fuzz target. */
#ifndef VH_FUZZ_RIG_EAL_H
#define VH_FUZZ_RIG_EAL_H

#include "../../test/rig/check.h"
#include "../../test/eal/eal.h"

#include <stdio.h>
#include <unistd.h>

/* As eal_start(); several processes of a target may run. */
static inline void fuzz_eal(const char *vdev)
{
	char name[32];

	snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
	eal_start(name, vdev);
}

#endif
