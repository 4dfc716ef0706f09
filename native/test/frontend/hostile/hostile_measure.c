/* Random attacks beside a well-behaved pair. */
#include "../vu/rate.h"
#include "hostile.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Steps per second of the hostile process; each is up to 32 spoilt words and a message. */
#define PACE 2000

static void play(const struct attacker *self)
{
	struct dice d = {.state = self->seed | 1ULL << 63};

	setpriority(PRIO_PROCESS, 0, RATE_NICE);
	hostile_play(self->path, &d, &self->orders->until, PACE);
}

static void stop_or_go(pid_t child, bool on)
{
	kill(child, on ? SIGCONT : SIGSTOP);
}

int hostile_measure(int argc, char **argv)
{
	struct comparison of = {
		.path_a = argv[0], .path_b = argv[1], .seconds = argv[2], .switch_pid = argv[5]};
	struct attacker attacker = {.run = play, .turn = stop_or_go, .path = argv[3]};

	(void)argc;
	attacker.seed = strtoull(argv[4], NULL, 0);
	return rate_compare(&of, &attacker);
}
