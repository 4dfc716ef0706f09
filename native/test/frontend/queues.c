/*
 * queues SOCKET PEER_SOCKET PAIRS split|packed STEPS SEED
 *
 * A guest with several queue pairs starts, enables, disables and stops its rings in any order, resets and
 * comes back, with the means to enable rings and without. After each step it sends on every ring that is
 * started, and its peer sends it several flows: a ring carries frames if, and only if, it is started and
 * enabled, whatever the others are, and no frame is lost or doubled. It begins with the last pair alone, and
 * in the end all are in use. Ends with 1 and a line on stderr when
 * something went wrong.
 */
#include "vu/guest.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 64U
#define RING_ROOM (16U << 10)
#define BUFFER 512U
#define ROOM (RING_ROOM + SIZE * BUFFER)
#define MAX_RINGS 128U
#define FLOWS 12U
#define LEN 64U
#define MINE 1
#define PEER 2
#define PATIENCE_NS 10000000000ULL

enum enable { UNTOLD, ENABLED, DISABLED };

struct queue {
	struct ring ring;
	bool started;
	enum enable enable;
	uint32_t pending; /* frames of a transmit ring that wait in it */
	int kick, call;
};

static struct queue queue[MAX_RINGS];
static struct guest peer;
static uint32_t rings;
static bool packed, protocol;
static int sock = -1, memory_fd;
static const char *path;
static uint8_t *memory;
static uint64_t sent, due, random_state; /* frames sent; frames that the peer must have by now */

static void fail(const char *what, uint32_t ring)
{
	fprintf(stderr, "queues: %s (ring %u of %u, %s)\n", what, ring, rings,
		protocol ? "enabled" : "as started");
	exit(1);
}

static void must(bool ok, const char *what, uint32_t ring)
{
	if (!ok)
		fail(what, ring);
}

static uint32_t below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % n;
}

static bool is_tx(uint32_t i)
{
	return i % 2 == 1;
}

static bool served(uint32_t i)
{
	return queue[i].started && queue[i].enable == ENABLED;
}

static uint32_t buffer_at(uint32_t i, uint32_t k)
{
	return i * ROOM + RING_ROOM + k % SIZE * BUFFER;
}

static void offer(uint32_t i)
{
	struct ring *r = &queue[i].ring;

	ring_put(r, GUEST_GPA + buffer_at(i, r->offered), BUFFER, true);
}

static void kick(uint32_t i)
{
	static const uint64_t one = 1;

	if (ring_wants_kick(&queue[i].ring))
		must(write(queue[i].kick, &one, sizeof(one)) == sizeof(one), "a kick cannot be written", i);
}

static void fresh(uint32_t i)
{
	ring_init(&queue[i].ring, packed, SIZE, memory + i * ROOM);
	queue[i].pending = 0;
	for (uint32_t k = 0; !is_tx(i) && k < SIZE; k++)
		offer(i);
}

/* Everything that was said before is done. */
static void fence(void)
{
	uint64_t ignored;

	must(vu_get(sock, VU_GET_FEATURES, &ignored), "the switch does not answer", 0);
}

static void connect_anew(bool with_protocol)
{
	struct vu_msg owner = {.request = VU_SET_OWNER, .flags = VU_VERSION};
	struct vu_msg table = {
		.request = VU_SET_MEM_TABLE, .flags = VU_VERSION, .size = 8 + sizeof(struct vu_region)};
	uint64_t features = VU_F_VERSION_1 | 1ULL << 22 | (packed ? VU_F_PACKED : 0), offered;

	if (sock >= 0)
		close(sock);
	sock = vu_connect(path);
	must(sock >= 0, "no connection", 0);
	protocol = with_protocol;
	if (protocol)
		must(vu_get(sock, VU_GET_PROTOCOL_FEATURES, &offered) &&
				vu_u64(sock, VU_SET_PROTOCOL_FEATURES, offered & VU_P_MQ),
			"no protocol features", 0);
	table.memory.n = 1;
	table.memory.region[0] =
		(struct vu_region){.gpa = GUEST_GPA, .size = rings * ROOM, .user = GUEST_USER};
	must(vu_send(sock, &owner, NULL, 0) &&
			vu_u64(sock, VU_SET_FEATURES, features | (protocol ? VU_F_PROTOCOL : 0)) &&
			vu_send(sock, &table, &memory_fd, 1),
		"the connection cannot be set up", 0);
	fence();
	for (uint32_t i = 0; i < rings; i++) {
		queue[i].started = false;
		queue[i].enable = protocol ? UNTOLD : ENABLED;
		fresh(i);
	}
}

