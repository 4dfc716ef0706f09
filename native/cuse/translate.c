#include "translate.h"
#include "dirty_log.h"
#include "rings.h"
#include "vu_message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define RINGS_OF_PAIR 2

bool vh_cuse_shape(uint32_t command, const void *head, size_t head_n, struct vh_cuse_shape *shape)
{
	uint32_t regions;

	*shape = (struct vh_cuse_shape){0, 0};
	switch (command) {
	case VHOST_SET_OWNER:
	case VHOST_RESET_OWNER:
		return true;
	case VHOST_GET_FEATURES:
		shape->out = sizeof(uint64_t);
		return true;
	case VHOST_SET_FEATURES:
	case VHOST_SET_LOG_BASE:
		shape->in = sizeof(uint64_t);
		return true;
	case VHOST_SET_MEM_TABLE:
		shape->in = sizeof(struct vhost_memory);
		if (head_n < sizeof(struct vhost_memory))
			return true;
		memcpy(&regions, head, sizeof(regions));
		/* One that says more is refused by what it says; it is not read to its end. */
		if (regions <= VH_CUSE_REGIONS)
			shape->in += regions * (uint32_t)sizeof(struct vhost_memory_region);
		return true;
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
	case VHOST_NET_SET_BACKEND:
		shape->in = sizeof(struct vhost_vring_state);
		return true;
	case VHOST_GET_VRING_BASE:
		shape->in = shape->out = sizeof(struct vhost_vring_state);
		return true;
	case VHOST_SET_VRING_ADDR:
		shape->in = sizeof(struct vhost_vring_addr);
		return true;
	default:
		return false;
	}
}

struct vh_cuse_client *vh_cuse_client(struct vh_cuse_port *p, uint64_t id)
{
	for (uint32_t i = 0; i < VH_CUSE_CLIENTS; i++)
		if (id != 0 && p->client[i].id == id)
			return &p->client[i];
	return NULL;
}

static void forget(struct vh_cuse_client *c)
{
	c->owner = false;
	c->pair = 0;
	c->features = 0;
	for (uint32_t i = 0; i < RINGS_OF_PAIR; i++)
		c->ring[i] = (struct vh_cuse_ring){.call = -1, .kick = -1};
}

struct vh_cuse_client *vh_cuse_open(struct vh_cuse_port *p, uint64_t id)
{
	struct vh_cuse_client *c = vh_cuse_client(p, id);

	for (uint32_t i = 0; i < VH_CUSE_CLIENTS && c == NULL; i++) {
		if (p->client[i].id != 0)
			continue;
		c = &p->client[i];
		forget(c);
		c->id = id;
	}
	return c;
}

static bool has_owner(const struct vh_cuse_port *p)
{
	for (uint32_t i = 0; i < VH_CUSE_CLIENTS; i++)
		if (p->client[i].id != 0 && p->client[i].owner)
			return true;
	return false;
}

static void disown(struct vh_cuse_link *l, struct vh_cuse_client *c)
{
	struct vh_cuse_port *p = l->port;

	for (uint32_t i = 0; i < RINGS_OF_PAIR; i++)
		if (c->ring[i].running)
			vh_cuse_link_stop(l, c, i);
	forget(c);
	if (has_owner(p))
		return;
	vh_cuse_log_end(l);
	vh_cuse_link_down(l, NULL);
	p->process = 0;
	p->started = 0;
	p->loggable = false;
	p->regions = 0;
}

void vh_cuse_release(struct vh_cuse_link *l, struct vh_cuse_client *c)
{
	bool owned = c->owner;

	if (owned)
		disown(l, c);
	c->id = 0;
	if (owned && !has_owner(l->port))
		l->world->say(l->world->self, "the guest is gone");
}

/* The lowest pair that no client of the guest has; QEMU takes its queues in order. */
static int take_pair(const struct vh_cuse_port *p, struct vh_cuse_client *c)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < VH_CUSE_CLIENTS; i++)
		if (p->client[i].id != 0 && p->client[i].owner)
			taken |= 1U << p->client[i].pair;
	for (c->pair = 0; c->pair < p->pairs; c->pair++)
		if ((taken & 1U << c->pair) == 0)
			return 0;
	c->pair = 0;
	return -ENOSPC;
}

