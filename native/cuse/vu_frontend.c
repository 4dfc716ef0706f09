#include "vu_frontend.h"
#include "dirty_log.h"
#include "rings.h"
#include "vu_conn.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROTOCOL_FEATURES (1ULL << 30)

/*
 * What a client may take: mergeable buffers, NOTIFY_ON_EMPTY, indirect descriptors, event indexes, VERSION_1.
 * No packed rings (see the head of vu_frontend.h). The dirty log comes to these where it can be had
 * (dirty_log.h).
 */
#define CLIENT_BITS (1ULL << 15 | 1ULL << 24 | 1ULL << 28 | 1ULL << 29 | 1ULL << 32)
/*
 * ACCESS_PLATFORM is offered, because QEMU starts no guest with iommu_platform=on otherwise, and not to be
 * taken (translate.c): QEMU takes it for a guest behind an IOMMU alone, whose translations do not come this
 * way.
 */
#define SHOWN_BITS VH_CUSE_ACCESS_PLATFORM
/*
 * QEMU tells vhost only of the bits above. What a guest asks of its host (checksums, segmentation: CSUM,
 * HOST_TSO4, HOST_TSO6) has to be taken for it, or its requests are ignored; what it does itself must not be,
 * for nobody knows whether it does. MQ stands for having more than one pair.
 */
#define TAKEN_BITS (1ULL << 0 | 1ULL << 11 | 1ULL << 12 | 1ULL << 22 | PROTOCOL_FEATURES)

#define LONGEST_WAIT_MS 2000
/* What the gate of the switch lets a guest map altogether. */
#define MAX_MAPPED (1ULL << 43)

/* What a running ring needs of its client's process. */
struct events {
	int call, kick; /* ours to close; -1: none */
};

#define NO_EVENTS ((struct events){-1, -1})

void vh_cuse_link_init(struct vh_cuse_link *l, const struct vh_cuse_world *world, struct vh_cuse_port *port)
{
	*l = (struct vh_cuse_link){.world = world, .port = port, .socket = -1, .wait = VH_CUSE_FIRST_WAIT_MS};
	vh_cuse_log_init(l);
}

uint64_t vh_cuse_link_offer(const struct vh_cuse_port *port)
{
	/* The one about the header is ours to offer: with vhost-user a guest always has that header. */
	uint64_t offer = (port->offered & (CLIENT_BITS | SHOWN_BITS)) | 1ULL << VHOST_NET_F_VIRTIO_NET_HDR;

	return port->logs && port->loggable ? offer | VH_CUSE_LOG_ALL : offer;
}

static uint64_t features_of(const struct vh_cuse_port *port, const struct vh_cuse_client *c)
{
	/* Logged for one, logged for all: they have one memory. */
	return port->offered &
	       ((c->features & CLIENT_BITS) | TAKEN_BITS | (vh_cuse_log_wanted(port) ? VH_CUSE_LOG_ALL : 0));
}

/* The first words on a connection. */
static int greet(struct vh_cuse_link *l)
{
	struct vh_cuse_port *p = l->port;
	uint64_t features = 0, protocol = 0, pairs = 1;
	struct vh_cuse_msg owner = {.request = VH_CUSE_SET_OWNER};
	int error = vh_cuse_ask(l, VH_CUSE_GET_FEATURES, &features);

	/* Acknowledgements are there once they are agreed on. */
	p->protocol = 0;
	if (error == 0 && (features & PROTOCOL_FEATURES) == 0) {
		vh_cuse_link_down(l, "it does not speak the protocol's features");
		error = -EPROTO;
	}
	if (error == 0)
		error = vh_cuse_ask(l, VH_CUSE_GET_PROTOCOL_FEATURES, &protocol);
	protocol &= VH_CUSE_PROTOCOL_MQ | VH_CUSE_PROTOCOL_LOG_SHMFD | VH_CUSE_PROTOCOL_REPLY_ACK;
	if (error == 0)
		error = vh_cuse_tell_u64(l, VH_CUSE_SET_PROTOCOL_FEATURES, protocol);
	if (error == 0 && (protocol & VH_CUSE_PROTOCOL_MQ) != 0)
		error = vh_cuse_ask(l, VH_CUSE_GET_QUEUE_NUM, &pairs);
	if (error != 0)
		return error;
	p->offered = features;
	p->protocol = protocol;
	p->pairs = pairs < VH_CUSE_PAIRS ? (uint32_t)pairs : VH_CUSE_PAIRS;
	p->known = true;
	p->logs = (features & VH_CUSE_LOG_ALL) != 0 && (protocol & VH_CUSE_PROTOCOL_LOG_SHMFD) != 0;
	return vh_cuse_tell(l, &owner, NULL, 0, false);
}

