/* Messages that must end the connection, one connection each; those that must not, in between. */
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Until the connection is closed. Generous: other tests use the machine as well. */
#define CLOSED_MS 5000

/* How far a connection has come before the attack. */
enum stage { RAW, NEGOTIATED, SHARED, RUNNING };

static struct guest g;

static struct vu_msg message(uint32_t request, uint32_t size)
{
	return (struct vu_msg){.request = request, .flags = VU_VERSION, .size = size};
}

static void state(uint32_t request, uint32_t index, uint32_t num)
{
	vu_state(g.sock, request, index, num);
}

static void send_table(const struct vu_region *regions, uint32_t n, int fds)
{
	struct vu_msg m = message(VU_SET_MEM_TABLE, 8 + n * (uint32_t)sizeof(*regions));
	int list[VU_MAX_FDS];

	m.memory.n = n;
	memcpy(m.memory.region, regions, n * sizeof(*regions));
	for (int i = 0; i < VU_MAX_FDS; i++)
		list[i] = g.memory_fd;
	vu_send(g.sock, &m, list, fds);
}

static void table_of(uint64_t gpa, uint64_t size, uint64_t user, uint64_t offset)
{
	struct vu_region r = {.gpa = gpa, .size = size, .user = user, .offset = offset};

	send_table(&r, 1, 1);
}

static void table_with(int fd)
{
	struct vu_msg m = message(VU_SET_MEM_TABLE, 40);

	m.memory.n = 1;
	m.memory.region[0] = (struct vu_region){.gpa = 0, .size = 4096, .user = 0, .offset = 0};
	vu_send(g.sock, &m, &fd, 1);
	close(fd);
}

static void addresses(uint64_t desc, uint64_t avail, uint64_t used, uint32_t flags)
{
	struct vu_msg m = message(VU_SET_VRING_ADDR, 40);

	m.addr.desc = desc;
	m.addr.avail = avail;
	m.addr.used = used;
	m.addr.flags = flags;
	state(VU_SET_VRING_NUM, 0, 256);
	vu_send(g.sock, &m, NULL, 0);
}

static void inflight(void)
{
	struct vu_msg m = message(VU_GET_INFLIGHT_FD, 20);
	uint16_t numbers[2] = {65535, 65535};

	memcpy(m.bytes + 16, numbers, sizeof(numbers));
	vu_send(g.sock, &m, NULL, 0);
}

static void unknown(void)
{
	struct vu_msg m = message(99, 0);

	vu_send(g.sock, &m, NULL, 0);
}

static void short_payload(void)
{
	struct vu_msg m = message(VU_SET_FEATURES, 4);

	vu_send(g.sock, &m, NULL, 0);
}

static void long_payload(void)
{
	struct vu_msg m = message(VU_SET_FEATURES, 16);

	vu_send(g.sock, &m, NULL, 0);
}

static void huge_size(void)
{
	struct vu_msg m = message(VU_SET_MEM_TABLE, 0xffffffff);

	vu_send(g.sock, &m, NULL, 0);
}

static void bad_version(void)
{
	struct vu_msg m = message(VU_SET_OWNER, 0);

	m.flags = 2;
	vu_send(g.sock, &m, NULL, 0);
}

static void a_reply(void)
{
	struct vu_msg m = message(VU_SET_OWNER, 0);

	m.flags |= 4;
	vu_send(g.sock, &m, NULL, 0);
}

static void log_base(void)
{
	struct vu_msg m = message(VU_SET_LOG_BASE, 16);

	vu_send(g.sock, &m, &g.memory_fd, 1);
}

static void features_unknown(void)
{
	vu_u64(g.sock, VU_SET_FEATURES, ~0ULL);
}

static void features_packed_legacy(void)
{
	vu_u64(g.sock, VU_SET_FEATURES, VU_F_PACKED);
}

static void protocol_unknown(void)
{
	vu_u64(g.sock, VU_SET_PROTOCOL_FEATURES, 1ULL << 12);
}

static void num_early(void)
{
	state(VU_SET_VRING_NUM, 0, 256);
}

static void base_early(void)
{
	state(VU_SET_VRING_BASE, 0, 0);
}

