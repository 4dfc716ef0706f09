/* The frame of a test program that has DPDK: EAL without hugepages and cards, a seed, a result. */
#ifndef VH_TEST_EAL_H
#define VH_TEST_EAL_H

/* SOCKET_ID_ANY as those calls want it that take a socket without a sign. */
#define ANY_SOCKET ((unsigned int)SOCKET_ID_ANY)

/*
 * Starts EAL. name: of the program, and of the files that it has besides; no two that run have the same.
 * vdev: a virtual device to start with, or NULL.
 */
void eal_start(const char *name, const char *vdev);

/*
 * main() of such a program, whose arguments are [RESULTS [SEED]]: starts EAL, seeds test_rng, runs `test` and
 * adds a line to the file RESULTS. vdev: as above. Return: the exit code; what
 * fails ends the program (check.h).
 */
int eal_test(const char *name, const char *vdev, void (*test)(void), int argc, char **argv);

#endif
