/*
 * hostile PART ARGUMENTS...
 *
 * Front ends and guests that mean harm. Each part does one kind and checks what it can see from its side:
 * that its connection is ended where it must be, that the port takes the next one, and that others are not
 * kept waiting. What the switch says about it is for the tests that run this program.
 */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t dice_roll(struct dice *d)
{
	d->state ^= d->state >> 12;
	d->state ^= d->state << 25;
	d->state ^= d->state >> 27;
	return d->state * 0x2545f4914f6cdd1dULL;
}

void hostile_fail(const char *attack, const char *what)
{
	fprintf(stderr, "hostile: %s: %s\n", attack, what);
	exit(1);
}

static const struct {
	const char *name, *arguments;
	int count;
	int (*run)(int argc, char **argv);
} parts[] = {
	{"protocol", "SOCKET", 1, hostile_protocol},
	{"fds", "SOCKET MESSAGES", 2, hostile_fds},
	{"table", "DIRECTORY PORTS", 2, hostile_table},
	{"silent", "SOCKET OTHER_SOCKET", 2, hostile_silent},
	{"log", "SOCKET PARTNER_SOCKET", 2, hostile_log},
	{"memory", "SOCKET split|packed ROUNDS", 3, hostile_memory},
	{"eventfd", "SOCKET VICTIM_SOCKET", 2, hostile_eventfd},
	{"flip", "SOCKET VICTIM_SOCKET", 2, hostile_flip},
	{"kinds", "SOCKET OTHER_SOCKET", 2, hostile_kinds},
	{"closing", "SOCKET OTHER_SOCKET", 2, hostile_closing},
	{"rings", "SOCKET split|packed PARTNER_SOCKET", 3, hostile_rings},
	{"removed", "SOCKET split|packed PEER_SOCKET", 3, hostile_removed},
	{"iommu", "SOCKET split|packed PARTNER_SOCKET", 3, hostile_iommu},
	{"random", "SOCKET SECONDS SEED", 3, hostile_random},
	{"measure", "SOCKET_A SOCKET_B SECONDS EVIL_SOCKET SEED SWITCH_PID", 6, hostile_measure},
	{"flips", "SOCKET_A SOCKET_B SECONDS EVIL_SOCKET SWITCH_PID", 5, hostile_flips},
	{"watches", "SOCKET_A SOCKET_B SECONDS EVIL_SOCKET WATCHES SWITCH_PID", 6, hostile_watches},
	{"chains", "SOCKET_A SOCKET_B SECONDS EVIL_SOCKET SWITCH_PID", 5, hostile_chains},
	{"full", "SOCKET_A SOCKET_B SECONDS FROM_SOCKET TO_SOCKET dead|slow SWITCH_PID", 7, hostile_full},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc > 1 && strcmp(argv[1], parts[i].name) == 0 && argc - 2 == parts[i].count)
			return parts[i].run(argc - 2, argv + 2);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		fprintf(stderr, "usage: hostile %s %s\n", parts[i].name, parts[i].arguments);
	return 2;
}
