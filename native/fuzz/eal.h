/* Starts EAL for a fuzz target: no hugepages, no cards. */
#ifndef VH_FUZZ_EAL_H
#define VH_FUZZ_EAL_H

#include "../test/check.h"

#include <stdio.h>
#include <unistd.h>
#include <rte_eal.h>

/* vdev: an argument of EAL's that names a virtual device, or NULL. Each process has files of its own. */
static inline void fuzz_eal(char *vdev)
{
	char prefix[64];
	char *args[] = {"fuzz", "--no-huge", "-m", "64", "--no-pci", "--iova-mode=va", "--no-shconf",
		"--no-telemetry", "--log-level=4", prefix, vdev};
	int n = sizeof(args) / sizeof(args[0]);

	snprintf(prefix, sizeof(prefix), "--file-prefix=vh-fuzz-%d", (int)getpid());
	REQUIRE(rte_eal_init(vdev != NULL ? n : n - 1, args) >= 0);
}

#endif
