/* Runs each test in a process of its own: run [--seed N] [--results FILE] [NAME...] */
#include "../rig/check.h"
#include "tests.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_SECONDS 120

char test_dir[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define VH_CUSE_ENTRY(name) {#name, test_##name},
	VH_CUSE_TESTS(VH_CUSE_ENTRY)
#undef VH_CUSE_ENTRY
};

static bool passes(void (*run)(void), uint64_t seed)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	strcpy(test_dir, "/tmp/vhost-host-test-XXXXXX");
	if (mkdtemp(test_dir) == NULL)
		return false;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LIMIT_SECONDS);
		test_rng = rng_of(seed);
		run();
		exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	nftw(test_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool chosen(const char *name, char *const names[])
{
	for (int i = 0; names[i] != NULL; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return names[0] == NULL;
}

int main(int argc, char **argv)
{
	const char *results = NULL;
	unsigned int passed = 0, failed = 0;
	uint64_t seed;
	FILE *f;
	int i = 1;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return 2;
	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--results") == 0)
			results = argv[i + 1];
	}
	for (size_t k = 0; k < sizeof(tests) / sizeof(tests[0]); k++) {
		bool ok;

		if (!chosen(tests[k].name, argv + i))
			continue;
		ok = passes(tests[k].run, seed);
		printf(ok ? "ok   cuse/%s\n" : "FAIL cuse/%s; repeat with --seed %llu %s\n", tests[k].name,
			(unsigned long long)seed, tests[k].name);
		passed += ok;
		failed += !ok;
	}
	printf("%u passed, %u failed\n", passed, failed);
	if (results != NULL && (f = fopen(results, "a")) != NULL) {
		fprintf(f, "%u passed, %u failed\n", passed, failed);
		fclose(f);
	}
	return failed == 0 && passed > 0 ? 0 : 1;
}
