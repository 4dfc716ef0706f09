/*
 * partway SOCKET STAGE
 *
 * A front end, with its guest, that comes as far as STAGE and stays there: says "there", and goes when its
 * input ends. Or "asks": it hears how many queues there are and leaves, five times, as QEMU does that wants
 * more.
 */
#include "vu/guest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct guest g;

static bool fence(void)
{
	uint64_t ignored;

	return vu_get(g.sock, VU_GET_FEATURES, &ignored);
}

static bool connected(void)
{
	g.sock = vu_connect(g.path);
	return g.sock >= 0 && fence();
}

static bool features(void)
{
	return guest_negotiate(&g) && fence();
}

static bool memory(void)
{
	return guest_negotiate(&g) && guest_share(&g, 1);
}

/* QEMU's order: a queue's size comes before what it cannot say without VHOST_USER_PROTOCOL_F_CROSS_ENDIAN. */
static bool legacy(void)
{
	return connected() && vu_u64(g.sock, VU_SET_FEATURES, VU_F_PROTOCOL) && guest_share(&g, 1) &&
	       vu_state(g.sock, VU_SET_VRING_NUM, GUEST_RX, g.size) && fence();
}

static bool start(uint32_t ring)
{
	return guest_start_ring(&g, ring, ring_base(&g.ring[ring], 0));
}

static bool both(void)
{
	return memory() && start(GUEST_RX) && start(GUEST_TX);
}

static bool disabled(void)
{
	return both() && vu_state_ack(g.sock, VU_SET_VRING_ENABLE, GUEST_RX, 0) &&
	       vu_state_ack(g.sock, VU_SET_VRING_ENABLE, GUEST_TX, 0);
}

static bool sends(void)
{
	return memory() && start(GUEST_TX);
}

static bool receives(void)
{
	return memory() && start(GUEST_RX);
}

static bool empty(void)
{
	struct ring *r = &g.ring[GUEST_RX];

	ring_init(r, g.packed, g.size, g.memory + GUEST_RINGS_AT);
	return both();
}

static bool asks(void)
{
	uint64_t pairs;

	for (int i = 0; i < 5; i++) {
		if (!connected() || !vu_get(g.sock, VU_GET_PROTOCOL_FEATURES, &pairs) ||
			!vu_u64(g.sock, VU_SET_PROTOCOL_FEATURES, VU_P_MQ) ||
			!vu_get(g.sock, VU_GET_QUEUE_NUM, &pairs))
			return false;
		guest_down(&g);
	}
	return true;
}

static const struct {
	const char *name;
	bool (*reach)(void);
} stages[] = {
	{"connected", connected},
	{"features", features},
	{"memory", memory},
	{"legacy", legacy},
	{"disabled", disabled},
	{"sends", sends},
	{"receives", receives},
	{"empty", empty},
	{"all", both},
	{"asks", asks},
};

static int stay(const char *stage)
{
	char byte;

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		if (strcmp(stage, stages[i].name) != 0)
			continue;
		if (!stages[i].reach()) {
			fprintf(stderr, "partway: %s: the switch does not go along\n", stage);
			return 1;
		}
		puts("there");
		fflush(stdout);
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		return 0;
	}
	return 2;
}

int main(int argc, char **argv)
{
	int code = 2;

	if (argc == 3 && guest_make(&g, argv[1], 1, false, 256)) {
		code = stay(argv[2]);
		guest_free(&g);
	}
	if (code == 2)
		fprintf(stderr, "usage: partway SOCKET STAGE\n");
	return code;
}
