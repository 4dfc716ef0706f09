#include "rarp.h"
#include "../runtime/worker.h"

#include <stdlib.h>
#include <string.h>

/* The shortest that Ethernet carries, without its checksum. */
#define FRAME 60

/* "Who knows my protocol address?" (RFC 903), to all; nobody answers, but all learn. */
static void fill(uint8_t *f, const uint8_t *mac)
{
	static const uint8_t request[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};

	memset(f, 0, FRAME);
	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	memcpy(f + 12, request, sizeof(request));
	memcpy(f + 22, mac, 6);
	memcpy(f + 32, mac, 6);
}

void vh_announce(struct vh_switch *sw, struct vh_port *port, uint64_t address)
{
	/* Large, seldom needed, and hardly touched. */
	struct vh_lane *lane = calloc(1, sizeof(*lane));
	uint8_t frame[FRAME], mac[6];

	if (lane == NULL)
		return;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)(address >> 8 * i);
	fill(frame, mac);
	vh_lane_init(lane, VH_ANNOUNCE_COUNTERS);
	lane->now = vh_workers_now();
	vh_workers_join();
	vh_switch_inject(sw, lane, port, frame, FRAME);
	vh_workers_leave();
	free(lane);
}
