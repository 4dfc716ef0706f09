/*
 * What a well-behaved pair has left while a hostile front end is at work: short windows with and without it,
 * in turns, so that whatever else the machine does hits both alike. The ratio is the median of those of
 * neighbours.
 *
 * The rate is frames per second of processor time of the switch's workers: on a machine with fewer CPUs than
 * busy threads, frames per second of the clock say who was scheduled and nothing else. What a worker does for
 * the hostile guest is in its time; what it waits is not, and shows as the longest gap between two frames.
 */
#include "rate.h"
#include "hostile.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define A 1
#define B 2
#define WINDOW_NS 100000000ULL
#define MAX_WINDOWS 1000
#define PATIENCE_NS 10000000000ULL

static struct guest a, b;

static const char *pid; /* of the switch */

/* Reads the first number of a file below /proc/PID/task/TID. */
static uint64_t number_in(const char *tid, const char *file, char *text, size_t n)
{
	char path[300];
	FILE *f;
	uint64_t value = 0;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/%s", pid, tid, file);
	f = fopen(path, "re");
	if (f == NULL || fgets(text, (int)n, f) == NULL)
		text[0] = '\0';
	else
		value = strtoull(text, NULL, 10);
	if (f != NULL)
		fclose(f);
	return value;
}

/* Nanoseconds for which the switch's workers have run. */
static uint64_t worker_time(void)
{
	char path[64], text[100];
	uint64_t sum = 0;
	struct dirent *e;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks != NULL && (e = readdir(tasks)) != NULL) {
		number_in(e->d_name, "comm", text, sizeof(text));
		if (strncmp(text, "vh-worker", 9) == 0)
			sum += number_in(e->d_name, "schedstat", text, sizeof(text));
	}
	if (tasks != NULL)
		closedir(tasks);
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

int rate_compare(
	const char *path_a, const char *path_b, const char *switch_pid, const struct attacker *attacker)
{
	static double with[MAX_WINDOWS], without[MAX_WINDOWS], ratio[MAX_WINDOWS];
	uint64_t gap_with = 0, gap_without = 0;
	int n = 0, status;
	double w, wo;
	pid_t child;

	pid = switch_pid;
	pair_up(path_a, path_b);
	child = start(attacker);
	for (; n < MAX_WINDOWS && vu_now() + 2 * WINDOW_NS < attacker->until; n++) {
		attacker->turn(attacker, child, true);
		with[n] = window(&gap_with);
		attacker->turn(attacker, child, false);
		without[n] = window(&gap_without);
		ratio[n] = with[n] / without[n];
	}
	attacker->turn(attacker, child, true);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		hostile_fail("rate", "the hostile process failed");
	if (n == 0)
		hostile_fail("rate", "no window fits in the time");
	w = median(with, n);
	wo = median(without, n);
	printf("{\"windows\":%d,\"with\":%.3f,\"without\":%.3f,\"ratio\":%.3f,", n, w, wo, median(ratio, n));
	printf("\"gapMsWith\":%llu,\"gapMsWithout\":%llu}\n", (unsigned long long)gap_with / 1000000,
		(unsigned long long)gap_without / 1000000);
	guest_free(&a);
	guest_free(&b);
	return 0;
}
