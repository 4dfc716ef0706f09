/*
 * libFuzzer target over native/cuse: clients of a device say what the input says, to a back end that comes
 * and goes. The switch's gate judges what arrives there (../test/cuse/rig.h): it must never have a reason to
 * refuse. And after every step all that was accepted must be what the gate would take, whether the back end
 * has heard of it yet or not.
 *
 * The input is a small program. A step opens, releases, lets time pass, changes the back end's mood, or is an
 * ioctl: one that QEMU uses or any number, of one of three clients or of another process, with an argument of
 * exactly the size that the kernel would have copied. Numbers in it are small or any; addresses lie in the
 * client's memory more often than not. Every input ends with a guest that behaves.
 */
#include "../test/cuse/rig.h"
#include "rig/input.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS 200

static struct rig rig;

static uint32_t number(struct input *in)
{
	uint8_t how = in_u8(in);

	if (how < 100)
		return how % 4;
	/* Powers of two, which sizes are, and around 16 bits, which positions have. */
	if (how < 130)
		return 1U << how % 20;
	if (how < 140)
		return UINT16_MAX - 4U + how % 10;
	if (how < 200)
		return (uint32_t)rig.event[how % 8];
	return how < 220 ? UINT32_MAX : in_u32(in);
}

static uint64_t address(struct input *in)
{
	uint8_t how = in_u8(in);

	if (how < 128)
		return (uintptr_t)rig.memory + 0x1000ULL * in_u16(in) % RIG_MEMORY + how % 3 * 8;
	/* Aligned, and before the end of a region of rig_table(): a ring of some size lies within or not. */
	if (how < 200)
		return (uintptr_t)rig.memory + RIG_MEMORY / 2 * (1 + how % 2) - 16ULL * in_u8(in);
	return how < 220 ? (uintptr_t)rig.memory + RIG_MEMORY - in_u8(in) : in_u64(in);
}

static void fill_table(struct input *in, struct vhost_memory *t, uint32_t room)
{
	t->padding = in_u8(in) < 250 ? 0 : in_u32(in);
	for (uint32_t i = 0; i < t->nregions && i < room; i++)
		t->regions[i] = (struct vhost_memory_region){
			(uint64_t)in_u8(in) << 24, 0x1000ULL << in_u8(in) % 16, address(in), 0};
}

/* Which ring an ioctl is about: one that there is, more often than not. */
static uint32_t ring(struct input *in)
{
	uint8_t how = in_u8(in);

	return how < 240 ? how % 2 : number(in);
}

static struct vhost_vring_addr placed(struct input *in)
{
	uint8_t odd = in_u8(in);
	struct vhost_vring_addr addr = rig_addr(&rig, odd % 4, 0);

	addr.index = ring(in);
	addr.flags = (odd & 4) != 0;
	addr.log_guest_addr = address(in);
	if ((odd & 32) != 0)
		addr.desc_user_addr = address(in);
	if ((odd & 64) != 0)
		addr.avail_user_addr = address(in);
	if ((odd & 128) != 0)
		addr.used_user_addr = address(in);
	return addr;
}

static void fill(struct input *in, uint32_t command, void *to, uint32_t n)
{
	struct vhost_vring_addr addr;
	uint64_t value;
	uint32_t words[2];

	if (command == VHOST_SET_MEM_TABLE) {
		fill_table(in, to, (n - (uint32_t)sizeof(struct vhost_memory)) / 32);
	} else if (command == VHOST_SET_VRING_ADDR) {
		addr = placed(in);
		memcpy(to, &addr, n);
	} else if (command == VHOST_SET_LOG_BASE) {
		value = address(in);
		memcpy(to, &value, n);
	} else if (command == VHOST_SET_FEATURES) {
		value = RIG_TAKEN ^ (1ULL << in_u8(in) % 64) ^ (in_u8(in) > 100 ? VH_CUSE_LOG_ALL : 0);
		memcpy(to, &value, n);
	} else if (n == sizeof(words)) {
		words[0] = ring(in);
		words[1] = number(in);
		memcpy(to, words, n);
	}
}

