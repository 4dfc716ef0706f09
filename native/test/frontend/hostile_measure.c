/* Random attacks beside a well-behaved pair. */
#include "rate.h"
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
	hostile_play(self->path, &d, self->until, PACE);
}

static void stop_or_go(const struct attacker *self, pid_t child, bool on)
{
	(void)self;
	kill(child, on ? SIGCONT : SIGSTOP);
}

int hostile_measure(int argc, char **argv)
{
	struct attacker attacker = {.run = play, .turn = stop_or_go, .path = argv[3]};

	(void)argc;
	attacker.until = vu_now() + strtoull(argv[2], NULL, 0) * 1000000000ULL;
	attacker.seed = strtoull(argv[4], NULL, 0);
	return rate_compare(argv[0], argv[1], argv[5], &attacker);
}
