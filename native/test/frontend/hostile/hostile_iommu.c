/* Guests behind an IOMMU whose front end says nonsense about it, too much, or nothing. */
#include "../vu/flow.h"
#include "hostile.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MISS = 1, UPDATE = 2, INVALIDATE = 3 };
enum { READ = 1, WRITE = 2 };

#define PAGE 4096U

static struct guest g, partner;
static int channel[2] = {-1, -1}; /* ours to read, the switch's to write */

static void must(bool ok, const char *attack, const char *what)
{
	if (!ok)
		hostile_fail(attack, what);
}

static void drop_channel(void)
{
	for (int i = 0; i < 2; i++) {
		if (channel[i] >= 0)
			close(channel[i]);
		channel[i] = -1;
	}
}

static void give(int fd, int n)
{
	struct vu_msg m = {.request = VU_SET_BACKEND_REQ_FD, .flags = VU_VERSION};
	int fds[2] = {fd, fd};

	vu_send(g.sock, &m, fds, n);
}

static void give_channel(void)
{
	drop_channel();
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel) == 0, "channel",
		"none");
	give(channel[1], 1);
}

static struct vu_msg iotlb(uint8_t type, uint64_t iova, uint64_t size, uint64_t user, uint8_t access)
{
	struct vu_msg m = {.request = VU_IOTLB_MSG, .flags = VU_VERSION, .size = 32};

	m.iotlb.type = type;
	m.iotlb.iova = iova;
	m.iotlb.size = size;
	m.iotlb.user = user;
	m.iotlb.access = access;
	return m;
}

static bool say(uint8_t type, uint64_t iova, uint64_t size, uint64_t user, uint8_t access)
{
	struct vu_msg m = iotlb(type, iova, size, user, access);

	return vu_send(g.sock, &m, NULL, 0);
}

/* Return: whether it was acknowledged. */
static bool invalidate_all(void)
{
	struct vu_msg m = iotlb(INVALIDATE, 0, 0, 0, 0), reply;

	m.flags |= VU_NEED_REPLY;
	return vu_send(g.sock, &m, NULL, 0) && vu_recv(g.sock, &reply) && reply.request == VU_IOTLB_MSG &&
	       reply.u64 == 0;
}

/* Rings are at the front end's own addresses, buffers at guest-physical ones: both mean the guest's memory.
 */
static uint64_t user_of(uint64_t iova)
{
	return iova >= GUEST_USER ? iova : iova - GUEST_GPA + GUEST_USER;
}

/* Answers what was asked. wrong: with what is not the guest's. Return: how many questions there were. */
static uint32_t answer(bool wrong)
{
	struct {
		uint32_t request, flags, size;
		uint64_t iova, size_of, user;
		uint8_t access, type, padding[6];
	} __attribute__((packed)) m;
	uint32_t n = 0;

	for (; recv(channel[0], &m, sizeof(m), MSG_DONTWAIT) == (ssize_t)sizeof(m); n++) {
		must(m.request == 1 && m.size == 32 && m.type == MISS && m.iova % PAGE == 0 && m.access > 0 &&
				m.access <= 3,
			"answer", "a question makes no sense");
		say(UPDATE, m.iova, PAGE, wrong ? GUEST_USER + GUEST_MEMORY : user_of(m.iova), READ | WRITE);
	}
	return n;
}

static bool up(void)
{
	if (!guest_negotiate(&g))
		return false;
	guest_reset_rings(&g);
	give_channel();
	return guest_share(&g, 1) && guest_start_ring(&g, GUEST_RX, ring_base(&g.ring[GUEST_RX], 0)) &&
	       guest_start_ring(&g, GUEST_TX, ring_base(&g.ring[GUEST_TX], 0)) && guest_begun(&g);
}

