#include "rig.h"
#include "../../dpdk/proxy/foreign_fd.h"
#include "../../cuse/client_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIG_PROTOCOL (1ULL << 0 | 1ULL << 1 | 1ULL << 3 | 1ULL << 5)

static bool read_all(int fd, void *to, size_t n)
{
	return n == 0 || recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

/* A message and its descriptors. Return: whether one came. */
static bool hear(int fd, struct vh_vhu_msg *m, int *fds, uint32_t *n)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(VH_VHU_MAX_FDS * sizeof(int))];
	} control;
	struct iovec v = {.iov_base = m, .iov_len = VH_VHU_HEADER};
	struct msghdr h = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	if (recvmsg(fd, &h, MSG_WAITALL | MSG_CMSG_CLOEXEC) != (ssize_t)VH_VHU_HEADER)
		return false;
	*n = 0;
	if (CMSG_FIRSTHDR(&h) != NULL) {
		*n = (uint32_t)((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(&control.header), *n * sizeof(int));
	}
	REQUIRE(m->size <= sizeof(*m) - VH_VHU_HEADER);
	return read_all(fd, &m->u64, m->size);
}

static uint64_t answer_to(struct rig *r, const struct vh_vhu_msg *m)
{
	switch (m->request) {
	case VH_CUSE_GET_FEATURES:
		return r->features;
	case VH_CUSE_GET_PROTOCOL_FEATURES:
		return RIG_PROTOCOL;
	case VH_CUSE_GET_QUEUE_NUM:
		return r->pairs;
	case VH_CUSE_GET_VRING_BASE:
		return m->state.index | (uint64_t)r->position << 32;
	default:
		return m->request == r->nack;
	}
}

static bool serve(struct rig *r, int fd, struct vh_gate *gate)
{
	struct vh_vhu_msg m = {0};
	int fds[VH_VHU_MAX_FDS];
	uint32_t n, came;
	const char *why;

	if (!hear(fd, &m, fds, &n))
		return false;
	came = n;
	why = vh_gate_check(gate, &m, fds, n);
	pthread_mutex_lock(&r->lock);
	if (why == NULL && m.request == VH_CUSE_SET_LOG_BASE) {
		close(r->log);
		r->log = fds[0];
		n = 0;
	}
	for (uint32_t i = 0; i < n; i++)
		close(fds[i]);
	if (why != NULL) {
		fprintf(stderr, "refused %s: %s\n", vh_gate_name(m.request), why);
		r->refused = why;
		r->refusals++;
	}
	if (r->n < RIG_HEARD)
		r->heard[r->n++] = (struct rig_heard){m, came};
	pthread_mutex_unlock(&r->lock);
	if (why != NULL)
		return false;
	if (!vh_gate_replies(&m))
		return true;
	m.u64 = answer_to(r, &m);
	m.flags = VH_VHU_VERSION | VH_VHU_REPLY;
	m.size = m.request == VH_CUSE_SET_LOG_BASE ? 0 : 8;
	return send(fd, &m, VH_VHU_HEADER + m.size, MSG_NOSIGNAL) == (ssize_t)(VH_VHU_HEADER + m.size);
}

static void *back_end(void *arg)
{
	struct rig *r = arg;
	struct vh_gate gate;
	char scrap;

	vh_gate_open(&gate, 2 * r->pairs, r->features, RIG_PROTOCOL);
	if (r->mood == RIG_MUTE)
		while (read(r->socket, &scrap, 1) > 0)
			;
	else if (r->mood != RIG_OCCUPIED)
		while (serve(r, r->socket, &gate))
			;
	/* The other end sees it; the number stays taken until the thread was waited for. */
	shutdown(r->socket, SHUT_RDWR);
	return NULL;
}

void rig_lose(struct rig *r)
{
	if (!r->runs)
		return;
	shutdown(r->socket, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->socket);
	r->runs = false;
}

static int do_connect(void *self)
{
	struct timeval patience = {.tv_usec = 200000};
	struct rig *r = self;
	int ends[2];

	if (r->mood == RIG_AWAY)
		return -ECONNREFUSED;
	rig_lose(r);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	/* Only a mute back end may ever be late. */
	if (r->mood == RIG_MUTE)
		setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	r->socket = ends[1];
	r->runs = true;
	REQUIRE(pthread_create(&r->thread, NULL, back_end, r) == 0);
	return ends[0];
}

