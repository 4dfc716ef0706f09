/* The frame of a test program that has DPDK: EAL without hugepages and cards, a seed, a result. */
#ifndef VH_TEST_EAL_H
#define VH_TEST_EAL_H

/*
 * main() of such a program, whose arguments are [RESULTS [SEED]]: starts EAL, seeds test_rng, runs `test` and
 * adds a line to the file RESULTS. vdev: a virtual device to start with, or NULL. Return: the exit code; what
 * fails ends the program (check.h).
 */
int eal_test(const char *name, const char *vdev, void (*test)(void), int argc, char **argv);

#endif
