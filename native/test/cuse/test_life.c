/* Guests that behave, with a back end that is there, or comes and goes. */
#include "rig.h"
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define A 11
#define B 12

static struct rig rig;

static void stop(struct rig *r, uint64_t client)
{
	for (uint32_t i = 0; i < 2; i++)
		REQUIRE_EQ(rig_state(r, client, VHOST_NET_SET_BACKEND, i, UINT32_MAX), 0);
}

static uint32_t base_of(struct rig *r, uint64_t client, uint32_t ring)
{
	struct vhost_vring_state s = {ring, 77};
	union vh_cuse_out out = {0};

	REQUIRE_EQ(rig_ioctl(r, client, VHOST_GET_VRING_BASE, &s, &out), 0);
	REQUIRE_EQ(out.state.index, ring);
	return out.state.num;
}

static void release(struct rig *r, uint64_t client)
{
	vh_cuse_release(&r->link, vh_cuse_client(&r->port, client));
	REQUIRE(vh_cuse_client(&r->port, client) == NULL);
}

static uint64_t woken(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* The next write to it would wait. */
static void block(int fd)
{
	const uint64_t full = UINT64_MAX - 1;

	woken(fd);
	REQUIRE_EQ(write(fd, &full, sizeof(full)), sizeof(full));
	REQUIRE_EQ(fcntl(fd, F_SETFL, O_RDWR), 0);
}

void test_life_of_a_guest(void)
{
	struct rig *r = &rig;
	struct rig_heard h;

	rig_open(r);
	rig_begin(r, A);
	/* Before anything runs, the back end knows that somebody is there, and no more. */
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_OWNER), 1);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_VRING_CALL), 0);
	rig_start(r, A, 0);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 1);
	h = rig_last(r, VH_CUSE_SET_MEM_TABLE);
	REQUIRE_EQ(h.fds, 2);
	REQUIRE_EQ(h.msg.memory.region[1].gpa, RIG_GPA);
	REQUIRE_EQ(h.msg.memory.region[1].mmap_offset, RIG_MEMORY / 2);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_VRING_ENABLE), 2);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_ENABLE).msg.state.num, 1);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_NUM).msg.state.num, RIG_RING);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_ADDR).msg.addr.used, rig_addr(r, 0, 1).used_user_addr);
	r->position = 1234;
	stop(r, A);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_ENABLE).msg.state.num, 0);
	REQUIRE_EQ(base_of(r, A, 0), 1234);
	REQUIRE_EQ(base_of(r, A, 1), 1234);
	/* Started again, as after a reset. */
	*rig_used(r, 0, 0) = *rig_used(r, 0, 1) = 1234;
	rig_start(r, A, 0);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_BASE).msg.state.num, 1234);
	/* The files are the same ones: no second table. */
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 1);
	release(r, A);
	REQUIRE_EQ(r->link.socket, -1);
	REQUIRE_EQ(r->port.process, 0);
	rig_close(r);
}

void test_features(void)
{
	struct rig *r = &rig;
	union vh_cuse_out out;
	uint64_t said;

	rig_open(r);
	REQUIRE(vh_cuse_open(&r->port, A) != NULL);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_OWNER, NULL, NULL), 0);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_GET_FEATURES, NULL, &out), 0);
	REQUIRE_EQ(out.u64, 1ULL << 15 | 1ULL << 26 | 1ULL << 27 | 1ULL << 28 | 1ULL << 29 | 1ULL << 32);
	/* Not offered: a GUEST bit, packed rings. */
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, 1ULL << 1), -EOPNOTSUPP);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, 1ULL << 34), -EOPNOTSUPP);
	rig_start(r, A, 0);
	said = rig_last(r, VH_CUSE_SET_FEATURES).msg.u64;
	REQUIRE_EQ(said, RIG_TAKEN | 1ULL << 0 | 1ULL << 11 | 1ULL << 12 | 1ULL << 22 | 1ULL << 30);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, RIG_TAKEN | 1ULL << 29), -EBUSY);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, RIG_TAKEN), 0);
	stop(r, A);
	REQUIRE_EQ(rig_u64(r, A, VHOST_SET_FEATURES, RIG_TAKEN | 1ULL << 27), 0);
	rig_close(r);
}

void test_two_pairs(void)
{
	struct rig *r = &rig;

	rig_open(r);
	rig_begin(r, A);
	rig_begin(r, B);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_OWNER), 1);
	rig_start(r, A, 0);
	rig_start(r, B, 1);
	REQUIRE_EQ(r->link.started, 15);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 1);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_KICK).msg.u64, 3);
	/* One of them goes; the other's rings go on. */
	release(r, B);
	REQUIRE_EQ(r->link.started, 3);
	REQUIRE(r->link.socket >= 0);
	/* The next one gets the pair that is free. */
	rig_begin(r, B);
	rig_start(r, B, 1);
	REQUIRE_EQ(r->link.started, 15);
	/* Disagreement would change what the first one's rings mean. */
	stop(r, B);
	REQUIRE_EQ(rig_u64(r, B, VHOST_SET_FEATURES, 0), 0);
	REQUIRE_EQ(rig_state(r, B, VHOST_NET_SET_BACKEND, 0, (uint32_t)r->memory_fd), -EINVAL);
	rig_close(r);
}

