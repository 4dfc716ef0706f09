#include "guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING_ROOM (512U << 10)
#define ETHERTYPE_AT 12
#define FROM_AT 14
#define SEQUENCE_AT 16
#define PATTERN_AT 24

static uint32_t buffer_at(const struct guest *g, uint32_t ring, uint32_t i)
{
	return GUEST_BUFFERS_AT + (ring * g->size + i) * GUEST_BUFFER;
}

bool guest_make(struct guest *g, const char *path, uint8_t id, bool packed, uint16_t size)
{
	*g = (struct guest){.path = path, .id = id, .packed = packed, .size = size, .sock = -1};
	g->memory_fd = memfd_create("guest", MFD_CLOEXEC);
	if (g->memory_fd < 0 || ftruncate(g->memory_fd, GUEST_MEMORY) != 0)
		return false;
	g->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, g->memory_fd, 0);
	if (g->memory == MAP_FAILED)
		return false;
	for (int i = 0; i < 2; i++) {
		g->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		g->call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (g->kick[i] < 0 || g->call[i] < 0)
			return false;
	}
	guest_reset_rings(g);
	return true;
}

void guest_free(struct guest *g)
{
	guest_down(g);
	munmap(g->memory, GUEST_MEMORY);
	close(g->memory_fd);
	for (int i = 0; i < 2; i++) {
		close(g->kick[i]);
		close(g->call[i]);
	}
}

void guest_down(struct guest *g)
{
	if (g->sock >= 0)
		close(g->sock);
	g->sock = -1;
}

static void offer_buffer(struct guest *g)
{
	struct ring *r = &g->ring[GUEST_RX];

	ring_put(r, guest_gpa(buffer_at(g, GUEST_RX, r->offered % g->size)), GUEST_BUFFER, true);
}

void guest_reset_rings(struct guest *g)
{
	for (uint32_t i = 0; i < 2; i++)
		ring_init(&g->ring[i], g->packed, g->size, g->memory + GUEST_RINGS_AT + i * RING_ROOM);
	for (uint32_t i = 0; i < g->size; i++)
		offer_buffer(g);
}

bool guest_negotiate(struct guest *g)
{
	uint64_t features = 0, protocol = 0;
	uint64_t wanted = VU_F_VERSION_1 | VU_F_PROTOCOL | g->extra_features | (g->packed ? VU_F_PACKED : 0);
	struct vu_msg owner = {.request = VU_SET_OWNER, .flags = VU_VERSION};

	g->sock = vu_connect(g->path);
	g->features = wanted;
	return g->sock >= 0 && vu_get(g->sock, VU_GET_FEATURES, &features) && (wanted & ~features) == 0 &&
	       vu_get(g->sock, VU_GET_PROTOCOL_FEATURES, &protocol) &&
	       vu_u64(g->sock, VU_SET_PROTOCOL_FEATURES, protocol) && vu_send(g->sock, &owner, NULL, 0) &&
	       vu_u64(g->sock, VU_SET_FEATURES, wanted);
}

bool guest_share(struct guest *g, uint32_t regions)
{
	struct vu_msg m = {.request = VU_SET_MEM_TABLE, .flags = VU_VERSION | VU_NEED_REPLY}, reply;
	uint64_t part = GUEST_MEMORY / regions;
	int fds[VU_MAX_FDS];

	m.size = 8 + regions * (uint32_t)sizeof(m.memory.region[0]);
	m.memory.n = regions;
	for (uint32_t i = 0; i < regions; i++) {
		m.memory.region[i] = (struct vu_region){.gpa = GUEST_GPA + i * part,
			.size = part,
			.user = GUEST_USER + i * part,
			.offset = i * part};
		fds[i] = g->memory_fd;
	}
	return vu_send(g->sock, &m, fds, (int)regions) && vu_recv(g->sock, &reply) && reply.u64 == 0;
}

static struct vu_msg addresses(const struct guest *g, uint32_t ring)
{
	const struct ring *r = &g->ring[ring];
	struct vu_msg m = {.request = VU_SET_VRING_ADDR, .flags = VU_VERSION, .size = 40};

	m.addr.index = ring;
	m.addr.desc = GUEST_USER + (uint64_t)((uint8_t *)r->desc - g->memory);
	m.addr.avail = GUEST_USER + (uint64_t)((uint8_t *)r->driver - g->memory);
	m.addr.used = GUEST_USER + (uint64_t)((uint8_t *)r->device - g->memory);
	return m;
}

bool guest_place_ring(struct guest *g, uint32_t ring, uint32_t base)
{
	struct vu_msg m = addresses(g, ring);

	return vu_state(g->sock, VU_SET_VRING_NUM, ring, g->size) &&
	       vu_state(g->sock, VU_SET_VRING_BASE, ring, base) && vu_send(g->sock, &m, NULL, 0);
}

bool guest_start_ring(struct guest *g, uint32_t ring, uint32_t base)
{
	return guest_place_ring(g, ring, base) && vu_fd(g->sock, VU_SET_VRING_KICK, ring, g->kick[ring]) &&
	       vu_fd(g->sock, VU_SET_VRING_CALL, ring, g->call[ring]) &&
	       vu_state_ack(g->sock, VU_SET_VRING_ENABLE, ring, 1);
}

