/* Rings that lie. Every attack has its own connection; afterwards the port serves an honest driver. The
 * partner must be served by the same worker. */
#include "hostile.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SERVED_NS 10000000000ULL
#define NEXT 1
#define WRITE 2
#define INDIRECT 4

static struct guest g, partner;
static bool packed;

/* Where things lie in the guest's memory, as its addresses. */
static uint64_t buffer(uint32_t i)
{
	return guest_gpa(GUEST_BUFFERS_AT + i * GUEST_BUFFER);
}

/* Flags that make entry `at` of a ring available in its first lap. */
static uint16_t lap(uint16_t flags)
{
	return packed ? flags | 1U << 7 : flags;
}

static void set(struct ring_desc *d, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	d->addr = addr;
	d->len = len;
	if (packed) {
		d->a = next;
		d->b = lap(flags);
	} else {
		d->a = flags;
		d->b = next;
	}
}

/* Writes entry `at` of a ring. next: split, the next entry; packed, the buffer's id. */
static void entry(uint32_t ring, uint16_t at, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	set(&g.ring[ring].desc[at], addr, len, flags, next);
}

/* Offers entries 0 to n-1 of a split ring as heads; packed ones are offered by their flags. */
static void offer(uint32_t ring, uint16_t n)
{
	if (packed)
		return;
	for (uint16_t i = 0; i < n; i++)
		g.ring[ring].driver[2 + i] = i;
	__atomic_store_n(&g.ring[ring].driver[1], n, __ATOMIC_RELEASE);
}

static void outside(void)
{
	entry(GUEST_TX, 0, 0x10, 100, 0, 0);
	entry(GUEST_TX, 1, guest_gpa(GUEST_MEMORY) - 10, 100, 0, 0);
	entry(GUEST_TX, 2, ~0ULL - 5, 100, 0, 0);
	entry(GUEST_TX, 3, buffer(0), 0xffffffff, 0, 0);
	offer(GUEST_TX, 4);
}

static void loop(void)
{
	for (uint16_t i = 0; i < 4; i++)
		entry(GUEST_TX, i, buffer(i), 64, NEXT, (uint16_t)((i + 1) % 4));
	offer(GUEST_TX, 1);
}

/* All entries of the ring in one chain without an end. */
static void endless(void)
{
	for (uint32_t i = 0; i < g.size; i++)
		entry(GUEST_TX, (uint16_t)i, buffer(0), 0, NEXT, (uint16_t)((i + 1) % g.size));
	offer(GUEST_TX, 1);
}

static void next_outside(void)
{
	entry(GUEST_TX, 0, buffer(0), 64, NEXT, 60000);
	offer(GUEST_TX, 1);
}

static void head_outside(void)
{
	entry(GUEST_TX, 0, buffer(0), 100, 0, 40000);
	if (!packed) {
		offer(GUEST_TX, 1);
		g.ring[GUEST_TX].driver[2] = 40000;
	}
}

static void jump(void)
{
	if (packed)
		endless();
	else
		__atomic_store_n(&g.ring[GUEST_TX].driver[1], 30000, __ATOMIC_RELEASE);
}

static void direction(void)
{
	entry(GUEST_TX, 0, buffer(0), 100, WRITE, 0);
	offer(GUEST_TX, 1);
}

static void short_frames(void)
{
	for (uint16_t i = 0; i < 16; i++)
		entry(GUEST_TX, i, buffer(i), i, 0, i);
	offer(GUEST_TX, 16);
}

static void long_frame(void)
{
	entry(GUEST_TX, 0, buffer(0), 1U << 20, 0, 0);
	offer(GUEST_TX, 1);
}

/* Not negotiated, so every indirect table is bogus; also one that is the ring itself. */
static void indirect(void)
{
	uint64_t self = guest_gpa((uint64_t)((uint8_t *)g.ring[GUEST_TX].desc - g.memory));

	entry(GUEST_TX, 0, self, 64, INDIRECT, 0);
	entry(GUEST_TX, 1, buffer(0), 17, INDIRECT, 1);
	entry(GUEST_TX, 2, buffer(0), 0xfffffff0, INDIRECT | NEXT, 2);
	offer(GUEST_TX, 3);
}

