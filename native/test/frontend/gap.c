/*
 * gap refused|itself SOCKET_A SOCKET_B
 *
 * Two guests with packed rings whose connections end while their drivers run, by the switch (refused) or by
 * the front end. Says "gap" and waits for a line, while the switch may be another one's turn. Then they come
 * back as QEMU does, which knows only where the rings were started, and send to each other again.
 */
#include "flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS 40

static struct guest guests[2];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "gap: %s\n", what);
	exit(1);
}

static void flow(void)
{
	for (int i = 0; i < 2; i++)
		guests[i].received = 0;
	must(flow_both(&guests[0], &guests[1], TURNS), "the switch does not take frames");
	for (int i = 0; i < 2; i++)
		must(flow_settle(&guests[i], &guests[!i]), "the switch does not take frames any more");
	for (int i = 0; i < 2; i++) {
		must(guests[i].wrong == NULL, guests[i].wrong);
		must(guests[i].received > 0, "no frame arrived");
	}
}

static void end(struct guest *g, bool refused)
{
	static const struct vu_msg unknown = {.request = 99, .flags = VU_VERSION};

	if (refused)
		must(vu_send(g->sock, &unknown, NULL, 0) && vu_closed(g->sock, 5000), "it is not refused");
	guest_down(g);
}

static void come_back(struct guest *g)
{
	must(guest_negotiate(g) && guest_share(g, 1), "the switch does not take it again");
	for (uint32_t i = 0; i < 2; i++)
		must(guest_start_ring(g, i, ring_base(&g->ring[i], 0)), "a ring does not start again");
	must(guest_begun(g), "the rings are not served again");
}

int main(int argc, char **argv)
{
	char line[16];

	if (argc != 4) {
		fprintf(stderr, "usage: gap refused|itself SOCKET_A SOCKET_B\n");
		return 2;
	}
	/* A size that the turns above do not end a lap of. */
	for (uint8_t i = 0; i < 2; i++)
		must(guest_make(&guests[i], argv[2 + i], (uint8_t)(i + 1), true, 250) && guest_up(&guests[i]),
			"the switch does not take a guest");
	flow();
	for (int i = 0; i < 2; i++)
		end(&guests[i], strcmp(argv[1], "refused") == 0);
	printf("gap\n");
	fflush(stdout);
	must(fgets(line, sizeof(line), stdin) != NULL, "nobody says that it goes on");
	for (int i = 0; i < 2; i++)
		come_back(&guests[i]);
	flow();
	for (int i = 0; i < 2; i++)
		guest_free(&guests[i]);
	return 0;
}