/* Whether the guest's dirty log could be written. */
static bool may_log(const struct vh_cuse_world *w, const struct vh_cuse_port *p)
{
	int fd = w->open_memory(w->self, p->process, p->uid);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int set_owner(struct vh_cuse_link *l, struct vh_cuse_client *c, const struct vh_cuse_caller *who)
{
	pid_t process = who->process;
	const struct vh_cuse_world *w = l->world;
	struct vh_cuse_port *p = l->port;
	int error = 0;

	if (c->owner)
		return -EBUSY;
	if (has_owner(p) && p->process != process) {
		w->say(w->self, "process %d is rejected: the guest of process %d is here", (int)process,
			(int)p->process);
		return -EBUSY;
	}
	error = vh_cuse_link_up(l, VH_CUSE_FIRST_PATIENCE_MS);
	/* The switch may be away for a moment; but a device that it never told anything about cannot answer,
	 * and one that has another front end must not. */
	if (error != 0 && (!p->known || error == -ECONNRESET || error == -EPIPE || error == -ETIMEDOUT)) {
		w->say(w->self, "process %d is rejected: the switch's port %s (%s)", (int)process,
			error == -ECONNRESET || error == -EPIPE ? "has another guest" : "does not answer",
			strerror(-error));
		return error == -ECONNRESET || error == -EPIPE ? -EBUSY : -ENODEV;
	}
	error = take_pair(p, c);
	if (error != 0) {
		w->say(w->self, "process %d is rejected: the port has %u queue pairs", (int)process,
			p->pairs);
		return error;
	}
	c->owner = true;
	if (p->process == process)
		return 0;
	p->process = process;
	p->started = w->birth(w->self, process);
	p->uid = who->uid;
	p->loggable = may_log(w, p);
	return 0;
}

static int set_features(struct vh_cuse_link *l, struct vh_cuse_client *c, uint64_t features)
{
	if ((features & ~vh_cuse_link_offer(l->port)) != 0 || (features & VH_CUSE_ACCESS_PLATFORM) != 0)
		return -EOPNOTSUPP;
	if (!c->ring[0].running && !c->ring[1].running) {
		c->features = features;
		return 0;
	}
	/* While rings run, logging may begin and end. */
	if (((features ^ c->features) & ~VH_CUSE_LOG_ALL) != 0)
		return -EBUSY;
	if ((features & VH_CUSE_LOG_ALL) != 0 && !vh_cuse_log_fits(l, l->port->log))
		return -EFAULT;
	c->features = features;
	vh_cuse_link_features(l, c);
	return 0;
}

static int set_memory(struct vh_cuse_link *l, const void *in)
{
	const struct vhost_memory *table = in;
	struct vh_cuse_port *p = l->port;
	struct vh_cuse_port was;
	int error;

	if (table->nregions > VH_CUSE_REGIONS)
		return -E2BIG;
	if (table->padding != 0 || table->nregions == 0)
		return -EINVAL;
	error = vh_cuse_check_regions(table->regions, table->nregions);
	if (error != 0)
		return error;
	was.regions = p->regions;
	memcpy(was.region, p->region, sizeof(was.region));
	p->regions = table->nregions;
	memcpy(p->region, table->regions, table->nregions * sizeof(p->region[0]));
	error = vh_cuse_link_memory(l);
	if (error != 0) {
		p->regions = was.regions;
		memcpy(p->region, was.region, sizeof(p->region));
	}
	return error;
}

static int set_size(struct vh_cuse_ring *r, uint32_t entries)
{
	if (r->running)
		return -EBUSY;
	if (!vh_cuse_ring_size(entries))
		return -EINVAL;
	/* Addresses were said for the old size. */
	if (r->size != entries)
		r->placed = false;
	r->size = entries;
	return 0;
}

static int set_base(struct vh_cuse_ring *r, uint32_t base)
{
	if (r->running)
		return -EBUSY;
	if (base > UINT16_MAX)
		return -EINVAL;
	r->base = base;
	return 0;
}

static int set_addr(struct vh_cuse_link *l, struct vh_cuse_client *c, const struct vhost_vring_addr *addr)
{
	struct vh_cuse_ring *r = &c->ring[addr->index];
	bool log = (addr->flags & 1U << VHOST_VRING_F_LOG) != 0;

	if ((addr->flags & ~(1U << VHOST_VRING_F_LOG)) != 0 ||
		(log && (vh_cuse_link_offer(l->port) & VH_CUSE_LOG_ALL) == 0))
		return -EOPNOTSUPP;
	if (!vh_cuse_ring_aligned(addr))
		return -EINVAL;
	if (r->running && (addr->desc_user_addr != r->addr.desc_user_addr ||
				  addr->avail_user_addr != r->addr.avail_user_addr ||
				  addr->used_user_addr != r->addr.used_user_addr))
		return -EBUSY;
	r->addr = *addr;
	r->addr.log_guest_addr = log ? addr->log_guest_addr : 0;
	r->placed = true;
	if (r->running)
		vh_cuse_link_addr(l, c, addr->index);
	return 0;
}

static int set_event(
	struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring, uint32_t request, int fd)
{
	struct vh_cuse_ring *r = &c->ring[ring];
	int error;

	if (fd < -1)
		return -EBADF;
	error = vh_cuse_link_event(l, c, ring, request, fd);
	if (error != 0)
		return error;
	*(request == VH_CUSE_SET_VRING_CALL ? &r->call : &r->kick) = fd;
	return 0;
}

/* The tap itself is not used: frames go to the switch. */
static int set_backend(struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring, int fd)
{
	const struct vh_cuse_world *w = l->world;
	struct vh_cuse_ring *r = &c->ring[ring];
	int error = 0;

	if (fd >= 0)
		error = w->has_fd(w->self, l->port->process, fd);
	if (error != 0)
		return error;
	if (fd < 0 && r->running)
		vh_cuse_link_stop(l, c, ring);
	if (fd < 0 || r->running)
		return 0;
	error = vh_cuse_link_start(l, c, ring);
	w->say(w->self, "ring %u of process %d: %s", 2 * c->pair + ring, (int)l->port->process,
		error == 0 ? "started" : strerror(-error));
	return error;
}

/* An ioctl about one ring; `in` begins with its number. */
static int ring_ioctl(struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t command, const void *in,
	union vh_cuse_out *out)
{
	const struct vhost_vring_state *state = in;
	const struct vhost_vring_file *file = in;
	uint32_t ring = state->index;

	if (ring >= RINGS_OF_PAIR)
		return -ENOBUFS;
	switch (command) {
	case VHOST_SET_VRING_NUM:
		return set_size(&c->ring[ring], state->num);
	case VHOST_SET_VRING_BASE:
		return set_base(&c->ring[ring], state->num);
	case VHOST_GET_VRING_BASE:
		if (c->ring[ring].running)
			vh_cuse_link_stop(l, c, ring);
		out->state = (struct vhost_vring_state){ring, c->ring[ring].base};
		return 0;
	case VHOST_SET_VRING_ADDR:
		return set_addr(l, c, in);
	case VHOST_SET_VRING_CALL:
		return set_event(l, c, ring, VH_CUSE_SET_VRING_CALL, file->fd);
	case VHOST_SET_VRING_KICK:
		return set_event(l, c, ring, VH_CUSE_SET_VRING_KICK, file->fd);
	case VHOST_NET_SET_BACKEND:
		return set_backend(l, c, ring, file->fd);
	default:
		/* SET_VRING_ERR, which no back end uses, and the time to poll, which the switch knows best.
		 */
		return 0;
	}
}

int vh_cuse_ioctl(struct vh_cuse_link *l, struct vh_cuse_client *c, const struct vh_cuse_caller *who,
	uint32_t command, const void *in, union vh_cuse_out *out)
{
	uint64_t value;

	if (command == VHOST_SET_OWNER)
		return set_owner(l, c, who);
	/* Descriptors and addresses are those of the process that said SET_OWNER, and mean nothing in
	 * another. */
	if (!c->owner || who->process != l->port->process)
		return -EPERM;
	switch (command) {
	case VHOST_RESET_OWNER:
		disown(l, c);
		return 0;
	case VHOST_GET_FEATURES:
		out->u64 = vh_cuse_link_offer(l->port);
		return 0;
	case VHOST_SET_FEATURES:
		memcpy(&value, in, sizeof(value));
		return set_features(l, c, value);
	case VHOST_SET_LOG_BASE:
		memcpy(&value, in, sizeof(value));
		return l->port->loggable ? vh_cuse_log_base(l, value) : -EOPNOTSUPP;
	case VHOST_SET_MEM_TABLE:
		return set_memory(l, in);
	default:
		return ring_ioctl(l, c, command, in, out);
	}
}
