/* The dirty log of a client, which is in its own memory (../../cuse/dirty_log.h). */
#include "rig.h"
#include "tests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define A 31
#define B 32
#define BYTES ((RIG_GPA + RIG_MEMORY / 2) / 4096 / 8)
#define LOGGED (RIG_TAKEN | VH_CUSE_LOG_ALL)
/* A byte of the log in the second region, and the last one of the first. */
#define HIGH (RIG_GPA / 4096 / 8 + 3)
#define LOW_END (RIG_MEMORY / 2 / 4096 / 8)

static struct rig rig;

static struct rig *begin(void)
{
	rig_open(&rig);
	rig.bitmap_bytes = BYTES;
	rig.bitmap = calloc(1, BYTES + 1);
	REQUIRE(rig.bitmap != NULL);
	rig_begin(&rig, A);
	return &rig;
}

static void end(struct rig *r)
{
	/* Nothing behind it was ever written. */
	REQUIRE_EQ(r->bitmap[BYTES], 0);
	rig_close(r);
	free(r->bitmap);
}

static int log_at(struct rig *r, uint64_t client, const void *at)
{
	return rig_u64(r, client, VHOST_SET_LOG_BASE, (uintptr_t)at);
}

static void log_on(struct rig *r, uint64_t client)
{
	REQUIRE_EQ(log_at(r, client, r->bitmap), 0);
	REQUIRE_EQ(rig_u64(r, client, VHOST_SET_FEATURES, LOGGED), 0);
}

/* The back end marks these pages of a byte's eight. */
static void mark(struct rig *r, uint64_t byte, uint8_t pages)
{
	REQUIRE_EQ(pwrite(r->log, &pages, 1, (off_t)byte), 1);
}

static void pass_time(struct rig *r)
{
	r->clock += 1000;
	vh_cuse_log_tick(&r->link);
}

static uint64_t marked(const struct rig *r)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < BYTES; i++)
		n += r->bitmap[i] != 0;
	return n;
}

static int stop(struct rig *r, uint64_t client, uint32_t ring)
{
	return rig_state(r, client, VHOST_NET_SET_BACKEND, ring, UINT32_MAX);
}

void test_log_is_carried_over(void)
{
	struct rig *r = begin();
	struct vhost_vring_addr addr = rig_addr(r, 0, 1);
	struct rig_heard h;
	uint8_t left = 1;

	rig_start(r, A, 0);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_FEATURES).msg.u64 & VH_CUSE_LOG_ALL, 0);
	rig_forget(r);
	log_on(r, A);
	/* The file before the feature, long enough for all memory. */
	h = rig_last(r, VH_CUSE_SET_LOG_BASE);
	REQUIRE(h.fds == 1 && h.msg.log.size == BYTES && h.msg.log.offset == 0);
	REQUIRE((rig_last(r, VH_CUSE_SET_FEATURES).msg.u64 & VH_CUSE_LOG_ALL) != 0);
	addr.flags = 1U << VHOST_VRING_F_LOG;
	addr.log_guest_addr = 0x28000;
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_VRING_ADDR, &addr, NULL), 0);
	h = rig_last(r, VH_CUSE_SET_VRING_ADDR);
	REQUIRE(h.msg.addr.index == 1 && h.msg.addr.flags == 1 && h.msg.addr.log == 0x28000);
	/* Whatever of eight pages was written: all eight, and no others. */
	r->bitmap[HIGH] = 0x80;
	mark(r, HIGH, 0x04);
	mark(r, 0, 0x01);
	pass_time(r);
	REQUIRE(r->bitmap[HIGH] == 0xff && r->bitmap[0] == 0xff && marked(r) == 2);
	REQUIRE_EQ(pread(r->log, &left, 1, HIGH), 1);
	REQUIRE_EQ(left, 0);
	/* Where there is no memory, nothing is marked, whatever the back end says. */
	memset(r->bitmap, 0, BYTES);
	mark(r, LOW_END, 0xff);
	mark(r, LOW_END - 1, 0x10);
	pass_time(r);
	REQUIRE(marked(r) == 1 && r->bitmap[LOW_END - 1] == 0xff);
	end(r);
}

