#include "library.h"
#include "../../dpdk/proxy/msg_filter.h"
#include "../../dpdk/vhost/session_rings.h"
#include "../../test/rig/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <rte_vhost.h>

#define MAX_GONE 4096

struct map {
	void *p;
	size_t size;
};

static struct {
	struct vh_session *session;
	const struct rte_vhost_device_ops *ops;
	const struct rte_vhost_user_extern_ops *handlers;
	int listen_fd, conn; /* conn: -1: none */
	uint64_t features;
	uint32_t regions;
	struct vh_vhu_region region[VH_VHU_MAX_REGIONS];
	struct map map[VH_VHU_MAX_REGIONS];
	struct {
		uint32_t size;
		bool placed;
		struct vh_vhu_addr addr;
		uint8_t *part[3];
		uint16_t avail, used;
		int call, kick;
	} ring[VH_MAX_RINGS];
	struct map gone[MAX_GONE];
	uint32_t n_gone;
} lib = {.listen_fd = -1, .conn = -1};

void library_serve(struct vh_session *s)
{
	lib.session = s;
}

static uint32_t rings(void)
{
	return 2U * lib.session->port->pairs;
}

/* Nobody else may have these rings now: they are about to change, or their memory is. */
static void require_idle(uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		REQUIRE(!vh_vq_is_live(vh_ring_queue(lib.session, i)) &&
			lib.session->ring[i].use == VH_RING_IDLE);
}

static uint8_t *translate(uint64_t user, uint64_t len)
{
	for (uint32_t i = 0; i < lib.regions; i++) {
		uint64_t offset = user - lib.region[i].user_addr;

		if (offset < lib.region[i].size && len <= lib.region[i].size - offset)
			return (uint8_t *)lib.map[i].p + lib.region[i].mmap_offset + offset;
	}
	return NULL;
}

/* Return: whether all parts of the ring were found. */
static bool place(uint32_t i)
{
	const struct vh_vhu_addr *a = &lib.ring[i].addr;

	/* As much as the library looks at itself. */
	lib.ring[i].part[0] = translate(a->desc, 16);
	lib.ring[i].part[1] = translate(a->avail, 4);
	lib.ring[i].part[2] = translate(a->used, 4);
	return lib.ring[i].part[0] != NULL && lib.ring[i].part[1] != NULL && lib.ring[i].part[2] != NULL;
}

static void unmap_all(void)
{
	require_idle(0, rings());
	for (uint32_t i = 0; i < lib.regions; i++) {
		REQUIRE(mprotect(lib.map[i].p, lib.map[i].size, PROT_NONE) == 0);
		REQUIRE(lib.n_gone < MAX_GONE);
		lib.gone[lib.n_gone++] = lib.map[i];
	}
	lib.regions = 0;
	for (uint32_t i = 0; i < rings(); i++)
		memset(lib.ring[i].part, 0, sizeof(lib.ring[i].part));
}

void library_forget(void)
{
	while (lib.n_gone > 0) {
		lib.n_gone--;
		munmap(lib.gone[lib.n_gone].p, lib.gone[lib.n_gone].size);
	}
}

static bool set_memory(const struct vh_vhu_msg *m, const int *fds, uint32_t n)
{
	bool good = true;

	REQUIRE(m->memory.n > 0 && m->memory.n <= VH_VHU_MAX_REGIONS && m->memory.n == n);
	REQUIRE_EQ(m->size, 8 + 32 * n);
	unmap_all();
	for (uint32_t i = 0; i < n; i++) {
		const struct vh_vhu_region *r = &m->memory.region[i];
		struct map *map = &lib.map[i];

		REQUIRE(r->size > 0 && r->size + r->mmap_offset >= r->size);
		map->size = r->size + r->mmap_offset;
		map->p = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fds[i], 0);
		/* More than the input's own files have was to be refused. */
		REQUIRE(map->p != MAP_FAILED);
		lib.region[i] = *r;
		lib.regions = i + 1;
		/* The first and the last byte are there. */
		__atomic_load_n((uint8_t *)map->p + r->mmap_offset, __ATOMIC_RELAXED);
		__atomic_load_n((uint8_t *)map->p + map->size - 1, __ATOMIC_RELAXED);
	}
	for (uint32_t i = 0; i < rings(); i++)
		good &= !lib.ring[i].placed || place(i);
	return good;
}

static void set_fd(int *to, const struct vh_vhu_msg *m, const int *fds, uint32_t n)
{
	REQUIRE_EQ(n, (m->u64 & 256) != 0 ? 0 : 1);
	if (*to >= 0)
		close(*to);
	*to = n == 1 ? dup(fds[0]) : -1;
}

