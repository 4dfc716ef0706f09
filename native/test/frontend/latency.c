/*
 * latency SOCKET_A SOCKET_B FRAMES IDLE_US
 *
 * How long one frame takes from guest to guest after nothing went on for IDLE_US: from the moment the sender
 * begins to offer it until the receiver, which never looks away, has it. Prints one JSON object.
 */
#include "vu/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define A 1
#define B 2
#define MAX_FRAMES 100000
#define PATIENCE_NS 10000000000ULL

static struct guest a, b;

static void fail(const char *what)
{
	fprintf(stderr, "latency: %s\n", what);
	exit(1);
}

static int compare(const void *x, const void *y)
{
	uint64_t p = *(const uint64_t *)x, q = *(const uint64_t *)y;

	return p < q ? -1 : p > q;
}

/* Sends one frame and waits for it. Return: nanoseconds. */
static uint64_t one(struct guest *from, struct guest *to)
{
	uint64_t begin = vu_now();

	if (guest_send(from, to->id, GUEST_MIN_FRAME, 1) != 1)
		fail("the switch does not take frames");
	while (guest_receive(to, from->id) == 0)
		if (vu_now() > begin + PATIENCE_NS)
			fail("a frame does not arrive");
	return vu_now() - begin;
}

int main(int argc, char **argv)
{
	static uint64_t took[MAX_FRAMES];
	uint64_t idle_ns;
	uint32_t n;

	if (argc != 5) {
		fprintf(stderr, "usage: latency SOCKET_A SOCKET_B FRAMES IDLE_US\n");
		return 2;
	}
	n = (uint32_t)strtoul(argv[3], NULL, 10);
	idle_ns = strtoull(argv[4], NULL, 10) * 1000;
	if (n == 0 || n > MAX_FRAMES)
		fail("a number of frames that there is no room for");
	if (!guest_make(&a, argv[1], A, false, 256) || !guest_make(&b, argv[2], B, false, 256) ||
		!guest_up(&a) || !guest_up(&b))
		fail("the guests do not come up");
	/* Both addresses known: the first frame of each goes everywhere. */
	one(&b, &a);
	one(&a, &b);
	for (uint32_t i = 0; i < n; i++) {
		struct timespec idle = {
			.tv_sec = (time_t)(idle_ns / 1000000000), .tv_nsec = (long)(idle_ns % 1000000000)};

		nanosleep(&idle, NULL);
		took[i] = one(&a, &b);
	}
	if (a.wrong != NULL || b.wrong != NULL)
		fail(a.wrong != NULL ? a.wrong : b.wrong);
	qsort(took, n, sizeof(took[0]), compare);
	printf("{\"frames\":%u,\"medianUs\":%.2f,\"p90Us\":%.2f}\n", n, (double)took[n / 2] / 1e3,
		(double)took[n - 1 - n / 10] / 1e3);
	guest_free(&a);
	guest_free(&b);
	return 0;
}