/* Its bitmap is the client's again, which may free it: nothing is written any more. */
static void must_be_left_alone(struct rig *r)
{
	REQUIRE_EQ(r->port.log, 0);
	memset(r->bitmap, 0, BYTES);
	mark(r, HIGH, 0xff);
	pass_time(r);
	vh_cuse_log_carry(&r->link);
	vh_cuse_link_down(&r->link, "a test");
	vh_cuse_log_carry(&r->link);
	REQUIRE_EQ(marked(r), 0);
}

void test_log_ends(void)
{
	struct rig *r = begin();

	rig_start(r, A, 0);
	log_on(r, A);
	/* Before each ring is said to stand still, what it did was said. */
	mark(r, HIGH, 1);
	REQUIRE_EQ(stop(r, A, 0), 0);
	REQUIRE_EQ(r->bitmap[HIGH], 0xff);
	mark(r, HIGH + 1, 1);
	REQUIRE_EQ(stop(r, A, 1), 0);
	REQUIRE_EQ(r->bitmap[HIGH + 1], 0xff);
	must_be_left_alone(r);
	/* Without a bitmap none starts, as long as it is to be logged. */
	REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, 0, (uint32_t)r->memory_fd), -EFAULT);
	REQUIRE_EQ(log_at(r, A, r->bitmap), 0);
	for (uint32_t i = 0; i < 2; i++)
		REQUIRE_EQ(rig_state(r, A, VHOST_NET_SET_BACKEND, i, (uint32_t)r->memory_fd), 0);
	r->clock += 10000;
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(r->link.started, 3);
	/* Switched off while they run. */
	mark(r, HIGH + 2, 1);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, RIG_TAKEN), 0);
	REQUIRE_EQ(r->bitmap[HIGH + 2], 0xff);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_FEATURES).msg.u64 & VH_CUSE_LOG_ALL, 0);
	must_be_left_alone(r);
	end(r);
}

/* All that the guest has, and nothing between. */
static void must_be_all(struct rig *r)
{
	for (uint64_t i = 0; i < BYTES; i++)
		REQUIRE_EQ(r->bitmap[i], i < LOW_END || i >= RIG_GPA / 4096 / 8 ? 0xff : 0);
}

void test_log_of_a_lost_link(void)
{
	struct rig *r = begin();

	rig_start(r, A, 0);
	log_on(r, A);
	rig_lose(r);
	vh_cuse_link_lost(&r->link);
	REQUIRE_EQ(marked(r), 0);
	rig_forget(r);
	r->clock += 10000;
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_LOG_BASE), 1);
	pass_time(r);
	must_be_all(r);
	/* Once. */
	memset(r->bitmap, 0, BYTES);
	pass_time(r);
	REQUIRE_EQ(marked(r), 0);
	/* Another process goes on with what is known. */
	close(r->link.socket);
	rig_lose(r);
	close(r->link.log.memory);
	close(r->link.log.marks.file);
	vh_cuse_link_init(&r->link, &r->world, &r->port);
	vh_cuse_link_reconnect(&r->link);
	pass_time(r);
	must_be_all(r);
	/* Stopped while the switch is away. */
	memset(r->bitmap, 0, BYTES);
	r->mood = RIG_AWAY;
	rig_lose(r);
	REQUIRE_EQ(stop(r, A, 0), 0);
	must_be_all(r);
	/* Whose number is another's by now is left alone. */
	memset(r->bitmap, 0, BYTES);
	vh_cuse_log_close(&r->link);
	r->alive = 1;
	REQUIRE_EQ(stop(r, A, 1), 0);
	REQUIRE_EQ(marked(r), 0);
	end(r);
}