bool guest_log_base(struct guest *g, int fd, uint64_t size, uint64_t offset)
{
	struct vu_msg m = {.request = VU_SET_LOG_BASE, .flags = VU_VERSION, .size = 16}, reply;

	m.log.size = size;
	m.log.offset = offset;
	return vu_send(g->sock, &m, &fd, 1) && vu_recv(g->sock, &reply) && reply.request == VU_SET_LOG_BASE;
}

bool guest_log_memory(struct guest *g, bool on)
{
	return vu_u64(g->sock, VU_SET_FEATURES, g->features | (on ? VU_F_LOG_ALL : 0)) && guest_begun(g);
}

bool guest_log_ring(struct guest *g, uint32_t ring, bool on, uint64_t used)
{
	struct vu_msg m = addresses(g, ring);

	m.addr.flags = on;
	m.addr.log = used;
	return vu_send(g->sock, &m, NULL, 0) && guest_begun(g);
}

uint64_t guest_used_at(const struct guest *g, uint32_t ring)
{
	return guest_gpa((uint64_t)((uint8_t *)g->ring[ring].device - g->memory));
}

bool guest_begun(struct guest *g)
{
	return vu_state_ack(g->sock, VU_SET_VRING_ENABLE, GUEST_TX, 1);
}

bool guest_up(struct guest *g)
{
	if (!guest_negotiate(g))
		return false;
	/* Not before: a connection that has just been closed may still be served from the same rings. */
	guest_reset_rings(g);
	return guest_share(g, 1) && guest_start_ring(g, GUEST_RX, ring_base(&g->ring[GUEST_RX], 0)) &&
	       guest_start_ring(g, GUEST_TX, ring_base(&g->ring[GUEST_TX], 0)) && guest_begun(g);
}

static uint8_t pattern(uint8_t from, uint64_t sequence, uint32_t i)
{
	return (uint8_t)(from + sequence * 31 + i * 7);
}

static void write_frame(const struct guest *g, uint8_t *p, uint8_t to, uint32_t len)
{
	memset(p, 0, 12);
	p[0] = p[6] = 2;
	p[5] = to;
	p[11] = g->id;
	p[ETHERTYPE_AT] = 0x88;
	p[ETHERTYPE_AT + 1] = 0xb5;
	p[FROM_AT] = g->id;
	memcpy(p + SEQUENCE_AT, &g->sent, sizeof(g->sent));
	for (uint32_t i = PATTERN_AT; i < len; i++)
		p[i] = pattern(g->id, g->sent, i);
}

uint32_t guest_send(struct guest *g, uint8_t to, uint32_t len, uint32_t n)
{
	struct ring *r = &g->ring[GUEST_TX];
	uint32_t done, ignored;

	while (ring_reap(r, &ignored))
		;
	for (done = 0; done < n && ring_busy(r) < g->size; done++) {
		uint32_t at = buffer_at(g, GUEST_TX, r->offered % g->size);

		memset(g->memory + at, 0, GUEST_HEADER);
		write_frame(g, g->memory + at + GUEST_HEADER, to, len);
		ring_put(r, guest_gpa(at), GUEST_HEADER + len, false);
		g->sent++;
	}
	if (done > 0)
		guest_kick(g, GUEST_TX);
	return done;
}

static const char *check_frame(struct guest *g, const uint8_t *p, uint32_t len, uint8_t from)
{
	uint64_t sequence;

	if (len < GUEST_MIN_FRAME || len > GUEST_BUFFER - GUEST_HEADER)
		return "a frame has a length that was never sent";
	if (p[FROM_AT] != from)
		return "a frame comes from somebody else";
	memcpy(&sequence, p + SEQUENCE_AT, sizeof(sequence));
	if (sequence < g->expected)
		return "a frame came twice or late";
	for (uint32_t i = PATTERN_AT; i < len; i++)
		if (p[i] != pattern(from, sequence, i))
			return "a frame's content is damaged";
	g->lost += sequence - g->expected;
	g->expected = sequence + 1;
	return NULL;
}

static uint32_t receive(struct guest *g, uint8_t from, uint32_t most)
{
	struct ring *r = &g->ring[GUEST_RX];
	uint32_t n = 0, len;

	for (; n < most; n++) {
		uint32_t at = buffer_at(g, GUEST_RX, r->reaped % g->size);

		if (!ring_reap(r, &len))
			break;
		if (from != 0 && g->wrong == NULL)
			g->wrong = check_frame(g, g->memory + at + GUEST_HEADER,
				len < GUEST_HEADER ? 0 : len - GUEST_HEADER, from);
		g->received++;
		offer_buffer(g);
	}
	if (n > 0)
		guest_kick(g, GUEST_RX);
	return n;
}

uint32_t guest_receive(struct guest *g, uint8_t from)
{
	return receive(g, from, g->size);
}

uint32_t guest_receive_one(struct guest *g)
{
	return receive(g, 0, 1);
}

void guest_kick(struct guest *g, uint32_t ring)
{
	static const uint64_t one = 1;

	if (ring_wants_kick(&g->ring[ring]) && write(g->kick[ring], &one, sizeof(one)) < 0)
		g->wrong = "a kick cannot be written";
}