int vh_cuse_link_up(struct vh_cuse_link *l, uint32_t patience_ms)
{
	int fd, error;

	if (l->socket >= 0)
		return 0;
	fd = l->world->connect(l->world->self);
	if (fd < 0)
		return fd;
	l->socket = fd;
	error = vh_cuse_wire_patience(fd, patience_ms);
	if (error == 0)
		error = greet(l);
	return error != 0 ? error : vh_cuse_wire_patience(fd, VH_CUSE_PATIENCE_MS);
}

static void drop_events(const struct events *e)
{
	if (e->call >= 0)
		close(e->call);
	if (e->kick >= 0)
		close(e->kick);
}

static int take_events(struct vh_cuse_link *l, const struct vh_cuse_ring *r, struct events *e)
{
	const struct vh_cuse_world *w = l->world;
	int error = 0;

	*e = NO_EVENTS;
	if (r->call >= 0 && (e->call = w->take_event(w->self, l->port->process, r->call)) < 0)
		error = e->call;
	if (error == 0 && r->kick >= 0 && (e->kick = w->take_event(w->self, l->port->process, r->kick)) < 0)
		error = e->kick;
	if (error != 0)
		drop_events(e);
	return error;
}

/* The ring is set up and enabled. */
static int tell_addr(struct vh_cuse_link *l, const struct vh_cuse_client *c, uint32_t ring)
{
	struct vh_cuse_msg m = {
		.request = VH_CUSE_SET_VRING_ADDR, .size = sizeof(m.addr), .addr = c->ring[ring].addr};

	m.addr.index = 2 * c->pair + ring;
	if ((l->features & VH_CUSE_LOG_ALL) == 0) {
		m.addr.flags = 0;
		m.addr.log_guest_addr = 0;
	}
	return vh_cuse_tell(l, &m, NULL, 0, false);
}

/* The ring is set up and enabled. */
static int tell_ring(
	struct vh_cuse_link *l, const struct vh_cuse_client *c, uint32_t ring, const struct events *e)
{
	const struct vh_cuse_ring *r = &c->ring[ring];
	uint32_t index = 2 * c->pair + ring;
	int error = vh_cuse_tell_state(l, VH_CUSE_SET_VRING_NUM, index, r->size);

	if (error == 0)
		error = vh_cuse_tell_state(l, VH_CUSE_SET_VRING_BASE, index, r->base);
	if (error == 0)
		error = tell_addr(l, c, ring);
	/* Errors of a ring (SET_VRING_ERR) are told by no back end, and are not asked for. */
	if (error == 0)
		error = vh_cuse_tell_event(l, VH_CUSE_SET_VRING_CALL, index, e->call);
	if (error == 0)
		error = vh_cuse_tell_event(l, VH_CUSE_SET_VRING_KICK, index, e->kick);
	if (error == 0)
		error = vh_cuse_tell_state(l, VH_CUSE_SET_VRING_ENABLE, index, 1);
	if (error == 0)
		l->started |= 1U << index;
	return error;
}

static int tell_features(struct vh_cuse_link *l, const struct vh_cuse_client *c)
{
	uint64_t features = features_of(l->port, c);
	int error;

	if (l->features_said && features == l->features)
		return 0;
	error = vh_cuse_log_tell(l);
	if (error != 0)
		return error;
	error = vh_cuse_tell_u64(l, VH_CUSE_SET_FEATURES, features);
	l->features_said = error == 0;
	l->features = features;
	return error;
}

/* Memory as it was found just now. */
struct found {
	uint32_t n;
	struct vh_cuse_part part[VH_CUSE_SHARED];
	int fd[VH_CUSE_SHARED];
};

static void drop_found(const struct found *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		close(f->fd[i]);
}

/* Whether all rings that run, and `more`, lie in it. */
static bool holds_rings(const struct found *f, const struct vh_cuse_port *p, const struct vh_cuse_ring *more)
{
	for (uint32_t i = 0; i < 2 * VH_CUSE_CLIENTS; i++) {
		const struct vh_cuse_client *c = &p->client[i / 2];
		const struct vh_cuse_ring *r = &c->ring[i % 2];

		if (c->id != 0 && r->running && !vh_cuse_ring_within(r, c->features, f->part, f->n))
			return false;
	}
	return more == NULL || more->running || vh_cuse_ring_within(more, ~0ULL, f->part, f->n);
}

