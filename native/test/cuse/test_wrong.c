/* Clients that do not behave, and back ends that do not. */
#include "rig.h"
#include "tests.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define A 21
#define B 22

static struct rig rig;

void test_shapes(void)
{
	static const uint32_t unknown[] = {VHOST_SET_LOG_FD, VHOST_GET_BACKEND_FEATURES,
		VHOST_SET_VRING_ENDIAN, 0, UINT32_MAX, 0xaf31, VHOST_NET_SET_BACKEND + 1};
	uint32_t head[2] = {3, 0};
	struct vh_cuse_shape s;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		REQUIRE(!vh_cuse_shape(unknown[i], NULL, 0, &s));
	REQUIRE(vh_cuse_shape(VHOST_SET_MEM_TABLE, NULL, 0, &s));
	REQUIRE_EQ(s.in, 8);
	REQUIRE(vh_cuse_shape(VHOST_SET_MEM_TABLE, head, 8, &s));
	REQUIRE_EQ(s.in, 8 + 3 * 32);
	/* More than anybody needs is not read at all. */
	head[0] = VH_CUSE_REGIONS + 1;
	REQUIRE(vh_cuse_shape(VHOST_SET_MEM_TABLE, head, 8, &s));
	REQUIRE_EQ(s.in, 8);
	REQUIRE(vh_cuse_shape(VHOST_GET_VRING_BASE, NULL, 0, &s));
	REQUIRE(s.in == 8 && s.out == 8);
}

void test_who_may_own(void)
{
	struct rig *r = &rig;
	pid_t other = getpid() + 1;

	rig_open(r);
	REQUIRE(vh_cuse_open(&r->port, A) != NULL && vh_cuse_open(&r->port, B) != NULL);
	/* Everything but SET_OWNER comes after it. */
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_GET_FEATURES, NULL, NULL), -EPERM);
	REQUIRE_EQ(rig_table(r, A), -EPERM);
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, 0), -EPERM);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_OWNER, NULL, NULL), 0);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_OWNER, NULL, NULL), -EBUSY);
	/* Another process, by the same open and by its own. */
	REQUIRE_EQ(rig_ioctl_of(r, other, A, VHOST_GET_FEATURES, NULL, NULL), -EPERM);
	REQUIRE_EQ(rig_ioctl_of(r, other, A, VHOST_RESET_OWNER, NULL, NULL), -EPERM);
	REQUIRE_EQ(rig_ioctl_of(r, other, B, VHOST_SET_OWNER, NULL, NULL), -EBUSY);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_RESET_OWNER, NULL, NULL), 0);
	REQUIRE_EQ(r->link.socket, -1);
	REQUIRE_EQ(rig_ioctl_of(r, other, B, VHOST_SET_OWNER, NULL, NULL), 0);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_OWNER, NULL, NULL), -EBUSY);
	rig_close(r);
}

void test_opens_are_limited(void)
{
	struct rig *r = &rig;
	uint64_t id = 1;

	rig_open(r);
	for (; id <= VH_CUSE_CLIENTS; id++)
		REQUIRE(vh_cuse_open(&r->port, id) != NULL);
	REQUIRE(vh_cuse_open(&r->port, id) == NULL);
	/* The same request again, after a crash: the same client. */
	REQUIRE(vh_cuse_open(&r->port, 3) == vh_cuse_client(&r->port, 3));
	for (id = 1; id <= r->pairs; id++)
		REQUIRE_EQ(rig_ioctl(r, id, VHOST_SET_OWNER, NULL, NULL), 0);
	REQUIRE_EQ(rig_ioctl(r, id, VHOST_SET_OWNER, NULL, NULL), -ENOSPC);
	vh_cuse_release(&r->link, vh_cuse_client(&r->port, 2));
	REQUIRE_EQ(rig_ioctl(r, id, VHOST_SET_OWNER, NULL, NULL), 0);
	REQUIRE(vh_cuse_client(&r->port, 0) == NULL);
	rig_close(r);
}

static int table(struct rig *r, uint32_t n, struct vhost_memory_region first)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[VH_CUSE_REGIONS];
	} t = {.head = {.nregions = n}};

	t.region[0] = first;
	return rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL);
}

