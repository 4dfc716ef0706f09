/*
 * libFuzzer target over all that stands between a front end and librte_vhost: relay and gate, session and
 * rings. The library is library.c, which ends the program where something comes that it must never see, or
 * where a ring is in use whose memory, place or descriptors change. Everything runs on one thread, in the
 * order of the input.
 *
 * An input is what a front end does: messages that are right but for what the input spoils, any bytes, with
 * any descriptors; it leaves and comes back, lets time pass, and writes to its memory; or the control side
 * acts. Afterwards a front end that behaves must be served, and no descriptor may be left over.
 */
#include "../dpdk/proxy/proxy.c"
#include "../dpdk/runtime/events.h"
#include "../dpdk/vhost/session_rings.h"
#include "../test/rig/rig.h"
#include "rig/input.h"
#include "rig/library.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>

#define PORT 1
#define PAIRS 2
#define REGION (64U << 10)
#define REGIONS 3U
#define USER 0x7f0000000000ULL
#define STEPS 60
#define PROTOCOL                                                                                             \
	(VH_VHU_F_MQ | VH_VHU_F_LOG_SHMFD | VH_VHU_F_RARP | VH_VHU_F_REPLY_ACK | VH_VHU_F_BACKEND_REQ)
#define FEATURES (VH_F_VERSION_1 | VH_F_PROTOCOL_FEATURES | VH_F_MRG_RXBUF)

static struct rig *r;
static struct vh_session session;
static struct vh_ring ring[2 * PAIRS];
static struct vh_ring_log ring_log[2 * PAIRS];
static char dir[] = "/tmp/vh-fuzz-XXXXXX";
static int front = -1, memory_fd, channel[2], event_fd;
static uint8_t *memory;
static uint64_t now_ns = 1000000000000ULL;
static int descriptors;

/* Time is the input's. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __real_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_THREAD_CPUTIME_ID)
		return __real_clock_gettime(clock, t);
	t->tv_sec = (time_t)(now_ns / 1000000000);
	t->tv_nsec = (long)(now_ns % 1000000000);
	return 0;
}

void note_drops(const struct vh_counters *c)
{
	(void)c;
}

struct vh_session *vh_session_by_path(const char *path)
{
	return strcmp(path, session.path) == 0 ? &session : NULL;
}

static void nothing(void *context)
{
	(void)context;
}

static int count_descriptors(void)
{
	DIR *fds = opendir("/proc/self/fd");
	int n = 0;

	REQUIRE(fds != NULL);
	while (readdir(fds) != NULL)
		n++;
	closedir(fds);
	return n;
}

/* All that the threads would do, until there is nothing more to do now. */
static void turn(void)
{
	bool more = true;

	/* A front end that has sent all it can is through after some hundred messages. */
	for (int i = 0; i < 1000 && more; i++) {
		struct epoll_event e[8];
		int n;

		take_times();
		n = epoll_wait(hub.epoll_fd, e, 8, 0);
		for (int k = 0; k < n; k++) {
			uint64_t ignored;

			if (e[k].data.u64 == WAKE)
				(void)!read(hub.wake_fd, &ignored, sizeof(ignored));
			else
				take_event(&e[k]);
		}
		more = library_turn() || n > 0;
	}
	REQUIRE(!more);
}

static void leave(void)
{
	if (front >= 0)
		close(front);
	front = -1;
}

static void come(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	leave();
	memcpy(a.sun_path, session.path, strlen(session.path) + 1);
	front = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	REQUIRE(front >= 0);
	if (connect(front, (struct sockaddr *)&a, sizeof(a)) != 0)
		leave();
}