/* The first client has most of the words, so that some of them follow from each other. */
static uint64_t client(uint8_t who)
{
	return who < 160 ? 1 : 1 + who % 3;
}

static void step_ioctl(struct input *in)
{
	static const uint32_t known[] = {VHOST_SET_OWNER, VHOST_RESET_OWNER, VHOST_GET_FEATURES,
		VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE,
		VHOST_GET_VRING_BASE, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_CALL, VHOST_SET_VRING_KICK,
		VHOST_SET_VRING_ERR, VHOST_NET_SET_BACKEND, VHOST_NET_SET_BACKEND,
		VHOST_SET_VRING_BUSYLOOP_TIMEOUT, VHOST_SET_LOG_BASE};
	uint8_t which = in_u8(in), who = in_u8(in);
	uint32_t command = which < 250 ? known[which % (sizeof(known) / sizeof(known[0]))] : in_u32(in);
	struct vhost_memory head = {.nregions = in_u8(in) < 240 ? who % 5 : number(in)};
	struct vh_cuse_client *c = vh_cuse_client(&rig.port, client(who));
	union vh_cuse_out out;
	struct vh_cuse_shape shape;
	void *arg;

	if (c == NULL || !vh_cuse_shape(command, &head, sizeof(head), &shape))
		return;
	/* Exactly as long as it is: a sanitizer sees who reads on. */
	arg = calloc(1, shape.in > 0 ? shape.in : 1);
	REQUIRE(arg != NULL);
	if (command == VHOST_SET_MEM_TABLE)
		memcpy(arg, &head, sizeof(head));
	fill(in, command, arg, shape.in);
	vh_cuse_ioctl(&rig.link, c, &(struct vh_cuse_caller){who < 250 ? getpid() : getpid() + 1, getuid()},
		command, arg, &out);
	free(arg);
}

/* One part of a ring ends with memory, or has two bytes too few or more, as an event index has them. */
static void end_with_memory(struct input *in, uint64_t id, struct vhost_vring_addr *addr)
{
	const uint64_t size = vh_cuse_client(&rig.port, id)->ring[addr->index % 2].size;
	uint8_t how = in_u8(in);
	uint64_t end = (uintptr_t)rig.memory + RIG_MEMORY, less = how / 8 % 4 * 2;

	if ((how & 4) != 0)
		rig_u64(&rig, id, VHOST_SET_FEATURES, RIG_TAKEN | 1ULL << 29);
	if (how % 4 == 0)
		addr->desc_user_addr = end - 16 * size;
	else if (how % 4 == 1)
		addr->used_user_addr = end - 8 * size - 4 - less * 2;
	else
		addr->avail_user_addr = end - 2 * size - 2 - less;
}

/* One ring, all that makes it run at once: as QEMU does it, to be refused or not. */
static void step_start(struct input *in, uint64_t id)
{
	struct vhost_vring_addr addr = placed(in);

	rig_state(&rig, id, VHOST_NET_SET_BACKEND, addr.index, UINT32_MAX);
	if (in_u8(in) > 128)
		rig_state(&rig, id, VHOST_SET_VRING_NUM, addr.index, number(in));
	if (in_u8(in) > 128)
		rig_state(&rig, id, VHOST_SET_VRING_BASE, addr.index, number(in));
	if (in_u8(in) > 160)
		end_with_memory(in, id, &addr);
	rig_ioctl(&rig, id, VHOST_SET_VRING_ADDR, &addr, NULL);
	rig_state(&rig, id, VHOST_NET_SET_BACKEND, addr.index, (uint32_t)rig.memory_fd);
}

/* The back end writes to the guest's memory, in a place that its log has or not. */
static void step_mark(struct input *in)
{
	const uint64_t at = in_u16(in);
	const uint8_t pages = in_u8(in);

	if (rig.log >= 0 && pwrite(rig.log, &pages, 1, (off_t)at) != 1)
		REQUIRE(false);
}