void test_mistakes(void)
{
	struct rig *r = &rig;
	struct vhost_memory_region good = {0, 0x100000, 0, 0}, bad;
	struct vhost_vring_addr addr;

	rig_open(r);
	rig_begin(r, A);
	good.userspace_addr = (uintptr_t)r->memory;
	REQUIRE_EQ(table(r, VH_CUSE_REGIONS + 1, good), -E2BIG);
	REQUIRE_EQ(table(r, UINT32_MAX, good), -E2BIG);
	REQUIRE_EQ(table(r, 0, good), -EINVAL);
	REQUIRE_EQ(table(r, 2, good), -EINVAL); /* the second is empty */
	bad = good;
	bad.memory_size = UINT64_MAX;
	REQUIRE_EQ(table(r, 1, bad), -EINVAL);
	bad = good;
	bad.memory_size = 2 * RIG_MEMORY; /* more than is mapped */
	bad.userspace_addr += RIG_MEMORY - 0x1000;
	REQUIRE_EQ(table(r, 1, bad), -EFAULT);
	/* Nothing of it stays. */
	REQUIRE_EQ(r->port.regions, 0);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_NUM, 2, 256), -ENOBUFS);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_NUM, UINT32_MAX, 256), -ENOBUFS);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_NUM, 0, 0), -EINVAL);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_NUM, 0, 3), -EINVAL);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_NUM, 0, 65536), -EINVAL);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_BASE, 0, 65536), -EINVAL);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_CALL, 0, 99999), -EBADF);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_KICK, 0, (uint32_t)-2), -EBADF);
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, 99999), -EBADF);
	/* Started with nothing, with a size, with addresses, and with memory that does not hold them. */
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, (uint32_t)r->memory_fd), -EFAULT);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_NUM, 0, RIG_RING), 0);
	addr = rig_addr(r, 0, 0);
	addr.desc_user_addr += 8;
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_VRING_ADDR, &addr, NULL), -EINVAL);
	addr = rig_addr(r, 0, 0);
	addr.flags = 2;
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_VRING_ADDR, &addr, NULL), -EOPNOTSUPP);
	addr.flags = 0;
	addr.used_user_addr = (uintptr_t)r->memory + RIG_MEMORY - 64;
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_VRING_ADDR, &addr, NULL), 0);
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, (uint32_t)r->memory_fd), -EFAULT);
	REQUIRE_EQ(rig_table(r, A), 0);
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, (uint32_t)r->memory_fd), -EFAULT);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 0);
	/* A running ring stays as it is. */
	rig_start(r, A, 0);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_NUM, 0, 2 * RIG_RING), -EBUSY);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_BASE, 0, 5), -EBUSY);
	addr = rig_addr(r, 1, 0);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_VRING_ADDR, &addr, NULL), -EBUSY);
	/* A table without its rings is refused and changes nothing. */
	REQUIRE_EQ(table(r, 1, (struct vhost_memory_region){0, 0x1000, (uintptr_t)r->memory, 0}), -EFAULT);
	REQUIRE_EQ(r->port.regions, 2);
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, (uint32_t)r->memory_fd), 0);
	REQUIRE_EQ(r->link.started, 3);
	rig_close(r);
}

void test_memory_changes(void)
{
	struct rig *r = &rig;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[3];
	} t = {.head = {.nregions = 3}};
	void *anonymous;
	int dimm = memfd_create("dimm", MFD_CLOEXEC);
	void *plugged;

	rig_open(r);
	rig_begin(r, A);
	rig_start(r, A, 0);
	rig_forget(r);
	/* A module of memory is plugged, and there is some that is QEMU's alone. */
	REQUIRE(dimm >= 0 && ftruncate(dimm, 0x10000) == 0);
	plugged = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, dimm, 0);
	anonymous = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(plugged != MAP_FAILED && anonymous != MAP_FAILED);
	t.region[0] = (struct vhost_memory_region){0, RIG_MEMORY, (uintptr_t)r->memory, 0};
	t.region[1] = (struct vhost_memory_region){RIG_GPA, 0x10000, (uintptr_t)plugged, 0};
	t.region[2] = (struct vhost_memory_region){2 * RIG_GPA, 0x10000, (uintptr_t)anonymous, 0};
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL), 0);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_MEM_TABLE).msg.memory.n, 2);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_MEM_TABLE).fds, 2);
	/* The same addresses and another file: told, though the client's words are the same. */
	munmap(plugged, 0x10000);
	close(dimm);
	dimm = memfd_create("dimm", MFD_CLOEXEC);
	REQUIRE(dimm >= 0 && ftruncate(dimm, 0x10000) == 0);
	REQUIRE(mmap(plugged, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, dimm, 0) == plugged);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL), 0);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 2);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL), 0);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 2);
	/* Private memory alone will not do. */
	t.head.nregions = 1;
	t.region[0] = t.region[2];
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL), -EFAULT);
	munmap(plugged, 0x10000);
	munmap(anonymous, 0x10000);
	close(dimm);
	rig_close(r);
}

