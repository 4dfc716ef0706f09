#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct rng test_rng = {.state = 1};
uint64_t test_ring;

bool test_full(void)
{
	return getenv("VHOST_HOST_TEST_FULL") != NULL;
}

void check_failed(const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}
