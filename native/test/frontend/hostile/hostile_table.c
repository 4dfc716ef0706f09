/* Front ends that take every descriptor the switch may have open. */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST 64

/* Has the switch hold as many descriptors as one may bring. Return: whether it does. */
static bool take_many(struct guest *g, uint32_t regions)
{
	if (guest_negotiate(g) && guest_share(g, regions) && guest_start_ring(g, GUEST_RX, 0) &&
		guest_start_ring(g, GUEST_TX, 0))
		return true;
	guest_down(g);
	return false;
}

static bool take_one(struct guest *g)
{
	uint64_t features;

	g->sock = vu_connect(g->path);
	if (g->sock >= 0 && vu_get(g->sock, VU_GET_FEATURES, &features))
		return true;
	guest_down(g);
	return false;
}

/*
 * One front end for each port, that takes what it gets. Says how many had memory, were only connected, and
 * were turned away; once told, it lets go of everything, and the switch must take a guest again.
 */
int hostile_table(int argc, char **argv)
{
	static struct guest g[MOST];
	static char path[MOST][128];
	uint32_t full = 0, bare = 0, none = 0, n = (uint32_t)atoi(argv[1]);
	char line[16];
	uint64_t until;

	(void)argc;
	if (n == 0 || n > MOST)
		hostile_fail("table", "how many ports?");
	for (uint32_t i = 0; i < n; i++) {
		bool taken = false;

		snprintf(path[i], sizeof(path[i]), "%s/%u", argv[0], i);
		if (!guest_make(&g[i], path[i], EVIL, false, 64))
			hostile_fail("table", "no memory");
		for (uint32_t regions = VU_MAX_FDS; regions > 0 && !taken; regions /= 2)
			taken = take_many(&g[i], regions);
		if (taken)
			full++;
		else if (take_one(&g[i]))
			bare++;
		else
			none++;
	}
	printf("{\"full\":%u,\"bare\":%u,\"none\":%u}\n", full, bare, none);
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		hostile_fail("table", "nobody says that it goes on");
	for (uint32_t i = 0; i < n; i++)
		guest_down(&g[i]);
	/* The switch may see the new one before it has seen all others leave: a QEMU that is turned away
	 * comes again. */
	until = vu_now() + 20000000000ULL;
	while (!guest_up(&g[n - 1])) {
		if (vu_now() > until)
			hostile_fail("table", "no guest is taken afterwards");
		guest_down(&g[n - 1]);
	}
	return 0;
}