static int find(struct vh_cuse_link *l, const struct vh_cuse_ring *more, struct found *f)
{
	const struct vh_cuse_port *p = l->port;
	uint64_t mapped = 0;
	int n = l->world->find_memory(l->world->self, p->process, p->region, p->regions, f->part, f->fd);

	if (n <= 0)
		return n < 0 ? n : -EFAULT;
	f->n = (uint32_t)n;
	for (uint32_t i = 0; i < f->n; i++) {
		mapped += f->part[i].offset + f->part[i].size;
		if (f->part[i].offset > MAX_MAPPED || f->part[i].size > MAX_MAPPED || mapped > MAX_MAPPED) {
			drop_found(f);
			return -E2BIG;
		}
	}
	if (!holds_rings(f, p, more)) {
		drop_found(f);
		return -EFAULT;
	}
	return 0;
}

static int tell_memory(struct vh_cuse_link *l, const struct found *f)
{
	struct vh_cuse_msg m = {.request = VH_CUSE_SET_MEM_TABLE};
	int error;

	/* The same files at the same places: a table that comes again for every pair. */
	if (l->parts == f->n && memcmp(l->part, f->part, f->n * sizeof(f->part[0])) == 0)
		return 0;
	error = vh_cuse_log_tell(l);
	if (error != 0)
		return error;
	m.size = (uint32_t)(8 + f->n * sizeof(m.memory.region[0]));
	m.memory.n = f->n;
	for (uint32_t i = 0; i < f->n; i++) {
		m.memory.region[i].gpa = f->part[i].gpa;
		m.memory.region[i].size = f->part[i].size;
		m.memory.region[i].user = f->part[i].user;
		m.memory.region[i].offset = f->part[i].offset;
	}
	error = vh_cuse_tell(l, &m, f->fd, f->n, false);
	if (error != 0)
		return error;
	l->parts = f->n;
	memcpy(l->part, f->part, f->n * sizeof(f->part[0]));
	return 0;
}

/* How far the back end came, as guest memory says; what was known before where it cannot be read. */
static void find_position(struct vh_cuse_link *l, struct vh_cuse_ring *r)
{
	uint16_t used;

	if (l->world->peek(
		    l->world->self, l->port->process, r->addr.used_user_addr + 2, &used, sizeof(used)) == 0)
		r->base = used;
}

void vh_cuse_link_lost(struct vh_cuse_link *l)
{
	vh_cuse_link_down(l, "it has ended the connection");
}

/*
 * One running ring, told again. Both sides have to look at it, whatever was lost in between: the switch does,
 * and interrupts the guest, whenever a ring starts. Nothing is written to the client's eventfds here, for it
 * is the client who decides how long that takes.
 */
static int restore(struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring)
{
	struct events e;
	int error = take_events(l, &c->ring[ring], &e);

	if (error != 0)
		return error;
	find_position(l, &c->ring[ring]);
	error = tell_ring(l, c, ring, &e);
	drop_events(&e);
	return error;
}

/* What comes before the first ring. */
static int restore_guest(struct vh_cuse_link *l, const struct vh_cuse_client *c)
{
	struct found f;
	int error = find(l, NULL, &f);

	if (error != 0)
		return error;
	error = tell_features(l, c);
	if (error == 0)
		error = tell_memory(l, &f);
	drop_found(&f);
	return error;
}

static int restore_all(struct vh_cuse_link *l)
{
	struct vh_cuse_port *p = l->port;
	int error = 0;

	for (uint32_t i = 0; i < 2 * VH_CUSE_CLIENTS && error == 0; i++) {
		struct vh_cuse_client *c = &p->client[i / 2];

		if (c->id == 0 || !c->ring[i % 2].running)
			continue;
		if (l->parts == 0)
			error = restore_guest(l, c);
		if (error == 0)
			error = restore(l, c, i % 2);
	}
	return error;
}

void vh_cuse_link_reconnect(struct vh_cuse_link *l)
{
	const struct vh_cuse_world *w = l->world;
	uint32_t wait = l->wait;
	int error;

	if (l->socket >= 0 || w->now(w->self) < l->again || !vh_cuse_link_wanted(l))
		return;
	/* Its number may be another process's by now. */
	if (w->birth(w->self, l->port->process) != l->port->started)
		return;
	error = vh_cuse_link_up(l, VH_CUSE_PATIENCE_MS);
	if (error == 0)
		error = restore_all(l);
	if (error == 0) {
		w->say(w->self, "the guest of process %d is at the switch", (int)l->port->process);
		return;
	}
	vh_cuse_link_down(l, strerror(-error));
	l->again = w->now(w->self) + wait;
	l->wait = 2 * wait < LONGEST_WAIT_MS ? 2 * wait : LONGEST_WAIT_MS;
}

