/* Whatever comes to mind: messages and rings that a seed decides. Nothing is checked here but that the port
 * takes front ends to the end. */
#include "hostile.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEPS 40

/* Values at which things break. */
static const uint64_t edges[] = {0, 1, 2, 7, 8, 15, 16, 64, 255, 256, 257, 4095, 4096, 32767, 32768, 32769,
	65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, GUEST_GPA,
	GUEST_GPA + GUEST_MEMORY - 1, GUEST_USER, GUEST_USER + GUEST_MEMORY - 16, 1ULL << 47, ~0ULL - 15,
	~0ULL};

static uint64_t edge(struct dice *d)
{
	uint64_t value = edges[dice_below(d, sizeof(edges) / sizeof(edges[0]))];

	return dice_below(d, 4) == 0 ? value + dice_below(d, 64) - 32 : value;
}

static void spoil_desc(struct guest *g, struct ring *r, struct dice *d)
{
	struct ring_desc *e = &r->desc[dice_below(d, g->size)];

	switch (dice_below(d, 6)) {
	case 0:
		e->addr = edge(d);
		break;
	case 1:
		e->len = (uint32_t)edge(d);
		break;
	case 2:
		e->a = (uint16_t)edge(d);
		break;
	case 3:
		e->b = (uint16_t)edge(d);
		break;
	case 4: /* well-formed, so that there is something to tear */
		e->addr = guest_gpa(GUEST_BUFFERS_AT + dice_below(d, g->size) * GUEST_BUFFER);
		e->len = 12 + dice_below(d, 1600);
		break;
	default:
		*(uint8_t *)((uint8_t *)e + dice_below(d, 16)) = (uint8_t)dice_roll(d);
		break;
	}
}

void hostile_spoil(struct guest *g, struct dice *d)
{
	static const uint64_t one = 1;

	for (uint32_t i = dice_below(d, 32); i > 0; i--) {
		struct ring *r = &g->ring[dice_below(d, 2)];

		switch (dice_below(d, 8)) {
		case 0:
			r->driver[1] = (uint16_t)(r->driver[1] + dice_below(d, 5));
			break;
		case 1:
			r->driver[dice_below(d, g->size)] = (uint16_t)edge(d);
			break;
		case 2:
			r->device[dice_below(d, g->size)] = (uint16_t)edge(d);
			break;
		case 3:
			guest_send(g, (uint8_t)dice_roll(d), 60 + dice_below(d, 1400), 1 + dice_below(d, 16));
			break;
		default:
			spoil_desc(g, r, d);
			break;
		}
	}
	for (int i = 0; i < 2; i++)
		if (write(g->kick[i], &one, sizeof(one)) < 0)
			return;
}

