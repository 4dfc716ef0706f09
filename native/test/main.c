/*
 * Runs the tests, each in a process of its own with a time limit: whatever a test made, threads, memory and
 * descriptors, is gone with it, and one that crashes or hangs is one failed test.
 *
 *   run [--concurrent] [--seed N] [--results FILE] [NAME...]
 */
#include "rig/check.h"
#include "rig/rig.h"
#include "tests.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_SECONDS 120

/* Shared with the tests' processes: how often each drop reason was seen. */
static uint64_t *fired;

static const struct test {
	const char *name;
	void (*run)(void);
	bool concurrent;
	int rings;
} tests[] = {
#define VH_TEST_ENTRY(name, concurrent, rings) {#name, test_##name, concurrent, rings},
	VH_TESTS(VH_TEST_ENTRY)
#undef VH_TEST_ENTRY
};

/* What a test runs on, one after the other. */
static const struct ring {
	const char *name; /* behind the test's */
	int kind;
	uint64_t features;
} rings[] = {
	{"", NONE, 0},
	{"/split", SPLIT, 0},
	{"/split-in-order", SPLIT, VH_F_IN_ORDER},
	{"/packed", PACKED, VH_F_RING_PACKED},
	{"/packed-in-order", PACKED, VH_F_RING_PACKED | VH_F_IN_ORDER},
};

void note_drops(const struct vh_counters *c)
{
	for (uint32_t i = 0; i < VH_DROP_COUNT; i++)
		__atomic_fetch_add(&fired[i], c->drops[i], __ATOMIC_RELAXED);
}

void test_last_every_drop_reason_fired(void)
{
	for (uint32_t i = 0; i < VH_DROP_COUNT; i++)
		if (fired[i] == 0)
			check_failed(__FILE__, __LINE__, "no test exercised %s", vh_drop_name(i));
	REQUIRE(vh_drop_name(VH_DROP_COUNT) == NULL);
}

static uint64_t hash(const char *s, uint64_t h)
{
	while (*s != '\0')
		h = (h ^ (uint8_t)*s++) * 0x100000001b3ULL;
	return h;
}

/* Return: whether the test passed; if not, *why. */
static bool run_one(const struct test *t, const struct ring *ring, uint64_t seed, const char **why)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LIMIT_SECONDS);
		test_rng = rng_of(hash(ring->name, hash(t->name, seed)));
		test_ring = ring->features;
		t->run();
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		*why = "no process";
		return false;
	}
	*why = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "sanitizer report";
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Names choose a test on all its rings, or on one of them. */
static bool chosen(const struct test *t, const struct ring *ring, bool concurrent, char *const names[])
{
	size_t n = strlen(t->name);

	if ((concurrent && !t->concurrent) || (t->rings & ring->kind) != ring->kind ||
		(t->rings == NONE) != (ring->kind == NONE))
		return false;
	for (int i = 0; names[i] != NULL; i++)
		if (strncmp(names[i], t->name, n) == 0 &&
			(names[i][n] == '\0' || strcmp(names[i] + n, ring->name) == 0))
			return true;
	return names[0] == NULL;
}

struct tally {
	uint32_t passed, failed;
};

static void run_and_tell(const struct test *t, const struct ring *ring, uint64_t seed, struct tally *tally)
{
	double start = seconds();
	const char *why;

	if (run_one(t, ring, seed, &why)) {
		printf("ok   %s%s (%.1f s)\n", t->name, ring->name, seconds() - start);
		tally->passed++;
	} else {
		printf("FAIL %s%s: %s; repeat with --seed %" PRIu64 " %s%s\n", t->name, ring->name, why, seed,
			t->name, ring->name);
		tally->failed++;
	}
}

static bool run_all(bool concurrent, uint64_t seed, char *const names[], const char *results)
{
	struct tally tally = {0};
	FILE *f;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		for (size_t k = 0; k < sizeof(rings) / sizeof(rings[0]); k++)
			if (chosen(&tests[i], &rings[k], concurrent, names))
				run_and_tell(&tests[i], &rings[k], seed, &tally);
	printf("%u passed, %u failed\n", tally.passed, tally.failed);
	if (results != NULL && (f = fopen(results, "a")) != NULL) {
		fprintf(f, "%u passed, %u failed\n", tally.passed, tally.failed);
		fclose(f);
	}
	return tally.failed == 0 && tally.passed > 0;
}

int main(int argc, char **argv)
{
	const char *results = NULL;
	bool concurrent = false;
	uint64_t seed;
	int i = 1;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return 2;
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--concurrent") == 0)
			concurrent = true;
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--results") == 0 && i + 1 < argc)
			results = argv[++i];
		else
			return fprintf(stderr, "unknown argument %s\n", argv[i]), 2;
	}
	fired = mmap(NULL, VH_DROP_COUNT * sizeof(*fired), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	if (fired == MAP_FAILED)
		return 2;
	return run_all(concurrent, seed, argv + i, results) ? 0 : 1;
}