static void start(uint32_t i)
{
	struct queue *q = &queue[i];
	struct vu_msg m = {.request = VU_SET_VRING_ADDR, .flags = VU_VERSION, .size = 40};

	m.addr.index = i;
	m.addr.desc = GUEST_USER + (uint64_t)((uint8_t *)q->ring.desc - memory);
	m.addr.avail = GUEST_USER + (uint64_t)((uint8_t *)q->ring.driver - memory);
	m.addr.used = GUEST_USER + (uint64_t)((uint8_t *)q->ring.device - memory);
	must(vu_state(sock, VU_SET_VRING_NUM, i, SIZE) &&
			vu_state(sock, VU_SET_VRING_BASE, i, ring_base(&q->ring, q->ring.reaped)) &&
			vu_send(sock, &m, NULL, 0) && vu_fd(sock, VU_SET_VRING_KICK, i, q->kick) &&
			vu_fd(sock, VU_SET_VRING_CALL, i, below(4) == 0 ? -1 : q->call),
		"a ring cannot be started", i);
	q->started = true;
}

static void reap(uint32_t i)
{
	uint32_t ignored;

	while (ring_reap(&queue[i].ring, &ignored))
		if (!is_tx(i))
			offer(i);
}

static void stop(uint32_t i)
{
	uint32_t told;

	must(vu_get_base(sock, i, &told), "no position", i);
	queue[i].started = false;
	reap(i);
	must((told & 0xffff) == (ring_base(&queue[i].ring, queue[i].ring.reaped) & 0xffff),
		"it stopped elsewhere", i);
}

static void send_on(uint32_t i)
{
	struct ring *r = &queue[i].ring;
	uint32_t at = buffer_at(i, r->offered);
	uint8_t *p = memory + at + GUEST_HEADER;

	memset(memory + at, 0, GUEST_HEADER + LEN);
	p[0] = p[6] = 2;
	p[5] = PEER;
	p[11] = p[14] = MINE;
	p[12] = 0x88;
	p[13] = 0xb5;
	memcpy(p + 16, &sent, sizeof(sent));
	for (uint32_t k = 24; k < LEN; k++)
		p[k] = (uint8_t)(MINE + sent * 31 + k * 7);
	sent++;
	ring_put(r, GUEST_GPA + at, GUEST_HEADER + LEN, false);
	kick(i);
}

/* Waits until the peer has `due` frames. */
static void await_peer(uint32_t i)
{
	uint64_t end = vu_now() + PATIENCE_NS;

	while (peer.received < due && vu_now() < end) {
		guest_receive(&peer, 0);
		sched_yield();
	}
	if (peer.received != due)
		fprintf(stderr, "queues: the peer has %llu frames of %llu\n",
			(unsigned long long)peer.received, (unsigned long long)due);
	must(peer.received == due, peer.received < due ? "a frame was not delivered" : "a frame too many", i);
}

static void enable(uint32_t i, bool on)
{
	struct queue *q = &queue[i];

	must(vu_state(sock, VU_SET_VRING_ENABLE, i, on), "a ring cannot be enabled", i);
	q->enable = on ? ENABLED : DISABLED;
}

static void send_and_check(uint32_t i)
{
	struct queue *q = &queue[i];
	uint64_t end = vu_now() + PATIENCE_NS;

	reap(i);
	if (!q->started || ring_busy(&q->ring) >= SIZE / 2)
		return;
	send_on(i);
	if (q->enable == UNTOLD) {
		q->pending++;
		return;
	}
	if (q->enable == ENABLED)
		due++;
	/* What is sent on a disabled ring comes back, with the next message or once a second, and goes
	 * nowhere. */
	if (q->enable == DISABLED && below(50) > 0)
		enable(i, false);
	while (ring_busy(&q->ring) > 0 && q->enable == DISABLED && vu_now() < end) {
		reap(i);
		sched_yield();
	}
	must(q->enable == ENABLED || ring_busy(&q->ring) == 0, "a disabled ring keeps its frames", i);
	await_peer(i);
}

static uint32_t came(bool *only_served)
{
	uint32_t n = 0, ignored;

	for (uint32_t i = 0; i < rings; i += 2)
		while (ring_reap(&queue[i].ring, &ignored)) {
			n++;
			*only_served &= served(i);
			offer(i);
		}
	return n;
}