static void forget_rings(void)
{
	require_idle(0, rings());
	for (uint32_t i = 0; i < VH_MAX_RINGS; i++) {
		if (lib.ring[i].call >= 0)
			close(lib.ring[i].call);
		if (lib.ring[i].kick >= 0)
			close(lib.ring[i].kick);
		memset(&lib.ring[i], 0, sizeof(lib.ring[i]));
		lib.ring[i].call = lib.ring[i].kick = -1;
	}
}

/* Acts on a message, whose payload becomes the answer's. Return: as handlers do. */
static enum rte_vhost_msg_result act(struct vh_vhu_msg *m, const int *fds, uint32_t n)
{
	uint32_t ring = m->request >= 12 && m->request <= 14 ? (uint32_t)(m->u64 & 255) : m->state.index;
	bool about_ring = (m->request >= 8 && m->request <= 14) || m->request == 18;

	if (about_ring) {
		REQUIRE(ring < rings());
		/* It does nothing with the one for errors. */
		if (m->request != 14)
			require_idle(ring, 1);
	}
	switch (m->request) {
	case 2:
		require_idle(0, rings());
		/* What it logs itself, and whose addresses it takes for others, is not for it. */
		REQUIRE((m->u64 & (1ULL << 26 | 1ULL << 33)) == 0);
		lib.features = m->u64;
		break;
	case 4:
		forget_rings();
		unmap_all();
		break;
	case 5:
		return set_memory(m, fds, n) ? RTE_VHOST_MSG_RESULT_OK : RTE_VHOST_MSG_RESULT_ERR;
	case 8:
		REQUIRE(m->state.num > 0 && m->state.num <= 32768);
		lib.ring[ring].size = m->state.num;
		break;
	case 9:
		REQUIRE(m->addr.flags == 0);
		lib.ring[ring].addr = m->addr;
		lib.ring[ring].placed = place(ring);
		return lib.ring[ring].placed ? RTE_VHOST_MSG_RESULT_OK : RTE_VHOST_MSG_RESULT_ERR;
	case 10:
		lib.ring[ring].avail = lib.ring[ring].used = (uint16_t)m->state.num;
		break;
	case 11:
		m->state.num = lib.ring[ring].avail;
		return RTE_VHOST_MSG_RESULT_REPLY;
	case 12:
		set_fd(&lib.ring[ring].kick, m, fds, n);
		break;
	case 13:
		set_fd(&lib.ring[ring].call, m, fds, n);
		break;
	case 15:
		m->u64 = 0x2f;
		m->size = 8;
		return RTE_VHOST_MSG_RESULT_REPLY;
	case 3:
	case 7:
	case 14:
	case 16:
	case 18:
		break;
	default:
		check_failed(__FILE__, __LINE__, "message %u reached the library", m->request);
	}
	return RTE_VHOST_MSG_RESULT_OK;
}

