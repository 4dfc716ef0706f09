/*
 * What a well-behaved pair has left while a hostile front end is at work: short windows with and without it,
 * in turns, so that whatever else the machine does hits both alike. The ratio is the median of those of
 * neighbours, of which those count during which the machine was ours.
 *
 * The rate is frames per second of processor time of the switch's workers: on a machine with fewer CPUs than
 * busy threads, frames per second of the clock say who was scheduled and nothing else. What a worker does for
 * the hostile guest is in its time; what it waits is not, and shows as the longest gap between two frames.
 */
#include "rate.h"
#include "cputime.h"
#include "../hostile/hostile.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define A 1
#define B 2
#define WINDOW_NS 100000000ULL
#define MAX_PAIRS 1000
/* A pair is disturbed when others took more than the fifth part of a processor: ticks say no less for
 * certain. */
#define FOREIGN_PART 5
/* How many times as long as was asked for undisturbed pairs are waited for. */
#define PATIENCE 3
#define PATIENCE_NS 10000000000ULL

static struct guest a, b;

static pid_t pid; /* of the switch */

/* Nanoseconds for which the switch's workers have run. */
static uint64_t worker_time(void)
{
	uint64_t sum = cputime_of(pid, "vh-worker");

	if (sum == 0)
		hostile_fail("rate", "the switch has no workers");
	return sum;
}

/* Offers the buffers that came back once more, as they are: a pair that wrote its frames anew would be slower
 * than the switch, and measure itself. */
static void send_again(void)
{
	struct ring *r = &a.ring[GUEST_TX];
	uint32_t ignored;

	while (ring_reap(r, &ignored))
		;
	while (ring_busy(r) < a.size) {
		uint32_t at = GUEST_BUFFERS_AT + (GUEST_TX * a.size + r->offered % a.size) * GUEST_BUFFER;

		ring_put(r, guest_gpa(at), GUEST_HEADER + GUEST_MIN_FRAME, false);
	}
	guest_kick(&a, GUEST_TX);
}

/* Millions of frames per second of the workers' time, over one window. */
static double window(uint64_t *gap)
{
	uint64_t begin = vu_now(), end = begin + WINDOW_NS, last = begin, now;
	uint64_t before = b.received, time = worker_time();

	do {
		uint32_t n = 0;

		for (int i = 0; i < 16; i++) {
			send_again();
			n += guest_receive(&b, 0);
			guest_receive(&a, 0);
		}
		now = vu_now();
		if (n > 0) {
			*gap = now - last > *gap ? now - last : *gap;
			last = now;
		}
		/* A worker that did not get a processor says nothing. */
	} while (now < end || (worker_time() - time < WINDOW_NS / 20 && now < begin + PATIENCE_NS));
	return (double)(b.received - before) * 1e3 / (double)(worker_time() - time);
}

static int compare(const void *x, const void *y)
{
	double d = *(const double *)x - *(const double *)y;

	return d < 0 ? -1 : d > 0;
}

static double median(double *list, int n)
{
	qsort(list, (size_t)n, sizeof(list[0]), compare);
	return list[n / 2];
}

/* Both guests up and known to the switch: frames to an unknown address would go to everybody. */
static void pair_up(const char *path_a, const char *path_b)
{
	uint64_t ignored = 0;

	if (!guest_make(&a, path_a, A, false, 1024) || !guest_make(&b, path_b, B, false, 1024) ||
		!guest_up(&a) || !guest_up(&b))
		hostile_fail("rate", "the pair does not come up");
	guest_send(&b, A, GUEST_MIN_FRAME, 1);
	guest_send(&a, B, GUEST_MIN_FRAME, a.size);
	window(&ignored);
}

static pid_t start(const struct attacker *attacker)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		attacker->run(attacker);
		_exit(0);
	}
	if (child < 0)
		hostile_fail("rate", "no process");
	return child;
}

/* Nanoseconds of processor time that went to nobody of ours. */
static int64_t foreign_time(pid_t child)
{
	return (int64_t)(cputime_machine() - cputime_of(pid, "") - cputime_of(child, "") -
			 cputime_of(getpid(), ""));
}

/* Two windows, one after the other. */
struct pair {
	double with, without;
	bool disturbed;
};

struct course {
	struct attacker *attacker;
	struct orders *orders;
	pid_t child;
	uint64_t gap_with, gap_without;
};

static void turn(const struct course *c, bool on)
{
	__atomic_store_n(&c->orders->on, on ? 1 : 0, __ATOMIC_RELAXED);
	if (c->attacker->turn != NULL)
		c->attacker->turn(c->child, on);
}

static struct pair one_pair(struct course *c)
{
	uint64_t begin = vu_now();
	int64_t foreign = foreign_time(c->child);
	struct pair p;

	turn(c, true);
	p.with = window(&c->gap_with);
	turn(c, false);
	p.without = window(&c->gap_without);
	foreign = foreign_time(c->child) - foreign;
	p.disturbed = foreign > (int64_t)((vu_now() - begin) / FOREIGN_PART);
	return p;
}

/* Prints what was measured; with too few pairs that nobody disturbed, of all of them. */
static void tell(const struct course *c, const struct pair *pairs, int n, int clean, bool enough)
{
	static double with[MAX_PAIRS], without[MAX_PAIRS], ratio[MAX_PAIRS];
	int used = 0;
	double w, wo;

	for (int i = 0; i < n; i++) {
		if (enough && pairs[i].disturbed)
			continue;
		with[used] = pairs[i].with;
		without[used] = pairs[i].without;
		ratio[used++] = pairs[i].with / pairs[i].without;
	}
	w = median(with, used);
	wo = median(without, used);
	printf("{\"pairs\":%d,\"undisturbed\":%d,\"with\":%.3f,\"without\":%.3f,\"ratio\":%.3f,", n, clean, w,
		wo, median(ratio, used));
	printf("\"gapMsWith\":%llu,\"gapMsWithout\":%llu}\n", (unsigned long long)c->gap_with / 1000000,
		(unsigned long long)c->gap_without / 1000000);
}

static void end(struct course *c)
{
	int status;

	__atomic_store_n(&c->orders->until, 0, __ATOMIC_RELAXED);
	turn(c, true);
	while (waitpid(c->child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		hostile_fail("rate", "the hostile process failed");
}

int rate_compare(const struct comparison *of, struct attacker *attacker)
{
	static struct pair pairs[MAX_PAIRS];
	uint64_t ns = strtoull(of->seconds, NULL, 0) * 1000000000ULL;
	struct course c = {.attacker = attacker};
	int n = 0, clean = 0, wanted = (int)(ns / (2 * WINDOW_NS));

	c.orders = mmap(NULL, sizeof(*c.orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c.orders == MAP_FAILED || wanted == 0)
		hostile_fail("rate", "no memory, or no time");
	attacker->orders = c.orders;
	pid = (pid_t)atoi(of->switch_pid);
	pair_up(of->path_a, of->path_b);
	c.orders->until = vu_now() + PATIENCE * ns;
	c.child = start(attacker);
	while (n < MAX_PAIRS && clean < wanted && vu_now() + 4 * WINDOW_NS < c.orders->until) {
		pairs[n] = one_pair(&c);
		clean += !pairs[n++].disturbed;
	}
	end(&c);
	if (n == 0)
		hostile_fail("rate", "no window fits in the time");
	tell(&c, pairs, n, clean, clean >= wanted);
	guest_free(&a);
	guest_free(&b);
	return 0;
}
