#include "engine.h"
#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <rte_version.h>

static struct {
	enum { NEVER, RUNNING, STOPPED } state;
	struct vh_switch *sw;
	pthread_mutex_t lock; /* session[]: written by the main thread, looked up by librte_vhost's */
	struct vh_session *session[VH_MAX_PORTS];
	uint32_t load[VH_MAX_WORKERS]; /* transmit queues per worker */
} engine = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void learned(void *context, uint16_t port, uint64_t key, bool moved)
{
	(void)context;
	vh_events_push(moved ? VH_EVENT_MOVED : VH_EVENT_LEARNED, port, key, "");
}

static void *aligned(size_t size)
{
	size_t whole = (size + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE;
	void *p = aligned_alloc(VH_CACHE_LINE, whole);

	if (p != NULL)
		memset(p, 0, whole);
	return p;
}

int vh_engine_start(const struct vh_engine_options *o, char *error, size_t n)
{
	uint64_t seed;

	if (engine.state != NEVER) {
		snprintf(error, n, "the engine can be started once per process");
		return -1;
	}
	engine.state = STOPPED;
	engine.sw = aligned(sizeof(*engine.sw));
	if (engine.sw == NULL || getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		snprintf(error, n, "no memory or no randomness for the address table");
		return -1;
	}
	vh_switch_init(engine.sw, seed);
	engine.sw->on_learn = learned;
	if (vh_eal_start(&o->eal, error, n) != 0 ||
		vh_workers_start(engine.sw, o->cpu, o->workers, o->adaptive, error, n) != 0)
		return -1;
	engine.state = RUNNING;
	return 0;
}

bool vh_engine_running(void)
{
	return engine.state == RUNNING;
}

void vh_engine_stop(void)
{
	if (engine.state != RUNNING)
		return;
	for (uint16_t id = 0; id < VH_MAX_PORTS; id++)
		if (engine.session[id] != NULL)
			vh_engine_remove_port(id);
	engine.state = STOPPED;
	vh_workers_stop();
	free((void *)(uintptr_t)engine.sw->list);
	free(engine.sw);
	engine.sw = NULL;
}

struct vh_session *vh_session_by_path(const char *path)
{
	struct vh_session *found = NULL;

	pthread_mutex_lock(&engine.lock);
	for (int i = 0; i < VH_MAX_PORTS && found == NULL; i++)
		if (engine.session[i] != NULL && strcmp(engine.session[i]->path, path) == 0)
			found = engine.session[i];
	pthread_mutex_unlock(&engine.lock);
	return found;
}

static void set_session(uint16_t id, struct vh_session *s)
{
	pthread_mutex_lock(&engine.lock);
	engine.session[id] = s;
	pthread_mutex_unlock(&engine.lock);
}

/* Publishes the list of ports that floods go to. Return: 0 or -ENOMEM. */
static int publish_ports(void)
{
	struct vh_port_list *fresh = calloc(1, sizeof(*fresh));
	const struct vh_port_list *old = engine.sw->list;

	if (fresh == NULL)
		return -ENOMEM;
	for (int i = 0; i < VH_MAX_PORTS; i++)
		if (engine.sw->port[i] != NULL)
			fresh->port[fresh->n++] = engine.sw->port[i];
	__atomic_store_n(&engine.sw->list, fresh, __ATOMIC_RELEASE);
	vh_workers_sync();
	free((void *)(uintptr_t)old);
	return 0;
}

/* Gives every worker the list of the transmit queues that are its own. Return: 0 or -ENOMEM. */
static int publish_plans(void)
{
	static struct vh_plan_queue queues[VH_MAX_PORTS * VH_MAX_PAIRS];

	for (uint32_t w = 0; w < vh_workers_count(); w++) {
		uint32_t n = 0;

		for (int i = 0; i < VH_MAX_PORTS; i++) {
			struct vh_port *port = engine.sw->port[i];

			for (uint16_t pair = 0; port != NULL && pair < port->pairs; pair++)
				if (engine.session[i]->ring[2 * pair + 1].worker == w)
					queues[n++] = (struct vh_plan_queue){.port = port, .pair = pair};
		}
		if (vh_workers_plan(w, queues, n) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* Each transmit queue goes to the worker that has fewest. */
static void assign_workers(struct vh_session *s)
{
	for (uint16_t pair = 0; pair < s->port->pairs; pair++) {
		uint16_t best = 0;

		for (uint16_t w = 1; w < vh_workers_count(); w++)
			if (engine.load[w] < engine.load[best])
				best = w;
		engine.load[best]++;
		s->ring[2 * pair + 1].worker = best;
	}
}

static void free_session(struct vh_session *s)
{
	if (s != NULL)
		free(s->port);
	free(s);
}

static struct vh_session *new_session(uint16_t id, uint16_t pairs)
{
	struct vh_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->port = aligned(sizeof(*s->port));
	if (s->port == NULL) {
		free_session(s);
		return NULL;
	}
	s->port->id = id;
	s->port->pairs = pairs;
	return s;
}

/*
 * Takes the port out of everything that workers look at and frees it. Where the new lists cannot be made for
 * want of memory, workers still know the port: then it is left to them, stopped, rather than freed under
 * them.
 */
static void withdraw(uint16_t id)
{
	struct vh_session *s = engine.session[id];
	bool unknown;

	for (uint16_t pair = 0; pair < s->port->pairs; pair++)
		engine.load[s->ring[2 * pair + 1].worker]--;
	__atomic_store_n(&engine.sw->port[id], NULL, __ATOMIC_RELEASE);
	unknown = publish_ports() == 0 && publish_plans() == 0;
	vh_mac_forget_port(&engine.sw->macs, id);
	set_session(id, NULL);
	if (unknown)
		free_session(s);
}

int vh_engine_add_port(const struct vh_session_options *o, char *error, size_t n)
{
	struct vh_session *s;
	uint16_t id = 0;
	int result;

	while (id < VH_MAX_PORTS && engine.session[id] != NULL)
		id++;
	if (id == VH_MAX_PORTS) {
		snprintf(error, n, "the switch has its %d ports already", VH_MAX_PORTS);
		return -ENOSPC;
	}
	s = new_session(id, o->pairs);
	if (s == NULL) {
		snprintf(error, n, "out of memory");
		return -ENOMEM;
	}
	assign_workers(s);
	set_session(id, s);
	__atomic_store_n(&engine.sw->port[id], s->port, __ATOMIC_RELEASE);
	result = publish_ports() != 0 || publish_plans() != 0 ? -ENOMEM : 0;
	if (result != 0)
		snprintf(error, n, "out of memory");
	else
		/* Last: a front end may connect while this call is still under way. */
		result = vh_session_open(s, o, error, n);
	if (result != 0) {
		withdraw(id);
		return result;
	}
	return id;
}

int vh_engine_remove_port(uint16_t id)
{
	struct vh_session *s = id < VH_MAX_PORTS ? engine.session[id] : NULL;

	if (s == NULL)
		return -ENOENT;
	vh_session_close(s);
	withdraw(id);
	return 0;
}

bool vh_engine_port(uint16_t id, struct vh_port_info *out)
{
	struct vh_session *s = id < VH_MAX_PORTS ? engine.session[id] : NULL;

	if (s == NULL)
		return false;
	*out = (struct vh_port_info){.id = id, .pairs = s->port->pairs, .name = s->name, .path = s->path};
	pthread_mutex_lock(&s->lock);
	out->connected = s->vid >= 0;
	out->features = s->features;
	out->memory_bytes = s->memory_bytes;
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++) {
		const struct vh_vq *vq = i % 2 == 0 ? &s->port->rx[i / 2] : &s->port->tx[i / 2];

		out->ring[i].live = vh_vq_is_live(vq);
		out->ring[i].size = out->ring[i].live ? s->ring[i].size : 0;
		out->ring[i].worker = i % 2 == 1 ? s->ring[i].worker : -1;
	}
	out->ready = out->ring[0].live && out->ring[1].live;
	pthread_mutex_unlock(&s->lock);
	vh_port_counters(s->port, &out->counters);
	return true;
}

uint32_t vh_engine_macs(struct vh_mac_entry *out, uint32_t max)
{
	return vh_mac_list(&engine.sw->macs, vh_workers_now(), out, max);
}

uint32_t vh_engine_age_macs(uint32_t seconds)
{
	return vh_mac_age(&engine.sw->macs, vh_workers_now(), seconds);
}

const char *vh_engine_dpdk_version(void)
{
	return rte_version();
}