/* What is sent goes or does not: nobody waits. */
static void send_bytes(const void *bytes, size_t n, const int *fds, uint32_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(16 * sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

	if (front < 0 || n == 0)
		return;
	if (n_fds > 0) {
		struct cmsghdr *c;

		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	(void)!sendmsg(front, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Takes replies in. Return: whether one came whose message was this. */
static bool answered(uint32_t request, struct vh_vhu_msg *m)
{
	bool found = false;

	while (front >= 0 && recv(front, m, VH_VHU_HEADER, MSG_DONTWAIT) == (ssize_t)VH_VHU_HEADER) {
		REQUIRE_EQ(m->flags, VH_VHU_VERSION | VH_VHU_REPLY);
		REQUIRE(m->size <= sizeof(*m) - VH_VHU_HEADER);
		REQUIRE(m->size == 0 ||
			recv(front, (uint8_t *)m + VH_VHU_HEADER, m->size, MSG_DONTWAIT) == (ssize_t)m->size);
		found |= m->request == request;
	}
	return found;
}

/* A kind of descriptor that there is. Return: one that is to be closed. */
static int descriptor(uint8_t kind)
{
	int ends[2], fd = -1;

	switch (kind % 8) {
	case 0:
		return dup(event_fd);
	case 1:
		return dup(memory_fd);
	case 2:
		REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
		close(ends[1]);
		return ends[0];
	case 3:
		return dup(channel[1]);
	case 4:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 5:
		return open(dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	case 6:
		fd = memfd_create("short", MFD_CLOEXEC);
		REQUIRE(ftruncate(fd, 4096) == 0);
		return fd;
	default:
		return epoll_create1(EPOLL_CLOEXEC);
	}
}

/* A number that is small, at an edge, or any. */
static uint64_t odd(struct input *in)
{
	static const uint64_t edges[] = {0, 1, REGION, REGION - 1, REGION * REGIONS, UINT32_MAX, UINT64_MAX,
		USER, USER + REGION, UINT64_MAX - REGION, 32768, 32769, 65535, 65536, 1ULL << 43, 1ULL << 63};
	uint8_t how = in_u8(in);

	return how < 128 ? edges[how % 16] : how < 192 ? how % 8 : in_u64(in);
}

static uint64_t features(struct input *in, uint8_t bits)
{
	static const uint64_t some[] = {VH_F_RING_PACKED, VH_F_ACCESS_PLATFORM, VH_F_LOG_ALL, VH_F_EVENT_IDX,
		VH_F_INDIRECT_DESC, VH_F_IN_ORDER};
	uint64_t f = FEATURES;

	for (uint32_t i = 0; i < 6; i++)
		f |= (bits >> i & 1) != 0 ? some[i] : 0;
	return (bits & 128) != 0 ? f ^ odd(in) : f;
}

/* A message as it should be, of ring number `bits` % 4. Return: how many descriptors, and of which kind. */
static uint32_t make(struct vh_vhu_msg *m, uint32_t request, uint8_t bits, struct input *in, uint8_t *kind)
{
	uint32_t of = bits % (2 * PAIRS), more = bits / 4;

	*m = (struct vh_vhu_msg){.request = request, .flags = VH_VHU_VERSION, .size = 8};
	*kind = 0;
	switch (request) {
	case VH_VHU_SET_FEATURES:
		m->u64 = features(in, bits);
		return 0;
	case 16:
		m->u64 = PROTOCOL & ~(uint64_t)more;
		return 0;
	case VH_VHU_SET_MEM_TABLE:
		m->memory.n = 1 + of % REGIONS;
		m->size = 8 + m->memory.n * 32;
		for (uint32_t i = 0; i < m->memory.n; i++)
			m->memory.region[i] = (struct vh_vhu_region){(uint64_t)i * REGION, REGION,
				USER + (uint64_t)i * REGION, (uint64_t)(i + more) % REGIONS * REGION};
		*kind = 1;
		return m->memory.n;
	case VH_VHU_SET_LOG_BASE:
		m->size = 16;
		m->log.size = 1024;
		m->log.offset = more;
		*kind = 1;
		return 1;
	case VH_VHU_SET_VRING_NUM:
		m->state.index = of;
		m->state.num = 1U << more % 9;
		return 0;
	case VH_VHU_SET_VRING_ADDR:
		m->size = sizeof(m->addr);
		m->addr = (struct vh_vhu_addr){of, more & 1, USER + of * 0x4000ULL,
			USER + of * 0x4000ULL + 0x2000, USER + of * 0x4000ULL + 0x1000, 0};
		return 0;
	case VH_VHU_SET_VRING_BASE:
	case VH_VHU_GET_VRING_BASE:
		m->state.index = of;
		m->state.num = more == 0 ? 0 : 0x80018000U;
		return 0;
	case VH_VHU_SET_VRING_ENABLE:
		m->state.index = of;
		m->state.num = more == 0;
		return 0;
	case VH_VHU_SET_VRING_KICK:
	case 13:
	case 14:
		m->u64 = of | (more & 1) << 8;
		return more & 1 ? 0 : 1;
	case VH_VHU_SEND_RARP:
		m->u64 = 0x563412005452ULL + more;
		return 0;
	case VH_VHU_IOTLB_MSG:
		m->size = sizeof(m->iotlb);
		m->iotlb = (struct vh_vhu_iotlb){USER + more * 0x1000ULL, of == 3 ? REGION : 0x1000,
			USER + more * 0x1000ULL, 3,
			of % 2 == 0 ? VH_VHU_IOTLB_UPDATE : VH_VHU_IOTLB_INVALIDATE, {0}};
		return 0;
	case 7:
	case VH_VHU_SET_BACKEND_REQ_FD:
		m->size = 0;
		*kind = request == 7 ? 0 : 3;
		return 1;
	default:
		m->size = 0;
		return 0;
	}
}

static void message(struct input *in)
{
	uint8_t request = in_u8(in) % 42, bits = in_u8(in), spoil = in_u8(in), kind;
	struct vh_vhu_msg m;
	uint32_t n = make(&m, request, bits, in, &kind), size;
	int fds[16];

	if ((spoil & 1) != 0)
		m.flags |= VH_VHU_NEED_REPLY;
	/* Some of its eight-byte words, its header, its descriptors. */
	if ((spoil & 2) != 0)
		for (uint32_t k = in_u8(in) % 4; k > 0; k--) {
			uint64_t value = odd(in);
			uint32_t at = in_u8(in) % (uint32_t)((sizeof(m) - VH_VHU_HEADER) / 8) * 8;

			memcpy((uint8_t *)&m + VH_VHU_HEADER + at, &value, 8);
		}
	if ((spoil & 4) != 0)
		kind = in_u8(in);
	if ((spoil & 8) != 0)
		n = in_u8(in) % 12;
	if ((spoil & 16) != 0)
		m.size = (uint32_t)odd(in);
	if ((spoil & 32) != 0)
		m.flags = in_u8(in);
	size = VH_VHU_HEADER + (m.size <= sizeof(m) - VH_VHU_HEADER ? m.size : 0);
	if ((spoil & 64) != 0)
		size = size * in_u8(in) / 255;
	for (uint32_t i = 0; i < n; i++)
		fds[i] = descriptor(kind);
	send_bytes(&m, size, fds, n);
	for (uint32_t i = 0; i < n; i++)
		close(fds[i]);
	if ((spoil & 128) == 0)
		turn();
}

/* Its guest offers a buffer, or writes anything to where its rings are. */
static void scribble(struct input *in)
{
	uint32_t at = in_u8(in) % (2 * PAIRS) * 0x4000U + in_u8(in) % 4 * 0x1000U;
	uint64_t value = odd(in);

	memcpy(memory + at + in_u8(in) % 64 * 8, &value, 8);
}

/* Workers, had they their turn now; the neighbour sends to all. */
static void traffic(void)
{
	static uint32_t seq;
	uint8_t mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, f[64], src[6];

	frame_mac(src, 0);
	frame_make(f, mac, src, seq++, sizeof(f));
	(void)guest_send(r->guest[0], 0, f, sizeof(f), LAYOUT_SINGLE);
	rig_poll(r, 0, 1);
	guest_reap(r->guest[0], 0);
	for (uint16_t pair = 0; pair < PAIRS; pair++)
		if (vh_vq_is_live(&session.port->tx[pair]))
			(void)vh_switch_poll(r->sw, r->lane[0], session.port, pair);
}

static void control(struct input *in)
{
	uint8_t what = in_u8(in);

	if (what % 3 == 0) {
		vh_relay_condemn(PORT, "condemned", what);
		return;
	}
	pthread_mutex_lock(&session.lock);
	if (what % 3 == 1) {
		vh_rings_drain(&session);
	} else {
		vh_rings_lift(&session, 1 + what / 4 % PAIRS * 2);
		vh_rings_land(&session, 1 + what / 4 % PAIRS * 2);
	}
	pthread_mutex_unlock(&session.lock);
}

static void step(struct input *in)
{
	uint8_t what = in_u8(in), bytes[64];
	struct vh_vhu_msg ignored;
	uint32_t n;

	switch (what % 16) {
	case 0:
		come();
		break;
	case 1:
		leave();
		break;
	case 2:
		now_ns += in_u16(in) * 1000000ULL;
		break;
	case 3:
		n = in_u8(in) % sizeof(bytes);
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = in_u8(in);
		send_bytes(bytes, n, NULL, 0);
		break;
	case 4:
		scribble(in);
		break;
	case 5:
		control(in);
		break;
	case 6:
		(void)answered(0, &ignored);
		break;
	default:
		message(in);
		traffic();
		return;
	}
	turn();
	traffic();
}

static void must(uint32_t request, uint8_t bits)
{
	struct vh_vhu_msg m;
	uint8_t kind;
	struct input none = {0};
	uint32_t n = make(&m, request, bits, &none, &kind);
	int fds[16];

	m.flags |= VH_VHU_NEED_REPLY;
	for (uint32_t i = 0; i < n; i++)
		fds[i] = descriptor(kind);
	send_bytes(&m, VH_VHU_HEADER + m.size, fds, n);
	for (uint32_t i = 0; i < n; i++)
		close(fds[i]);
	turn();
	REQUIRE(answered(request, &m) && (request == 1 || request == 15 || m.u64 == 0));
}

/* Whatever was before, whoever does as he should is served. */
static void behave(bool packed)
{
	now_ns += 100000000000ULL;
	turn();
	come();
	turn();
	memset(memory, 0, (size_t)REGION * REGIONS);
	must(1, 0);
	must(15, 0);
	must(16, 0);
	must(3, 0);
	must(VH_VHU_SET_FEATURES, packed ? 1 : 0);
	must(VH_VHU_SET_MEM_TABLE, 2);
	for (uint8_t i = 0; i < 2; i++) {
		must(VH_VHU_SET_VRING_NUM, (uint8_t)(i + 4 * 4));
		must(VH_VHU_SET_VRING_BASE, (uint8_t)(i + (packed ? 4 : 0)));
		must(VH_VHU_SET_VRING_ADDR, i);
		must(13, i);
		must(VH_VHU_SET_VRING_KICK, i);
		must(VH_VHU_SET_VRING_ENABLE, i);
	}
	REQUIRE(session.ready);
	traffic();
	leave();
	turn();
	REQUIRE(!session.ready && session.vid < 0 && session.mem.n <= VH_MAX_REGIONS);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tidy(void)
{
	(void)!unlink(session.path);
	(void)!unlink(session.records.path);
	(void)!rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = WAKE};
	struct vh_session_options o = {.name = "fuzz",
		.pairs = PAIRS,
		.mergeable = true,
		.offloads = true,
		.mac_limit = 64,
		.socket_mode = 0600,
		.socket_gid = -1};
	char path[64], records[64], error[256];

	(void)argc, (void)argv;
	test_rng = rng_of(1);
	REQUIRE(mkdtemp(dir) != NULL && atexit(tidy) == 0);
	snprintf(path, sizeof(path), "%s/port", dir);
	snprintf(records, sizeof(records), "%s/records", dir);
	o.path = path;
	o.records = records;
	REQUIRE(vh_events_init(nothing, NULL) == 0);
	r = rig_guests(VH_F_VERSION_1 | VH_F_MRG_RXBUF, 1);
	session = (struct vh_session){.sw = r->sw,
		.port = vh_port_new(PORT, PAIRS),
		.ring = ring,
		.log = {.ring = ring_log, .rings = 2 * PAIRS}};
	hub.descriptors = 900;
	hub.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	hub.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	REQUIRE(epoll_ctl(hub.epoll_fd, EPOLL_CTL_ADD, hub.wake_fd, &e) == 0);
	library_serve(&session);
	REQUIRE_EQ(vh_session_open(&session, &o, error, sizeof(error)), 0);
	r->list->port[r->list->n++] = session.port;
	__atomic_store_n(&r->sw->port[PORT], session.port, __ATOMIC_RELEASE);
	memory_fd = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(ftruncate(memory_fd, (off_t)REGION * REGIONS) == 0);
	memory = mmap(NULL, (size_t)REGION * REGIONS, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel) == 0);
	behave(false);
	behave(true);
	return 0;
}

/* What may wait is closed on threads of their own (dpdk/proxy/foreign_fd.h). */
static void require_closed(void)
{
	struct timespec begin, t;

	__real_clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		__real_clock_gettime(CLOCK_MONOTONIC, &t);
	while (count_descriptors() != descriptors && t.tv_sec < begin.tv_sec + 5);
	REQUIRE_EQ(count_descriptors(), descriptors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vh_event events[64];
	struct input in = {.p = data, .left = size};
	uint8_t scrap[256];
	uint64_t lost;

	/* Each time: libFuzzer opens some itself. */
	descriptors = count_descriptors();
	come();
	turn();
	for (int i = 0; i < STEPS && in.left > 0; i++)
		step(&in);
	leave();
	turn();
	behave(size % 2 == 0);
	require_closed();
	library_forget();
	while (recv(channel[0], scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
		;
	while (vh_events_take(events, 64, &lost) > 0)
		;
	return 0;
}