void test_away_at_the_start(void)
{
	struct rig *r = &rig;
	struct timespec begun, ended;
	struct timeval patience;
	socklen_t size = sizeof(patience);

	rig_open(r);
	REQUIRE(vh_cuse_open(&r->port, A) != NULL);
	/* Nothing is known that could be answered. */
	r->mood = RIG_AWAY;
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_OWNER, NULL, NULL), -ENODEV);
	REQUIRE(r->lines == 1);
	/* Another front end has the port. */
	r->mood = RIG_OCCUPIED;
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_OWNER, NULL, NULL), -EBUSY);
	/* A switch that has much to do is waited for as long as by the launcher. */
	r->mood = RIG_MUTE;
	REQUIRE_EQ(clock_gettime(CLOCK_MONOTONIC, &begun), 0);
	REQUIRE_EQ(rig_ioctl(r, A, VHOST_SET_OWNER, NULL, NULL), -ENODEV);
	REQUIRE_EQ(clock_gettime(CLOCK_MONOTONIC, &ended), 0);
	REQUIRE(ended.tv_sec - begun.tv_sec >= VH_CUSE_FIRST_PATIENCE_MS / 1000 - 1);
	release(r, A);
	/* Once it was there, a guest starts also without it; while it runs, it stands still for less. */
	r->mood = RIG_WELL;
	rig_begin(r, A);
	REQUIRE_EQ(getsockopt(r->link.socket, SOL_SOCKET, SO_RCVTIMEO, &patience, &size), 0);
	REQUIRE_EQ(patience.tv_sec, VH_CUSE_PATIENCE_MS / 1000);
	release(r, A);
	r->mood = RIG_AWAY;
	rig_begin(r, A);
	rig_start(r, A, 0);
	REQUIRE_EQ(r->link.socket, -1);
	rig_forget(r);
	r->mood = RIG_WELL;
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(rig_count(r, VH_CUSE_GET_FEATURES), 0); /* not in such a hurry */
	r->clock += 10000;
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(r->link.started, 3);
	rig_close(r);
}

void test_away_while_it_runs(void)
{
	struct rig *r = &rig;

	rig_open(r);
	rig_begin(r, A);
	rig_begin(r, B);
	rig_start(r, A, 0);
	rig_start(r, B, 1);
	r->mood = RIG_AWAY;
	rig_lose(r);
	/* What the back end had done before. */
	*rig_used(r, 0, 0) = 10;
	*rig_used(r, 0, 1) = 11;
	*rig_used(r, 1, 0) = 12;
	*rig_used(r, 1, 1) = 65535;
	/* Found out by the next thing that is said to it: no error of the client's. */
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_CALL, 0, (uint32_t)r->event[1]), 0);
	REQUIRE_EQ(r->link.socket, -1);
	for (int i = 0; i < 20; i++) {
		vh_cuse_link_reconnect(&r->link);
		r->clock += 100;
	}
	REQUIRE_EQ(r->link.socket, -1);
	r->mood = RIG_WELL;
	rig_forget(r);
	for (int i = 0; i < 8; i++)
		block(r->event[i]);
	r->clock += 5000;
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(r->link.started, 15);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_MEM_TABLE), 1);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_VRING_BASE), 4);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_BASE).msg.state.num, 65535);
	/* The back end wakes both sides of a ring that starts; nothing here waits for the client's eventfds.
	 */
	for (int i = 0; i < 8; i++)
		REQUIRE_EQ(woken(r->event[i]), UINT64_MAX - 1);
	/* Stopped while it is away: as far as the guest's memory says. */
	r->mood = RIG_AWAY;
	rig_lose(r);
	stop(r, A);
	REQUIRE_EQ(base_of(r, A, 0), 10);
	REQUIRE_EQ(base_of(r, A, 1), 11);
	/* And GET_VRING_BASE alone stops, too. */
	REQUIRE_EQ(base_of(r, B, 1), 65535);
	REQUIRE(vh_cuse_link_wanted(&r->link));
	release(r, B);
	REQUIRE(!vh_cuse_link_wanted(&r->link));
	rig_close(r);
}

/* The process of the link ends and another one has nothing but the port's state. */
void test_another_process_goes_on(void)
{
	struct rig *r = &rig;

	rig_open(r);
	rig_begin(r, A);
	rig_start(r, A, 0);
	close(r->link.socket);
	rig_lose(r);
	*rig_used(r, 0, 0) = 500;
	vh_cuse_link_init(&r->link, &r->world, &r->port);
	rig_forget(r);
	/* A process that only has the same number is left alone. */
	r->alive = 1;
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(r->link.socket, -1);
	r->alive = getpid();
	vh_cuse_link_reconnect(&r->link);
	REQUIRE_EQ(r->link.started, 3);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_OWNER), 1);
	r->position = 600;
	stop(r, A);
	REQUIRE_EQ(base_of(r, A, 0), 600);
	rig_close(r);
}

void test_interrupts_move(void)
{
	struct rig *r = &rig;

	rig_open(r);
	rig_begin(r, A);
	rig_start(r, A, 0);
	rig_forget(r);
	for (int i = 0; i < 100; i++)
		REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_CALL, 1, (uint32_t)r->event[i % 2]), 0);
	REQUIRE_EQ(rig_count(r, VH_CUSE_SET_VRING_CALL), 100);
	/* Masked for good: no descriptor. */
	REQUIRE_EQ(rig_state(r, A, VHOST_SET_VRING_CALL, 1, UINT32_MAX), 0);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_CALL).msg.u64, 1 | VH_CUSE_NO_FD);
	REQUIRE_EQ(rig_last(r, VH_CUSE_SET_VRING_CALL).fds, 0);
	rig_close(r);
}