static void reply(struct vh_vhu_msg *m)
{
	m->flags = VH_VHU_VERSION | VH_VHU_REPLY;
	/* Gone already: then that is read next. */
	(void)!send(lib.conn, m, VH_VHU_HEADER + m->size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void hang_up(void)
{
	close(lib.conn);
	lib.conn = -1;
	if (lib.handlers != NULL)
		lib.ops->destroy_connection(0);
	lib.handlers = NULL;
	forget_rings();
	unmap_all();
}

/* Return: how many bytes came, with their descriptors, or what recvmsg() says. */
static ssize_t receive(struct vh_vhu_msg *m, int *fds, uint32_t *n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(16 * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = m, .iov_len = VH_VHU_HEADER};
	struct msghdr h = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(lib.conn, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); got > 0 && c != NULL; c = CMSG_NXTHDR(&h, c)) {
		*n = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		REQUIRE(*n <= 16);
		memcpy(fds, CMSG_DATA(c), *n * sizeof(int));
	}
	if (got <= 0)
		return got;
	/* It waits for what a header announces. */
	REQUIRE_EQ(got, VH_VHU_HEADER);
	REQUIRE(m->size <= sizeof(*m) - VH_VHU_HEADER);
	REQUIRE(m->size == 0 ||
		recv(lib.conn, (uint8_t *)m + VH_VHU_HEADER, m->size, MSG_DONTWAIT) == (ssize_t)m->size);
	return got;
}

/* One message. Return: whether the connection goes on. */
static bool handle(struct vh_vhu_msg *m, const int *fds, uint32_t n)
{
	enum rte_vhost_msg_result result;
	bool handled = true;

	REQUIRE((m->flags & ~8U) == 1 && n <= VH_VHU_MAX_FDS);
	result = lib.handlers->pre_msg_handle(0, m);
	if (result == RTE_VHOST_MSG_RESULT_NOT_HANDLED) {
		result = act(m, fds, n);
	} else {
		/* Descriptors of what it does not act on are nobody's. */
		handled = n == 0;
	}
	REQUIRE(handled);
	if (result == RTE_VHOST_MSG_RESULT_REPLY) {
		reply(m);
		m->flags = VH_VHU_VERSION;
	}
	if (result != RTE_VHOST_MSG_RESULT_ERR)
		lib.handlers->post_msg_handle(0, m);
	if ((m->flags & VH_VHU_NEED_REPLY) == 0)
		return result != RTE_VHOST_MSG_RESULT_ERR;
	m->u64 = result == RTE_VHOST_MSG_RESULT_ERR;
	m->size = 8;
	reply(m);
	return true;
}

bool library_turn(void)
{
	static struct vh_vhu_msg m;
	int fds[16];
	uint32_t n;
	ssize_t got;

	if (lib.conn < 0) {
		lib.conn = accept4(lib.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (lib.conn >= 0 && lib.ops->new_connection(0) != 0)
			hang_up();
		return lib.conn >= 0;
	}
	got = receive(&m, fds, &n);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0 || !handle(&m, fds, n))
		hang_up();
	for (uint32_t i = 0; got > 0 && i < n; i++)
		close(fds[i]);
	return true;
}

/* What native/dpdk calls. */

int rte_vhost_driver_register(const char *path, uint64_t flags)
{
	(void)path, (void)flags;
	for (uint32_t i = 0; i < VH_MAX_RINGS; i++)
		lib.ring[i].call = lib.ring[i].kick = -1;
	return 0;
}

int rte_vhost_driver_unregister(const char *path)
{
	(void)path;
	return 0;
}

int rte_vhost_driver_set_features(const char *path, uint64_t features)
{
	(void)path;
	REQUIRE((features & 1ULL << 33) == 0);
	return 0;
}

int rte_vhost_driver_set_protocol_features(const char *path, uint64_t features)
{
	(void)path, (void)features;
	return 0;
}

int rte_vhost_driver_callback_register(const char *path, struct rte_vhost_device_ops const *const ops)
{
	(void)path;
	lib.ops = ops;
	return 0;
}

int rte_vhost_driver_start(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memcpy(a.sun_path, path, strlen(path) + 1);
	lib.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	REQUIRE(bind(lib.listen_fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(lib.listen_fd, 16) == 0);
	return 0;
}

int rte_vhost_extern_callback_register(
	int vid, struct rte_vhost_user_extern_ops const *const ops, void *context)
{
	(void)vid, (void)context;
	lib.handlers = ops;
	return 0;
}

int rte_vhost_get_ifname(int vid, char *to, size_t n)
{
	REQUIRE(vid == 0 && strlen(lib.session->path) < n);
	strcpy(to, lib.session->path);
	return 0;
}

int rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **out)
{
	struct rte_vhost_memory *t = calloc(1, sizeof(*t) + lib.regions * sizeof(t->regions[0]));

	REQUIRE(vid == 0);
	t->nregions = lib.regions;
	for (uint32_t i = 0; i < lib.regions; i++)
		t->regions[i] = (struct rte_vhost_mem_region){.guest_phys_addr = lib.region[i].gpa,
			.guest_user_addr = lib.region[i].user_addr,
			.host_user_addr = (uintptr_t)lib.map[i].p + lib.region[i].mmap_offset,
			.size = lib.region[i].size,
			.mmap_addr = lib.map[i].p,
			.mmap_size = lib.map[i].size,
			.fd = -1};
	*out = t;
	return 0;
}

int rte_vhost_get_vhost_vring(int vid, uint16_t i, struct rte_vhost_vring *v)
{
	REQUIRE(vid == 0 && i < rings());
	v->desc = (struct vring_desc *)(void *)lib.ring[i].part[0];
	v->avail = (struct vring_avail *)(void *)lib.ring[i].part[1];
	v->used = (struct vring_used *)(void *)lib.ring[i].part[2];
	v->callfd = lib.ring[i].call;
	v->kickfd = lib.ring[i].kick;
	v->size = (uint16_t)lib.ring[i].size;
	return 0;
}

int rte_vhost_get_vring_base(int vid, uint16_t i, uint16_t *avail, uint16_t *used)
{
	REQUIRE(vid == 0 && i < rings());
	*avail = lib.ring[i].avail;
	*used = lib.ring[i].used;
	return 0;
}

int rte_vhost_set_vring_base(int vid, uint16_t i, uint16_t avail, uint16_t used)
{
	REQUIRE(vid == 0 && i < rings());
	lib.ring[i].avail = avail;
	lib.ring[i].used = used;
	return 0;
}