/* A message that is right but for one thing, or not right at all. */
static void random_message(struct guest *g, struct dice *d)
{
	static const uint8_t sizes[] = {
		0, 0, 8, 0, 0, 40, 16, 0, 8, 40, 8, 8, 8, 8, 8, 0, 8, 0, 8, 8, 8, 8, 8};
	struct vu_msg m = {.request = dice_below(d, 42), .flags = VU_VERSION};
	int fds[VU_MAX_FDS], n = 0, kinds[4];

	kinds[0] = g->memory_fd;
	kinds[1] = g->call[0];
	kinds[2] = g->kick[1];
	kinds[3] = STDIN_FILENO;
	m.size = m.request < sizeof(sizes) ? sizes[m.request] : (uint32_t)dice_below(d, 64);
	for (uint32_t i = 0; i < 20; i++)
		((uint32_t *)(void *)m.bytes)[i] = (uint32_t)(dice_below(d, 3) ? dice_below(d, 3) : edge(d));
	if (m.request == VU_SET_MEM_TABLE) {
		m.memory.n = 1 + dice_below(d, 2) * dice_below(d, 9);
		m.size = 8 + 32 * m.memory.n;
		for (uint32_t i = 0; i < 8; i++) {
			uint64_t part = GUEST_MEMORY / 8;

			m.memory.region[i] = (struct vu_region){.gpa = GUEST_GPA + i * part,
				.size = m.memory.n == 1 ? GUEST_MEMORY : part,
				.user = GUEST_USER + i * part,
				.offset = i * part};
			fds[i] = g->memory_fd;
		}
		n = (int)(m.memory.n < 8 ? m.memory.n : 8);
		if (dice_below(d, 4) == 0)
			((uint64_t *)(void *)m.memory.region)[dice_below(d, 8)] = edge(d);
	} else if (m.request == VU_SET_VRING_ADDR && dice_below(d, 2)) {
		m.addr.index = dice_below(d, 2);
		m.addr.flags = 0;
		m.addr.desc = dice_below(d, 4) ? GUEST_USER + dice_below(d, 1 << 16) * 16 : edge(d);
		m.addr.avail = GUEST_USER + dice_below(d, 1 << 16) * 2;
		m.addr.used = GUEST_USER + dice_below(d, 1 << 16) * 4;
	} else if (m.request >= VU_SET_VRING_KICK && m.request <= VU_SET_VRING_ERR) {
		m.u64 = dice_below(d, 2);
		fds[0] = kinds[dice_below(d, 4)];
		n = 1;
	} else if (m.request == VU_SET_VRING_NUM && dice_below(d, 2)) {
		m.state[0] = dice_below(d, 2);
		m.state[1] = 1U << dice_below(d, 11);
	}
	if (dice_below(d, 3) == 0)
		m.flags |= VU_NEED_REPLY;
	switch (dice_below(d, 40)) {
	case 0:
		m.flags = (uint32_t)edge(d);
		break;
	case 1:
		m.size = (uint32_t)edge(d);
		break;
	case 2:
		n = (int)dice_below(d, VU_MAX_FDS + 1);
		for (int i = 0; i < n; i++)
			fds[i] = kinds[dice_below(d, 4)];
		break;
	case 3:
		vu_send_bytes(g->sock, &m, dice_below(d, 30), fds, 0);
		return;
	default:
		break;
	}
	vu_send(g->sock, &m, fds, n);
}

/* Throws away what was answered. Return: whether the connection is still there. */
static bool still_there(int sock)
{
	return !vu_closed(sock, 0);
}

static bool begin(struct guest *g, struct dice *d)
{
	switch (dice_below(d, 6)) {
	case 0:
		g->sock = vu_connect(g->path);
		return g->sock >= 0;
	case 1:
		return guest_negotiate(g);
	case 2:
		return guest_negotiate(g) && guest_share(g, 1U << dice_below(d, 4));
	default:
		return guest_up(g);
	}
}

static bool is_over(const uint64_t *until)
{
	return vu_now() >= __atomic_load_n(until, __ATOMIC_RELAXED);
}

uint64_t hostile_play(const char *path, struct dice *d, const uint64_t *until, uint32_t paced)
{
	struct guest split, ring;
	uint64_t connections = 0, steps = 0, start = vu_now();

	if (!guest_make(&split, path, EVIL, false, 256) || !guest_make(&ring, path, EVIL, true, 256))
		hostile_fail("random", "no memory");
	while (!is_over(until)) {
		struct guest *g = dice_below(d, 2) ? &split : &ring;

		if (!begin(g, d))
			hostile_fail("random", "the port does not take a front end any more");
		connections++;
		for (uint32_t i = dice_below(d, STEPS); i > 0 && still_there(g->sock); i--) {
			hostile_spoil(g, d);
			if (dice_below(d, 2))
				random_message(g, d);
			steps++;
			/* A pace, not a wait: nothing depends on it. */
			while (paced > 0 && (vu_now() - start) / 1000000 * paced / 1000 < steps &&
				!is_over(until))
				poll(NULL, 0, 1);
		}
		guest_down(g);
	}
	guest_free(&split);
	guest_free(&ring);
	return connections;
}

int hostile_random(int argc, char **argv)
{
	struct dice d = {.state = strtoull(argv[2], NULL, 0) | 1ULL << 63};
	uint64_t until = vu_now() + strtoull(argv[1], NULL, 0) * 1000000000ULL;

	(void)argc;
	printf("%llu connections\n", (unsigned long long)hostile_play(argv[0], &d, &until, 0));
	return 0;
}