static void kick_early(void)
{
	vu_fd(g.sock, VU_SET_VRING_KICK, 0, g.kick[0]);
}

static void addr_early(void)
{
	addresses(GUEST_USER, GUEST_USER + 8192, GUEST_USER + 16384, 0);
}

static void num_zero(void)
{
	state(VU_SET_VRING_NUM, 0, 0);
}

static void num_odd(void)
{
	state(VU_SET_VRING_NUM, 0, 255);
}

static void num_huge(void)
{
	state(VU_SET_VRING_NUM, 0, 65536);
}

static void num_elsewhere(void)
{
	state(VU_SET_VRING_NUM, 2, 256);
}

static void num_far(void)
{
	state(VU_SET_VRING_NUM, 0xffffffff, 256);
}

static void call_elsewhere(void)
{
	vu_fd(g.sock, VU_SET_VRING_CALL, 255, g.call[0]);
}

static void call_bits(void)
{
	vu_u64(g.sock, VU_SET_VRING_CALL, 1ULL << 8 | 1ULL << 40);
}

static void call_without(void)
{
	vu_u64(g.sock, VU_SET_VRING_CALL, 0);
}

static void enable_twice(void)
{
	state(VU_SET_VRING_ENABLE, 0, 2);
}

static void base_wide(void)
{
	state(VU_SET_VRING_BASE, 0, 0x10000);
}

static void addr_outside(void)
{
	addresses(GUEST_USER + GUEST_MEMORY, GUEST_USER, GUEST_USER, 0);
}

static void addr_over_the_end(void)
{
	addresses(GUEST_USER + GUEST_MEMORY - 256 * 16 + 16, GUEST_USER, GUEST_USER, 0);
}

static void addr_wraps(void)
{
	addresses(~0ULL - 15, GUEST_USER, GUEST_USER, 0);
}

static void addr_used_outside(void)
{
	addresses(GUEST_USER, GUEST_USER, GUEST_USER + GUEST_MEMORY - 64, 0);
}

static void addr_unaligned(void)
{
	addresses(GUEST_USER + 8, GUEST_USER + 8192, GUEST_USER + 16384, 0);
}

static void addr_flags(void)
{
	addresses(GUEST_USER, GUEST_USER + 8192, GUEST_USER + 16384, 2);
}

static void table_empty(void)
{
	send_table(NULL, 0, 0);
}

static void table_nothing(void)
{
	table_of(GUEST_GPA, 0, GUEST_USER, 0);
}

static void table_gpa_wraps(void)
{
	table_of(~0ULL - 4095, 8192, GUEST_USER, 0);
}

static void table_user_wraps(void)
{
	table_of(GUEST_GPA, 8192, ~0ULL - 4095, 0);
}

static void table_offset_wraps(void)
{
	table_of(GUEST_GPA, 8192, GUEST_USER, ~0ULL - 4095);
}

static void table_too_long(void)
{
	table_of(GUEST_GPA, GUEST_MEMORY + 4096, GUEST_USER, 0);
}

static void table_offset_too_long(void)
{
	table_of(GUEST_GPA, GUEST_MEMORY, GUEST_USER, 4096);
}

static void table_gpa_overlap(void)
{
	struct vu_region r[2] = {{.gpa = GUEST_GPA, .size = 8192, .user = GUEST_USER},
		{.gpa = GUEST_GPA + 4096, .size = 8192, .user = GUEST_USER + 8192}};

	send_table(r, 2, 2);
}

static void table_user_overlap(void)
{
	struct vu_region r[2] = {{.gpa = GUEST_GPA, .size = 8192, .user = GUEST_USER},
		{.gpa = GUEST_GPA + 8192, .size = 8192, .user = GUEST_USER + 4096}};

	send_table(r, 2, 2);
}

static void table_nine(void)
{
	struct vu_msg m = message(VU_SET_MEM_TABLE, 8 + 9 * 32);

	m.memory.n = 9;
	vu_send(g.sock, &m, NULL, 0);
}

static void table_lies(void)
{
	struct vu_msg m = message(VU_SET_MEM_TABLE, 8 + 32);

	m.memory.n = 0x10000001;
	vu_send(g.sock, &m, &g.memory_fd, 1);
}