/* Receive buffers that are none; the partner sends to everybody. */
static void receive_outside(void)
{
	for (uint32_t i = 0; i < g.size; i++)
		entry(GUEST_RX, (uint16_t)i, 0x1000, 2048, WRITE, (uint16_t)i);
}

static void receive_direction(void)
{
	for (uint32_t i = 0; i < g.size; i++)
		entry(GUEST_RX, (uint16_t)i, buffer(i), 2048, 0, (uint16_t)i);
}

static void receive_small(void)
{
	for (uint32_t i = 0; i < g.size; i++)
		entry(GUEST_RX, (uint16_t)i, buffer(i), 11, WRITE, (uint16_t)i);
}

static void receive_loop(void)
{
	for (uint32_t i = 0; i < g.size; i++)
		entry(GUEST_RX, (uint16_t)i, buffer(0), 1, WRITE | NEXT, (uint16_t)((i + 1) % g.size));
}

static const struct {
	const char *name;
	void (*spoil)(void);
} attacks[] = {
	{"outside", outside},
	{"loop", loop},
	{"endless", endless},
	{"next_outside", next_outside},
	{"head_outside", head_outside},
	{"jump", jump},
	{"direction", direction},
	{"short_frames", short_frames},
	{"long_frame", long_frame},
	{"indirect", indirect},
	{"receive_outside", receive_outside},
	{"receive_direction", receive_direction},
	{"receive_small", receive_small},
	{"receive_loop", receive_loop},
};

/* Sends frames to everybody and waits for their buffers: the switch has looked at this guest. */
static void must_be_served(struct guest *guest, const char *attack)
{
	uint64_t end = vu_now() + SERVED_NS;
	uint32_t ignored;

	guest_send(guest, 0xff, 100, 8);
	while (ring_busy(&guest->ring[GUEST_TX]) > 0)
		if (!ring_reap(&guest->ring[GUEST_TX], &ignored) && vu_now() > end)
			hostile_fail(attack, "the switch does not serve a port any more");
	guest_receive(guest, 0);
}

int hostile_rings(int argc, char **argv)
{
	static const uint64_t one = 1;

	(void)argc;
	packed = strcmp(argv[1], "packed") == 0;
	if (!guest_make(&g, argv[0], EVIL, packed, 256) ||
		!guest_make(&partner, argv[2], EVIL + 1, !packed, 256) || !guest_up(&partner))
		hostile_fail("rings", "no memory");
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		/* Spoilt before the ring starts: the switch is certain to meet it. */
		if (!guest_negotiate(&g) || !guest_share(&g, 1))
			hostile_fail(attacks[i].name, "the port does not take a front end");
		guest_reset_rings(&g);
		attacks[i].spoil();
		if (!guest_start_ring(&g, GUEST_RX, ring_base(&g.ring[GUEST_RX], 0)) ||
			!guest_start_ring(&g, GUEST_TX, ring_base(&g.ring[GUEST_TX], 0)) ||
			write(g.kick[GUEST_TX], &one, sizeof(one)) < 0)
			hostile_fail(attacks[i].name, "the rings do not start");
		/* A device begins after the reply to the message that completed it: one more, and it has
		 * begun. */
		if (!vu_state_ack(g.sock, VU_SET_VRING_ENABLE, GUEST_TX, 1))
			hostile_fail(attacks[i].name, "no answer");
		/* Twice: between two rounds for the partner, its worker has looked at its other queues. */
		must_be_served(&partner, attacks[i].name);
		must_be_served(&partner, attacks[i].name);
		guest_down(&g);
		if (!guest_up(&g))
			hostile_fail(attacks[i].name, "the port does not come up again");
		must_be_served(&g, attacks[i].name);
		guest_down(&g);
		printf("%s\n", attacks[i].name);
	}
	guest_free(&g);
	guest_free(&partner);
	return 0;
}