static int dup_fd(pid_t process, int fd)
{
	int copy = process == getpid() ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	return copy < 0 ? -EBADF : copy;
}

static int do_take_event(void *self, pid_t process, int fd)
{
	int copy = dup_fd(process, fd);

	(void)self;
	if (copy < 0 || vh_foreign_is_eventfd(copy))
		return copy;
	close(copy);
	return -EINVAL;
}

static int do_has_fd(void *self, pid_t process, int fd)
{
	(void)self;
	return process == getpid() && fcntl(fd, F_GETFD) >= 0 ? 0 : -EBADF;
}

static int do_find_memory(void *self, pid_t process, const struct vhost_memory_region *regions, uint32_t n,
	struct vh_cuse_part *parts, int *fds)
{
	(void)self;
	return vh_cuse_proc_open("/proc", process, dup_fd, regions, n, parts, fds);
}

static int do_peek(void *self, pid_t process, uint64_t address, void *to, size_t n)
{
	struct rig *r = self;
	uint64_t offset = address - (uintptr_t)r->memory, in_bitmap = address - (uintptr_t)r->bitmap;

	/* Nothing else of this process: it would be written as well. */
	if (process != getpid() || ((offset >= RIG_MEMORY || n > RIG_MEMORY - offset) &&
					   (in_bitmap >= r->bitmap_bytes || n > r->bitmap_bytes - in_bitmap)))
		return -EFAULT;
	memcpy(to, (const void *)(uintptr_t)address, n);
	return 0;
}

static int do_open_memory(void *self, pid_t process, uint32_t uid)
{
	if (((struct rig *)self)->closed || process != getpid() || uid != getuid())
		return -EPERM;
	return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
}

static uint64_t do_birth(void *self, pid_t process)
{
	return ((struct rig *)self)->alive == process ? 42 : 0;
}

static uint64_t do_now(void *self)
{
	return ((struct rig *)self)->clock;
}

static void do_say(void *self, const char *format, ...)
{
	((struct rig *)self)->lines++;
	(void)format;
}