/* Frames both ways until some came, while questions are answered. */
static void flow(const char *attack)
{
	uint64_t until = vu_now() + 10000000000ULL, before = g.received, theirs = partner.received;

	while (g.received < before + 20 || partner.received < theirs + 20) {
		must(vu_now() < until, attack, "no frames come through");
		answer(false);
		guest_send(&g, partner.id, 100, 4);
		guest_send(&partner, g.id, 100, 4);
		guest_receive(&g, partner.id);
		guest_receive(&partner, g.id);
		poll(NULL, 0, 1);
	}
	must(g.wrong == NULL && partner.wrong == NULL, attack, "a frame is wrong");
}

static void expect(void)
{
	while (guest_receive(&partner, 0) > 0)
		;
	g.expected = partner.sent;
	partner.expected = g.sent;
}

static void without_channel(void)
{
	say(UPDATE, GUEST_GPA, PAGE, GUEST_USER, READ);
}

static void no_descriptor(void)
{
	give(-1, 0);
}

static void a_pipe(void)
{
	int pipes[2];

	must(pipe(pipes) == 0, "channel", "no pipe");
	give(pipes[1], 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void two_channels(void)
{
	give_channel();
	give(channel[1], 2);
}

static void after(uint8_t type, uint64_t iova, uint64_t size, uint64_t user, uint8_t access)
{
	give_channel();
	say(type, iova, size, user, access);
}

#define WRONG(name, ...)                                                                                     \
	static void name(void)                                                                               \
	{                                                                                                    \
		after(__VA_ARGS__);                                                                          \
	}
WRONG(empty_update, UPDATE, GUEST_GPA, 0, GUEST_USER, READ)
WRONG(wrapping_update, UPDATE, ~0ULL - 10, 100, GUEST_USER, READ)
WRONG(wrapping_user, UPDATE, GUEST_GPA, PAGE, ~0ULL - 10, READ)
WRONG(no_access, UPDATE, GUEST_GPA, PAGE, GUEST_USER, 0)
WRONG(unknown_access, UPDATE, GUEST_GPA, PAGE, GUEST_USER, 7)
WRONG(wrapping_invalidation, INVALIDATE, ~0ULL - 10, 100, 0, 0)
WRONG(empty_invalidation, INVALIDATE, PAGE, 0, 0, 0)
WRONG(a_miss_of_its_own, MISS, GUEST_GPA, PAGE, 0, READ)
WRONG(unknown_type, 200, GUEST_GPA, PAGE, GUEST_USER, READ)

static void other_meaning(void)
{
	give_channel();
	guest_start_ring(&g, GUEST_RX, 0);
	vu_u64(g.sock, VU_SET_FEATURES, g.features & ~VU_F_ACCESS_PLATFORM);
}

static const struct {
	const char *name;
	void (*act)(void);
} refused[] = {{"without_channel", without_channel}, {"no_descriptor", no_descriptor}, {"a_pipe", a_pipe},
	{"two_channels", two_channels}, {"empty_update", empty_update}, {"wrapping_update", wrapping_update},
	{"wrapping_user", wrapping_user}, {"no_access", no_access}, {"unknown_access", unknown_access},
	{"wrapping_invalidation", wrapping_invalidation}, {"empty_invalidation", empty_invalidation},
	{"a_miss_of_its_own", a_miss_of_its_own}, {"unknown_type", unknown_type},
	{"other_meaning", other_meaning}};

/* What was taken back, and acknowledged, is not touched any more, whatever the partner sends. */
static void storm(void)
{
	static uint8_t was[GUEST_MEMORY];

	must(up(), "storm", "the port does not come up");
	expect();
	flow("storm");
	for (int i = 0; i < 300; i++) {
		guest_send(&partner, g.id, 100, 8);
		guest_send(&g, partner.id, 100, 8);
		must(invalidate_all(), "storm", "no acknowledgement");
		memcpy(was, g.memory, GUEST_MEMORY);
		guest_send(&partner, g.id, 100, 8);
		if (i % 10 == 0)
			poll(NULL, 0, 2);
		must(memcmp(was, g.memory, GUEST_MEMORY) == 0, "storm",
			"memory that was taken back is written");
		for (int k = 0; k < 20; k++)
			answer(false);
		guest_receive(&g, 0);
		guest_receive(&partner, 0);
	}
	expect();
	g.wrong = partner.wrong = NULL;
	guest_down(&g);
}

/* Answers that lead outside of memory, and none at all; then the port serves the next one. */
static void nonsense(bool silent)
{
	const char *attack = silent ? "silence" : "nonsense";
	uint64_t until = vu_now() + 300000000ULL;

	must(up(), attack, "the port does not come up");
	while (vu_now() < until) {
		if (!silent) {
			uint64_t iova = vu_now() * 0x9e3779b97f4a7c15ULL;

			answer(true);
			say(UPDATE, iova, ~0ULL - iova, GUEST_USER, READ | WRITE);
			say(INVALIDATE, iova, ~0ULL - iova, 0, 0);
		}
		guest_send(&g, partner.id, 100, 4);
		guest_send(&partner, g.id, 100, 4);
		must(guest_begun(&partner) && guest_begun(&g), attack, "the switch does not answer");
	}
	must(ring_busy(&g.ring[GUEST_TX]) == g.size || !silent, attack, "frames were read untranslated");
	guest_down(&g);
}

/*
 * Memory that ends right behind `size` bytes, with nothing mapped behind it if luck will have it: the switch
 * may not read a ring's words where there are none. user: addresses of the front end that are aligned in
 * every way.
 */
static void no_room(uint32_t size, uint64_t user)
{
	struct vu_msg table = {.request = VU_SET_MEM_TABLE, .flags = VU_VERSION, .size = 40};
	struct vu_msg addr = {.request = VU_SET_VRING_ADDR, .flags = VU_VERSION, .size = 40};
	int fd = memfd_create("short", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, PAGE) == 0 && guest_negotiate(&g), "no room", "no connection");
	give_channel();
	table.memory.n = 1;
	table.memory.region[0] = (struct vu_region){GUEST_GPA, size, user, PAGE - size};
	vu_send(g.sock, &table, &fd, 1);
	close(fd);
	addr.addr.desc = addr.addr.used = addr.addr.avail = GUEST_USER;
	for (uint32_t ring = 0; ring < 2; ring++) {
		addr.addr.index = ring;
		vu_state(g.sock, VU_SET_VRING_NUM, ring, 256);
		vu_state(g.sock, VU_SET_VRING_BASE, ring, 0);
		vu_send(g.sock, &addr, NULL, 0);
		vu_fd(g.sock, VU_SET_VRING_KICK, ring, g.kick[ring]);
		vu_state(g.sock, VU_SET_VRING_ENABLE, ring, 1);
	}
	say(UPDATE, GUEST_USER, PAGE, user, READ | WRITE);
	invalidate_all();
	guest_down(&g);
}

int hostile_iommu(int argc, char **argv)
{
	(void)argc;
	if (!guest_make(&g, argv[0], EVIL, strcmp(argv[1], "packed") == 0, 256) ||
		!guest_make(&partner, argv[2], EVIL + 1, false, 256) || !guest_up(&partner))
		hostile_fail("iommu", "the partner does not come up");
	must(guest_negotiate(&g) && guest_share(&g, 1), "without feature", "no connection");
	give_channel();
	say(UPDATE, GUEST_GPA, PAGE, GUEST_USER, READ);
	must(vu_closed(g.sock, 5000), "without feature", "the connection goes on");
	guest_down(&g);
	g.extra_features = VU_F_ACCESS_PLATFORM;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		must(guest_negotiate(&g) && guest_share(&g, 1), refused[i].name, "no connection");
		refused[i].act();
		must(vu_closed(g.sock, 5000), refused[i].name, "the connection goes on");
		guest_down(&g);
	}
	for (uint32_t size = 1; size <= 24; size++)
		for (uint64_t user = GUEST_USER; user < GUEST_USER + 16; user += 5)
			no_room(size, user);
	storm();
	nonsense(false);
	nonsense(true);
	must(up(), "afterwards", "the port does not come up");
	expect();
	flow("afterwards");
	guest_free(&g);
	guest_free(&partner);
	drop_channel();
	return 0;
}