static void table_no_fd(void)
{
	struct vu_region r = {.gpa = GUEST_GPA, .size = 4096, .user = GUEST_USER};

	send_table(&r, 1, 0);
}

static void table_two_fds(void)
{
	struct vu_region r = {.gpa = GUEST_GPA, .size = 4096, .user = GUEST_USER};

	send_table(&r, 1, 2);
}

static void table_pipe(void)
{
	int pipes[2];

	if (pipe(pipes) == 0) {
		close(pipes[0]);
		table_with(pipes[1]);
	}
}

static void table_read_only(void)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", g.memory_fd);
	table_with(open(path, O_RDONLY | O_CLOEXEC));
}

static void table_device(void)
{
	table_with(open("/dev/zero", O_RDWR | O_CLOEXEC));
}

static void table_proc(void)
{
	table_with(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
}

static void half_a_header(void)
{
	struct vu_msg m = message(VU_SET_OWNER, 0);

	vu_send_bytes(g.sock, &m, 7, NULL, 0);
	shutdown(g.sock, SHUT_WR);
}

static void header_alone(void)
{
	struct vu_msg m = message(VU_SET_MEM_TABLE, 40);

	vu_send_bytes(g.sock, &m, 12, &g.memory_fd, 1);
}

static void descriptors_in_pieces(void)
{
	struct vu_msg m = message(VU_SET_MEM_TABLE, 264);
	int fds[8];

	for (int i = 0; i < 8; i++)
		fds[i] = g.memory_fd;
	for (int i = 0; i < 8; i++)
		vu_send_bytes(g.sock, (uint8_t *)&m + i, 1, fds, 8);
}

static void too_many_descriptors(void)
{
	struct vu_msg m = message(VU_SET_OWNER, 0);
	int fds[64];

	for (int i = 0; i < 64; i++)
		fds[i] = g.memory_fd;
	vu_send(g.sock, &m, fds, 64);
}

static void features_while_running(void)
{
	vu_u64(g.sock, VU_SET_FEATURES, VU_F_VERSION_1 | VU_F_PROTOCOL | VU_F_MRG_RXBUF);
}

static const struct attack {
	const char *name;
	enum stage stage;
	void (*act)(void);
} attacks[] = {
#define ATTACK(stage, name) ((struct attack){#name, stage, name})
	ATTACK(RAW, inflight),
	ATTACK(RAW, unknown),
	ATTACK(RAW, short_payload),
	ATTACK(RAW, long_payload),
	ATTACK(RAW, huge_size),
	ATTACK(RAW, bad_version),
	ATTACK(RAW, a_reply),
	ATTACK(RAW, log_base),
	ATTACK(RAW, features_unknown),
	ATTACK(RAW, features_packed_legacy),
	ATTACK(RAW, protocol_unknown),
	ATTACK(RAW, num_early),
	ATTACK(RAW, base_early),
	ATTACK(RAW, kick_early),
	ATTACK(RAW, half_a_header),
	ATTACK(RAW, header_alone),
	ATTACK(RAW, descriptors_in_pieces),
	ATTACK(RAW, too_many_descriptors),
	ATTACK(RAW, call_elsewhere),
	ATTACK(RAW, call_bits),
	ATTACK(RAW, call_without),
	ATTACK(RAW, enable_twice),
	ATTACK(NEGOTIATED, addr_early),
	ATTACK(NEGOTIATED, kick_early),
	ATTACK(NEGOTIATED, num_zero),
	ATTACK(NEGOTIATED, num_odd),
	ATTACK(NEGOTIATED, num_huge),
	ATTACK(NEGOTIATED, num_elsewhere),
	ATTACK(NEGOTIATED, num_far),
	ATTACK(NEGOTIATED, base_wide),
	ATTACK(NEGOTIATED, table_empty),
	ATTACK(NEGOTIATED, table_nothing),
	ATTACK(NEGOTIATED, table_gpa_wraps),
	ATTACK(NEGOTIATED, table_user_wraps),
	ATTACK(NEGOTIATED, table_offset_wraps),
	ATTACK(NEGOTIATED, table_too_long),
	ATTACK(NEGOTIATED, table_offset_too_long),
	ATTACK(NEGOTIATED, table_gpa_overlap),
	ATTACK(NEGOTIATED, table_user_overlap),
	ATTACK(NEGOTIATED, table_nine),
	ATTACK(NEGOTIATED, table_lies),
	ATTACK(NEGOTIATED, table_no_fd),
	ATTACK(NEGOTIATED, table_two_fds),
	ATTACK(NEGOTIATED, table_pipe),
	ATTACK(NEGOTIATED, table_read_only),
	ATTACK(NEGOTIATED, table_device),
	ATTACK(NEGOTIATED, table_proc),
	ATTACK(SHARED, addr_outside),
	ATTACK(SHARED, addr_over_the_end),
	ATTACK(SHARED, addr_wraps),
	ATTACK(SHARED, addr_used_outside),
	ATTACK(SHARED, addr_unaligned),
	ATTACK(SHARED, addr_flags),
	ATTACK(RUNNING, table_gpa_overlap),
	ATTACK(RUNNING, table_read_only),
	ATTACK(RUNNING, num_zero),
	ATTACK(RUNNING, unknown),
	ATTACK(RUNNING, features_while_running),
	ATTACK(RUNNING, header_alone),
#undef ATTACK
};

static bool reach(enum stage stage)
{
	if (stage == RAW) {
		g.sock = vu_connect(g.path);
		return g.sock >= 0;
	}
	if (stage == RUNNING)
		return guest_up(&g);
	return guest_negotiate(&g) && (stage == NEGOTIATED || guest_share(&g, 1));
}

/* Whether the transmit ring can be started, and what its driver sends is taken from it. */
static bool takes_a_frame(void)
{
	uint64_t end = vu_now() + CLOSED_MS * 1000000ULL;
	uint32_t ignored;

	guest_reset_rings(&g);
	if (!guest_share(&g, 1) || !guest_start_ring(&g, GUEST_TX, ring_base(&g.ring[GUEST_TX], 0)) ||
		guest_send(&g, EVIL + 1, 100, 1) != 1)
		return false;
	while (ring_busy(&g.ring[GUEST_TX]) > 0 && vu_now() < end)
		ring_reap(&g.ring[GUEST_TX], &ignored);
	return ring_busy(&g.ring[GUEST_TX]) == 0;
}

/*
 * A front end stops rings that it has never set up, as QEMU does with those that its guest does not use: it
 * is answered, in every state that a ring can be in, and the rings are as good as before.
 */
static void unplaced_rings(void)
{
	uint32_t answer;

	for (uint32_t step = 0; step < 4; step++) {
		if (!guest_negotiate(&g))
			hostile_fail("unplaced_rings", "no front end");
		if (step == 1)
			state(VU_SET_VRING_NUM, 1, 64);
		if (step == 2)
			state(VU_SET_VRING_ENABLE, 1, 1);
		if (step == 3)
			vu_fd(g.sock, VU_SET_VRING_CALL, 1, g.call[1]);
		for (uint32_t times = 0; times < 2; times++) {
			if (!vu_get_base(g.sock, 1, &answer))
				hostile_fail("unplaced_rings", "no answer");
		}
		if (!takes_a_frame())
			hostile_fail("unplaced_rings", "the ring cannot be used afterwards");
		guest_down(&g);
	}
	printf("unplaced_rings\n");
}

int hostile_protocol(int argc, char **argv)
{
	(void)argc;
	if (!guest_make(&g, argv[0], EVIL, false, 256))
		hostile_fail("protocol", "no memory");
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		const struct attack *a = &attacks[i];

		if (!reach(a->stage))
			hostile_fail(a->name, "the port does not take a front end before it");
		a->act();
		if (!vu_closed(g.sock, CLOSED_MS))
			hostile_fail(a->name, "the connection goes on");
		guest_down(&g);
		printf("%s\n", a->name);
	}
	unplaced_rings();
	/* The port is as good as before. */
	if (!guest_up(&g))
		hostile_fail("protocol", "the port does not take an honest front end afterwards");
	guest_free(&g);
	return 0;
}