void rig_open(struct rig *r)
{
	*r = (struct rig){.features = RIG_FEATURES, .pairs = 4, .clock = 1000, .alive = getpid(), .log = -1};
	pthread_mutex_init(&r->lock, NULL);
	r->world = (struct vh_cuse_world){.self = r,
		.connect = do_connect,
		.take_event = do_take_event,
		.has_fd = do_has_fd,
		.find_memory = do_find_memory,
		.peek = do_peek,
		.open_memory = do_open_memory,
		.birth = do_birth,
		.now = do_now,
		.say = do_say};
	r->memory_fd = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(r->memory_fd >= 0 && ftruncate(r->memory_fd, RIG_MEMORY) == 0);
	r->memory = mmap(NULL, RIG_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory_fd, 0);
	REQUIRE(r->memory != MAP_FAILED);
	for (int i = 0; i < 8; i++)
		REQUIRE((r->event[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
	vh_cuse_link_init(&r->link, &r->world, &r->port);
}

void rig_close(struct rig *r)
{
	vh_cuse_link_down(&r->link, NULL);
	rig_lose(r);
	if (r->refused != NULL)
		check_failed(__FILE__, __LINE__, "the gate refused a message: %s", r->refused);
	munmap(r->memory, RIG_MEMORY);
	close(r->memory_fd);
	close(r->log);
	for (int i = 0; i < 8; i++)
		close(r->event[i]);
}

int rig_ioctl_of(struct rig *r, pid_t process, uint64_t client, uint32_t command, const void *in,
	union vh_cuse_out *out)
{
	struct vh_cuse_client *c = vh_cuse_client(&r->port, client);
	struct vh_cuse_caller who = {process, getuid()};
	union vh_cuse_out unused;

	REQUIRE(c != NULL);
	return vh_cuse_ioctl(&r->link, c, &who, command, in, out != NULL ? out : &unused);
}

int rig_ioctl(struct rig *r, uint64_t client, uint32_t command, const void *in, union vh_cuse_out *out)
{
	return rig_ioctl_of(r, getpid(), client, command, in, out);
}

int rig_state(struct rig *r, uint64_t client, uint32_t command, uint32_t index, uint32_t num)
{
	struct vhost_vring_state s = {index, num};

	return rig_ioctl(r, client, command, &s, NULL);
}

int rig_u64(struct rig *r, uint64_t client, uint32_t command, uint64_t value)
{
	return rig_ioctl(r, client, command, &value, NULL);
}

int rig_table(struct rig *r, uint64_t client)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} t = {.head = {.nregions = 2}};

	/* In two, as QEMU tells of what lies around the hole below 4 GiB. */
	t.region[0] = (struct vhost_memory_region){0, RIG_MEMORY / 2, (uintptr_t)r->memory, 0};
	t.region[1] = (struct vhost_memory_region){
		RIG_GPA, RIG_MEMORY / 2, (uintptr_t)r->memory + RIG_MEMORY / 2, 0};
	return rig_ioctl(r, client, VHOST_SET_MEM_TABLE, &t, NULL);
}

struct vhost_vring_addr rig_addr(const struct rig *r, uint32_t pair, uint32_t ring)
{
	uint64_t at = (uintptr_t)r->memory + 0x10000 * (2 * pair + ring + 1);

	return (struct vhost_vring_addr){.index = ring,
		.desc_user_addr = at,
		.avail_user_addr = at + 0x4000,
		.used_user_addr = at + 0x8000};
}

uint16_t *rig_used(const struct rig *r, uint32_t pair, uint32_t ring)
{
	return (uint16_t *)(uintptr_t)(rig_addr(r, pair, ring).used_user_addr + 2);
}

void rig_begin(struct rig *r, uint64_t client)
{
	union vh_cuse_out out;

	REQUIRE(vh_cuse_open(&r->port, client) != NULL);
	REQUIRE_EQ(rig_ioctl(r, client, VHOST_SET_OWNER, NULL, NULL), 0);
	REQUIRE_EQ(rig_ioctl(r, client, VHOST_GET_FEATURES, NULL, &out), 0);
	REQUIRE((out.u64 & RIG_TAKEN) == RIG_TAKEN);
	for (uint32_t i = 0; i < 2; i++) {
		REQUIRE_EQ(rig_state(r, client, VHOST_SET_VRING_CALL, i, (uint32_t)r->event[0]), 0);
		REQUIRE_EQ(rig_state(r, client, VHOST_SET_VRING_ERR, i, (uint32_t)r->event[1]), 0);
	}
}

void rig_start(struct rig *r, uint64_t client, uint32_t pair)
{
	REQUIRE_EQ(rig_u64(r, client, VHOST_SET_FEATURES, RIG_TAKEN), 0);
	REQUIRE_EQ(rig_table(r, client), 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct vhost_vring_addr addr = rig_addr(r, pair, i);
		uint32_t call = (uint32_t)r->event[2 * pair + i], kick = (uint32_t)r->event[4 + 2 * pair + i];

		REQUIRE_EQ(rig_state(r, client, VHOST_SET_VRING_CALL, i, call), 0);
		REQUIRE_EQ(rig_state(r, client, VHOST_SET_VRING_NUM, i, RIG_RING), 0);
		REQUIRE_EQ(rig_state(r, client, VHOST_SET_VRING_BASE, i, *rig_used(r, pair, i)), 0);
		REQUIRE_EQ(rig_ioctl(r, client, VHOST_SET_VRING_ADDR, &addr, NULL), 0);
		REQUIRE_EQ(rig_state(r, client, VHOST_SET_VRING_KICK, i, kick), 0);
	}
	for (uint32_t i = 0; i < 2; i++)
		REQUIRE_EQ(rig_state(r, client, VHOST_NET_SET_BACKEND, i, (uint32_t)r->memory_fd), 0);
}

uint32_t rig_count(struct rig *r, uint32_t request)
{
	uint32_t count = 0;

	pthread_mutex_lock(&r->lock);
	for (uint32_t i = 0; i < r->n; i++)
		count += r->heard[i].msg.request == request;
	pthread_mutex_unlock(&r->lock);
	return count;
}

struct rig_heard rig_last(struct rig *r, uint32_t request)
{
	struct rig_heard last = {.fds = UINT32_MAX};

	pthread_mutex_lock(&r->lock);
	for (uint32_t i = 0; i < r->n; i++)
		if (r->heard[i].msg.request == request)
			last = r->heard[i];
	pthread_mutex_unlock(&r->lock);
	REQUIRE(last.fds != UINT32_MAX);
	return last;
}

void rig_forget(struct rig *r)
{
	pthread_mutex_lock(&r->lock);
	r->n = 0;
	pthread_mutex_unlock(&r->lock);
}