/* Clients of one guest agree on what it negotiated. */
static bool agrees(const struct vh_cuse_port *p, const struct vh_cuse_client *c)
{
	for (uint32_t i = 0; i < VH_CUSE_CLIENTS; i++) {
		const struct vh_cuse_client *o = &p->client[i];

		if (o != c && o->id != 0 && (o->ring[0].running || o->ring[1].running) &&
			((o->features ^ c->features) & ~VH_CUSE_LOG_ALL) != 0)
			return false;
	}
	return true;
}

int vh_cuse_link_start(struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring)
{
	struct vh_cuse_ring *r = &c->ring[ring];
	struct events e;
	struct found f;
	int error;

	if (r->size == 0 || !r->placed || l->port->regions == 0)
		return -EFAULT;
	if (!agrees(l->port, c))
		return -EINVAL;
	if (vh_cuse_log_wanted(l->port) && !vh_cuse_log_fits(l, l->port->log))
		return -EFAULT;
	error = take_events(l, r, &e);
	if (error != 0)
		return error;
	error = find(l, r, &f);
	if (error != 0) {
		drop_events(&e);
		return error;
	}
	r->running = true;
	/* While another ring waits for the back end, this one is told with it. */
	if (l->socket >= 0 && tell_features(l, c) == 0 && tell_memory(l, &f) == 0)
		tell_ring(l, c, ring, &e);
	drop_found(&f);
	drop_events(&e);
	vh_cuse_link_reconnect(l);
	return 0;
}

void vh_cuse_link_stop(struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring)
{
	struct vh_cuse_ring *r = &c->ring[ring];
	uint32_t index = 2 * c->pair + ring;
	struct vh_cuse_msg m = {
		.request = VH_CUSE_GET_VRING_BASE, .size = sizeof(m.state), .state = {.index = index}};
	bool told = l->socket >= 0 && (l->started & 1U << index) != 0;

	l->started &= ~(1U << index);
	if (told && vh_cuse_tell_state(l, VH_CUSE_SET_VRING_ENABLE, index, 0) == 0 &&
		vh_cuse_tell(l, &m, NULL, 0, true) == 0 && m.state.num <= UINT16_MAX)
		r->base = m.state.num;
	else
		find_position(l, r);
	vh_cuse_log_carry(l);
	r->running = false;
	if (!vh_cuse_link_wanted(l))
		vh_cuse_log_end(l);
}

int vh_cuse_link_memory(struct vh_cuse_link *l)
{
	struct found f;
	int error;

	/* A longer table needs a longer log first. */
	if (vh_cuse_link_wanted(l) && l->port->log != 0 && !vh_cuse_log_fits(l, l->port->log))
		return -EFAULT;
	error = find(l, NULL, &f);
	if (error != 0)
		return error;
	/* Before a ring runs the back end has no use for it, and after that it gets it with the ring. */
	if (l->started != 0)
		tell_memory(l, &f);
	drop_found(&f);
	return 0;
}

void vh_cuse_link_features(struct vh_cuse_link *l, const struct vh_cuse_client *c)
{
	if (l->started != 0)
		tell_features(l, c);
	if (vh_cuse_log_wanted(l->port))
		return;
	vh_cuse_log_carry(l);
	vh_cuse_log_end(l);
}

void vh_cuse_link_addr(struct vh_cuse_link *l, const struct vh_cuse_client *c, uint32_t ring)
{
	if (l->socket >= 0 && (l->started & 1U << (2 * c->pair + ring)) != 0)
		tell_addr(l, c, ring);
}

int vh_cuse_link_event(
	struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring, uint32_t request, int fd)
{
	const struct vh_cuse_world *w = l->world;
	uint32_t index = 2 * c->pair + ring;
	int copy = -1;

	if (fd >= 0 && (copy = w->take_event(w->self, l->port->process, fd)) < 0)
		return copy;
	if (l->socket >= 0 && (l->started & 1U << index) != 0)
		vh_cuse_tell_event(l, request, index, copy);
	if (copy >= 0)
		close(copy);
	return 0;
}
