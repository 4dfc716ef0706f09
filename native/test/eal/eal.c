#include "eal.h"
#include "../rig/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <rte_eal.h>

void eal_start(const char *name, const char *vdev)
{
	char program[32], prefix[64], device[64];
	char *args[] = {program, "--no-huge", "-m", "64", "--no-pci", "--iova-mode=va", "--no-shconf",
		"--no-telemetry", "--log-level=4", prefix, device};
	int n = sizeof(args) / sizeof(args[0]);

	snprintf(program, sizeof(program), "%s", name);
	snprintf(prefix, sizeof(prefix), "--file-prefix=vh-%s", name);
	snprintf(device, sizeof(device), "--vdev=%s", vdev != NULL ? vdev : "");
	REQUIRE(rte_eal_init(vdev != NULL ? n : n - 1, args) >= 0);
}

int eal_test(const char *name, const char *vdev, void (*test)(void), int argc, char **argv)
{
	char program[32];
	uint64_t seed;
	FILE *results;

	REQUIRE(getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed));
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	test_rng = rng_of(seed);
	printf("%s, seed %llu\n", name, (unsigned long long)seed);
	fflush(stdout);
	snprintf(program, sizeof(program), "test-%s", name);
	eal_start(program, vdev);
	test();
	printf("ok   %s\n1 passed, 0 failed\n", name);
	results = argc > 1 ? fopen(argv[1], "a") : NULL;
	if (results != NULL) {
		fprintf(results, "1 passed, 0 failed\n");
		fclose(results);
	}
	return 0;
}