void test_log_moves_and_grows(void)
{
	struct rig *r = begin();
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} t = {.head = {.nregions = 2}};
	uint8_t *old = r->bitmap, *fresh = calloc(1, BYTES);

	rig_start(r, A, 0);
	log_on(r, A);
	/* What was marked before it moves is said where the client will still look for it. */
	mark(r, HIGH, 1);
	r->bitmap = fresh;
	REQUIRE_EQ(log_at(r, A, fresh), 0);
	REQUIRE(old[HIGH] == 0xff && marked(r) == 0);
	mark(r, HIGH, 1);
	pass_time(r);
	REQUIRE_EQ(fresh[HIGH], 0xff);
	free(fresh);
	r->bitmap = old;
	REQUIRE_EQ(log_at(r, A, old), 0);
	/* More memory needs a longer log, and that first. */
	t.region[0] = (struct vhost_memory_region){0, RIG_MEMORY / 2, (uintptr_t)r->memory, 0};
	t.region[1] = (struct vhost_memory_region){
		2 * RIG_GPA, RIG_MEMORY / 2, (uintptr_t)r->memory + RIG_MEMORY / 2, 0};
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL), -EFAULT);
	t.region[1].guest_phys_addr = RIG_GPA / 2;
	t.region[1].memory_size = 5 * 4096;
	rig_forget(r);
	mark(r, RIG_GPA / 2 / 4096 / 8, 1);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL), 0);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 1);
	/* Of the last byte's pages the guest has five. */
	pass_time(r);
	REQUIRE_EQ(old[RIG_GPA / 2 / 4096 / 8], 0x1f);
	r->bitmap_bytes = 2 * BYTES;
	r->bitmap = calloc(1, 2 * BYTES);
	free(old);
	REQUIRE_EQ(log_at(r, A, r->bitmap), 0);
	t.region[1].guest_phys_addr = 2 * RIG_GPA - 4 * 4096;
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_MEM_TABLE, &t, NULL), 0);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_LOG_BASE).msg.log.size, 2 * RIG_GPA / 4096 / 8 + 1);
	mark(r, 2 * RIG_GPA / 4096 / 8, 1);
	pass_time(r);
	REQUIRE_EQ(r->bitmap[2 * RIG_GPA / 4096 / 8], 1);
	end(r);
}

void test_log_of_two_pairs(void)
{
	struct rig *r = begin();

	rig_begin(r, B);
	rig_start(r, A, 0);
	rig_start(r, B, 1);
	log_on(r, A);
	log_on(r, B);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_LOG_BASE), 1);
	/* As long as one wants it. */
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, RIG_TAKEN), 0);
	REQUIRE((rig_last(r, VH_CUSE_SET_FEATURES).msg.u64 & VH_CUSE_LOG_ALL) != 0);
	mark(r, HIGH, 1);
	pass_time(r);
	REQUIRE_EQ(r->bitmap[HIGH], 0xff);
	vh_cuse_release(&r->link, vh_cuse_client(&r->port, A));
	mark(r, HIGH + 1, 1);
	pass_time(r);
	REQUIRE_EQ(r->bitmap[HIGH + 1], 0xff);
	REQUIRE_EQ(rig_u64(r, B, VHOST_SET_FEATURES, RIG_TAKEN), 0);
	must_be_left_alone(r);
	end(r);
}

void test_log_mistakes(void)
{
	struct rig *r = begin();
	union vh_cuse_out out;

	/* No memory is known yet. */
	REQUIRE_EQ(log_at(r, A, r->bitmap), -EFAULT);
	rig_start(r, A, 0);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, LOGGED), -EFAULT);
	REQUIRE_EQ(log_at(r, A, NULL), -EFAULT);
	REQUIRE_EQ(log_at(r, A, r->bitmap + 1), -EFAULT);
	REQUIRE_EQ(log_at(r, A, r->bitmap - 1), -EFAULT);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_LOG_BASE, UINT64_MAX), -EFAULT);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_LOG_BASE, INT64_MAX), -EFAULT);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_LOG_BASE, 1ULL << 47), -EFAULT);
	REQUIRE_EQ(r->port.log, 0);
	/* It was there when it was said, and is not any more: said once in a while, and nobody else's
	 * trouble. */
	log_on(r, A);
	r->port.log = 4096;
	mark(r, HIGH, 1);
	r->lines = 0;
	pass_time(r);
	REQUIRE_EQ(r->lines, 1);
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_CALL, 0, (uint32_t)r->event[1]), 0);
	REQUIRE_EQ(r->link.started, 3);
	r->port.log = (uintptr_t)r->bitmap;
	vh_cuse_release(&r->link, vh_cuse_client(&r->port, A));
	/* A process whose memory is not to be had: not offered, so its owner is told in time. */
	r->closed = true;
	rig_begin(r, A);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_GET_FEATURES, NULL, &out), 0);
	REQUIRE_EQ(out.u64 & VH_CUSE_LOG_ALL, 0);
	REQUIRE_EQ(log_at(r, A, r->bitmap), -EOPNOTSUPP);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, LOGGED), -EOPNOTSUPP);
	end(r);
}