void test_back_end_troubles(void)
{
	static const uint32_t requests[] = {VH_CUSE_SET_FEATURES, VH_CUSE_SET_MEM_TABLE,
		VH_CUSE_SET_VRING_NUM, VH_CUSE_SET_VRING_ADDR, VH_CUSE_SET_VRING_KICK,
		VH_CUSE_SET_VRING_ENABLE};
	struct rig *r = &rig;

	/* Whatever it refuses, the client never hears of it, and all comes well once it does not. */
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		rig_open(r);
		rig_begin(r, A);
		r->nack = requests[i];
		rig_start(r, A, 0);
		REQUIRE_EQ(r->link.socket, -1);
		r->clock += 200;
		vh_cuse_link_reconnect(&r->link);
		REQUIRE_EQ(r->link.socket, -1);
		r->nack = 0;
		r->clock += 5000;
		vh_cuse_link_reconnect(&r->link);
		REQUIRE_EQ(r->link.started, 3);
		rig_close(r);
	}
	/* One that has become mute costs a moment, and then no more. */
	rig_open(r);
	rig_begin(r, A);
	rig_start(r, A, 0);
	vh_cuse_link_lost(&r->link);
	r->mood = RIG_MUTE;
	r->clock += 200;
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(r->link.socket, -1);
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, UINT32_MAX), 0);
	vh_cuse_release(&r->link, vh_cuse_client(&r->port, A));
	rig_close(r);
}

static uint32_t any_fd(struct rig *r)
{
	uint32_t which = rng_below(&test_rng, 12);

	return which < 8 ? (uint32_t)r->event[which] : which == 8 ? UINT32_MAX : rng_below(&test_rng, 2000);
}

/* Half the time something sensible. */
static void any_ioctl(struct rig *r, uint64_t client)
{
	static const uint32_t commands[] = {VHOST_SET_OWNER, VHOST_SET_OWNER, VHOST_RESET_OWNER,
		VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE, VHOST_SET_VRING_CALL,
		VHOST_SET_VRING_KICK, VHOST_NET_SET_BACKEND, VHOST_NET_SET_BACKEND, VHOST_SET_VRING_ERR};
	uint32_t ring =
		rng_below(&test_rng, 16) == 0 ? (uint32_t)rng_next(&test_rng) : rng_below(&test_rng, 2);
	uint32_t command = commands[rng_below(&test_rng, sizeof(commands) / sizeof(commands[0]))];
	struct vhost_vring_addr addr = rig_addr(r, rng_below(&test_rng, 4), ring % 2);

	addr.index = ring;
	switch (rng_below(&test_rng, 8)) {
	case 0:
		rig_table(r, client);
		break;
	case 1:
		if (rng_below(&test_rng, 4) == 0)
			addr.used_user_addr += rng_next(&test_rng);
		rig_ioctl(r, client, VHOST_SET_VRING_ADDR, &addr, NULL);
		break;
	case 2:
		rig_u64(r, client, VHOST_SET_FEATURES,
			rng_below(&test_rng, 4) ? RIG_TAKEN : rng_next(&test_rng));
		break;
	case 3:
		rig_state(r, client, VHOST_SET_VRING_NUM, ring, 1U << rng_below(&test_rng, 18));
		break;
	default:
		rig_state(r, client, command, ring, any_fd(r));
		break;
	}
}

/* Any order, also of a back end that comes and goes: the gate never has a reason to refuse. */
void test_any_order(void)
{
	struct rig *r = &rig;
	uint32_t started = 0;

	rig_open(r);
	for (uint32_t step = 0; step < 20000; step++) {
		uint64_t client = 1 + rng_below(&test_rng, 3);

		if (vh_cuse_client(&r->port, client) == NULL)
			REQUIRE(vh_cuse_open(&r->port, client) != NULL);
		else if (rng_below(&test_rng, 400) == 0)
			vh_cuse_release(&r->link, vh_cuse_client(&r->port, client));
		else
			any_ioctl(r, client);
		if (rng_below(&test_rng, 500) == 0)
			r->mood = r->mood == RIG_WELL ? RIG_AWAY : RIG_WELL;
		if (rng_below(&test_rng, 1000) == 0)
			rig_lose(r);
		if (rng_below(&test_rng, 50) == 0) {
			r->clock += 1000;
			vh_cuse_link_reconnect(&r->link);
		}
		started += r->link.started != 0;
		REQUIRE_EQ(r->refusals, 0);
	}
	/* Steps that never get anywhere would prove nothing. */
	REQUIRE(started > 300);
	for (uint64_t client = 1; client <= 3; client++)
		if (vh_cuse_client(&r->port, client) != NULL)
			vh_cuse_release(&r->link, vh_cuse_client(&r->port, client));
	/* And a guest that behaves finds all in order. */
	r->mood = RIG_WELL;
	rig_begin(r, A);
	rig_start(r, A, 0);
	REQUIRE_EQ(r->link.started, 3);
	rig_close(r);
}