/* The peer sends FLOWS flows, a frame of each. */
static void receive_and_check(void)
{
	uint64_t end = vu_now() + PATIENCE_NS;
	bool any = false, only_served = true;
	uint32_t n = 0, ignored;

	for (uint32_t i = 0; i < rings; i += 2)
		any |= served(i);
	for (uint32_t flow = 0; flow < FLOWS; flow++)
		must(guest_send(&peer, (uint8_t)(100 + flow), LEN, 1) == 1, "the peer cannot send", 0);
	while ((n < (any ? FLOWS : 0) || ring_busy(&peer.ring[GUEST_TX]) > 0) && vu_now() < end) {
		n += came(&only_served);
		while (ring_reap(&peer.ring[GUEST_TX], &ignored))
			;
		sched_yield();
	}
	n += came(&only_served);
	must(only_served, "a ring that is not enabled was given a frame", 0);
	must(n == (any ? FLOWS : 0), n > FLOWS ? "a frame came twice" : "a flow was lost", n);
}

/* What waited in rings goes where their state says by now. */
static void settle_pending(void)
{
	for (uint32_t i = 1; i < rings; i += 2) {
		if (!queue[i].started || queue[i].enable == UNTOLD)
			continue;
		if (queue[i].enable == ENABLED)
			due += queue[i].pending;
		queue[i].pending = 0;
	}
	await_peer(0);
}

static void step(void)
{
	uint32_t i = below(rings), what = below(20);

	if (what < 7) {
		if (!queue[i].started)
			start(i);
	} else if (what < 12) {
		enable(i, below(3) > 0);
	} else if (what < 15) {
		if (queue[i].started)
			stop(i);
	} else if (what == 15 && queue[i].started) {
		must(vu_fd(sock, below(2) ? VU_SET_VRING_CALL : VU_SET_VRING_KICK, i, -1), "no descriptor",
			i);
	} else if (what == 16 && below(6) == 0) {
		/* The driver's reset: all rings anew. */
		for (i = 0; i < rings; i++) {
			if (queue[i].started)
				stop(i);
			fresh(i);
		}
	} else if (what == 17) {
		/* ethtool -L: the first pairs are enabled, the others are not. */
		uint32_t pairs = 1 + below(rings / 2);

		for (i = 0; i < rings; i++)
			enable(i, i / 2 < pairs);
	} else if (what == 18 && below(3) == 0) {
		connect_anew(below(3) > 0);
	}
	fence();
}

static void check_all(void)
{
	settle_pending();
	for (uint32_t i = 1; i < rings; i += 2)
		send_and_check(i);
	receive_and_check();
}

/* A driver may enable any pair, and that alone. */
static void last_alone(void)
{
	for (uint32_t i = rings - 2; i < rings; i++) {
		start(i);
		enable(i, true);
	}
	fence();
	check_all();
	must(due > 0, "nothing was delivered", rings - 1);
}

static void all_at_once(void)
{
	uint64_t before = due;

	for (uint32_t i = 0; i < rings; i++) {
		if (!queue[i].started)
			start(i);
		enable(i, true);
	}
	fence();
	check_all();
	must(due >= before + rings / 2, "not all carry frames", 0);
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: queues SOCKET PEER_SOCKET PAIRS split|packed STEPS SEED\n");
		return 2;
	}
	rings = 2 * (uint32_t)atoi(argv[3]);
	packed = strcmp(argv[4], "packed") == 0;
	random_state = strtoull(argv[6], NULL, 10);
	must(rings <= MAX_RINGS, "too many pairs", rings);
	must(guest_make(&peer, argv[2], PEER, false, 256) && guest_up(&peer), "no peer", 0);
	memory_fd = memfd_create("queues", MFD_CLOEXEC);
	must(memory_fd >= 0 && ftruncate(memory_fd, rings * ROOM) == 0, "no memory", 0);
	memory = mmap(NULL, rings * ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	must(memory != MAP_FAILED, "no memory", 0);
	for (uint32_t i = 0; i < rings; i++) {
		queue[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		queue[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		must(queue[i].kick >= 0 && queue[i].call >= 0, "no eventfd", i);
	}
	path = argv[1];
	connect_anew(true);
	last_alone();
	for (uint32_t steps = (uint32_t)atoi(argv[5]); steps > 0; steps--) {
		step();
		check_all();
	}
	all_at_once();
	printf("{\"sent\":%llu,\"delivered\":%llu}\n", (unsigned long long)sent, (unsigned long long)due);
	close(sock);
	guest_free(&peer);
	return 0;
}