static bool in_table(uint64_t at, uint64_t size)
{
	for (uint32_t i = 0; i < rig.port.regions; i++) {
		const struct vhost_memory_region *r = &rig.port.region[i];

		/* No region wraps round: the last of its bytes has an address. */
		if (at >= r->userspace_addr && at + (size - 1) >= at &&
			at + (size - 1) <= r->userspace_addr + (r->memory_size - 1))
			return true;
	}
	return false;
}

/* Said once more from the virtio specification (1.2, 2.7) and linux/vhost.h, not from native/cuse. */
static void require_ring(const struct vh_cuse_client *c, const struct vh_cuse_ring *r)
{
	uint64_t event = (c->features & 1ULL << 29) != 0 ? 2 : 0;

	REQUIRE(r->base <= 65535);
	REQUIRE(r->size <= 32768 && (r->size & (r->size - 1)) == 0);
	if (r->placed)
		REQUIRE(((r->addr.desc_user_addr & 15) | (r->addr.avail_user_addr & 1) |
				(r->addr.used_user_addr & 3)) == 0);
	if (!r->running)
		return;
	REQUIRE(c->owner && r->placed && r->size > 0);
	REQUIRE(in_table(r->addr.desc_user_addr, 16ULL * r->size));
	REQUIRE(in_table(r->addr.avail_user_addr, 4 + 2ULL * r->size + event));
	REQUIRE(in_table(r->addr.used_user_addr, 4 + 8ULL * r->size + event));
}

static void require_sane(void)
{
	for (uint64_t id = 1; id <= 3; id++) {
		const struct vh_cuse_client *c = vh_cuse_client(&rig.port, id);

		for (int i = 0; c != NULL && i < 2; i++)
			require_ring(c, &c->ring[i]);
	}
}

static void step(struct input *in)
{
	static const enum rig_mood moods[] = {RIG_WELL, RIG_AWAY, RIG_WELL, RIG_OCCUPIED};
	uint8_t what = in_u8(in);
	uint64_t id = client(in_u8(in));
	struct vh_cuse_client *c = vh_cuse_client(&rig.port, id);

	if (c == NULL) {
		REQUIRE(vh_cuse_open(&rig.port, id) != NULL);
	} else if (what < 190) {
		step_ioctl(in);
	} else if (what < 225) {
		step_start(in, id);
	} else if (what < 232) {
		vh_cuse_release(&rig.link, c);
	} else if (what < 240) {
		rig.mood = moods[what % 4];
		rig.position = number(in);
	} else if (what < 246) {
		rig_lose(&rig);
		vh_cuse_link_lost(&rig.link);
	} else {
		rig.clock += 1000;
		step_mark(in);
		vh_cuse_log_tick(&rig.link);
		vh_cuse_link_reconnect(&rig.link);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.p = data, .left = size};
	uint8_t head;

	rig_open(&rig);
	/* Every other input finds a guest that runs, and of the rest half find one whose rings are stopped.
	 */
	head = in_u8(&in);
	if (head % 4 != 0) {
		rig_begin(&rig, 1);
		rig_start(&rig, 1, 0);
	}
	for (uint32_t i = 0; head % 4 == 2 && i < 2; i++)
		REQUIRE_EQ(rig_state(&rig, 1, VHOST_NET_SET_BACKEND, i, UINT32_MAX), 0);
	for (int i = 0; i < STEPS && in.left > 0; i++) {
		step(&in);
		require_sane();
	}
	for (uint64_t id = 1; id <= 3; id++)
		if (vh_cuse_client(&rig.port, id) != NULL)
			vh_cuse_release(&rig.link, vh_cuse_client(&rig.port, id));
	rig.mood = RIG_WELL;
	rig_begin(&rig, 9);
	rig_start(&rig, 9, 0);
	REQUIRE_EQ(rig.link.started, 3);
	rig_close(&rig);
	return 0;
}
