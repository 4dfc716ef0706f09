#include "engine_priv.h"
#include "../runtime/callfd_guard.h"
#include "../runtime/events.h"
#include "../proxy/proxy.h"
#include "../vhost/session_rings.h"
#include "../runtime/sigbus.h"
#include "../runtime/sw_offload.h"
#include "../vhost/fdset_wakeup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <rte_version.h>

struct vh_engine vh_engine = {.lock = PTHREAD_MUTEX_INITIALIZER};

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

static void stop_guards(void)
{
	vh_relay_stop();
	vh_call_guard_stop();
	vh_sigbus_stop();
}

/* What stands between front ends and everything else. Return: 0, or a negative errno. */
static int start_guards(int descriptors)
{
	int error = vh_relay_start(descriptors);

	if (error == 0)
		error = vh_call_guard_start(1000000 * vh_workers_ticks_per_us(), vh_relay_condemn);
	if (error == 0)
		error = vh_sigbus_start(vh_relay_condemn);
	if (error != 0)
		stop_guards();
	return error;
}

int vh_engine_start(const struct vh_engine_options *o, char *error, size_t n)
{
	struct vh_workers_options workers = {.cpu = o->cpu, .n = o->workers, .adaptive = o->adaptive};
	uint64_t seed;
	int result;

	if (vh_engine.state != NEVER) {
		snprintf(error, n, "the engine can be started once per process");
		return -1;
	}
	vh_engine.state = STOPPED;
	vh_engine.sw = aligned(sizeof(*vh_engine.sw));
	if (vh_engine.sw == NULL || getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		snprintf(error, n, "no memory or no randomness for the address table");
		return -1;
	}
	vh_switch_init(vh_engine.sw, seed);
	vh_engine.sw->on_learn = learned;
	vh_engine.sw->retry.times = o->retry_times;
	vh_engine.sw->isolate = o->isolate;
	vh_engine.sw->rules = o->isolate;
	vh_direct_start(&o->direct);
	vh_engine.hot = vh_hot_pick(o->instruction_set);
	if (vh_engine.hot.poll == NULL) {
		snprintf(error, n, "this CPU runs no data path called %s", o->instruction_set);
		return -1;
	}
	workers.poll = vh_engine.hot.poll;
	if (vh_eal_start(&o->eal, error, n) != 0)
		return -1;
	vh_engine.sw->retry.delay_ticks = o->retry_delay_us * vh_workers_ticks_per_us();
	vh_engine.sw->linger_ticks = VH_LINGER_US * vh_workers_ticks_per_us();
	if (vh_workers_start(vh_engine.sw, &workers, error, n) != 0)
		return -1;
	result = start_guards(o->descriptors);
	if (result != 0) {
		snprintf(error, n, "the guards against hostile front ends: %s", strerror(-result));
		vh_workers_stop();
		return -1;
	}
	vh_engine.state = RUNNING;
	return 0;
}

bool vh_engine_running(void)
{
	return vh_engine.state == RUNNING;
}

void vh_engine_stop(void)
{
	if (vh_engine.state != RUNNING)
		return;
	for (uint16_t id = 0; id < VH_MAX_PORTS; id++)
		if (vh_engine.session[id] != NULL)
			vh_engine_remove_port(id);
	for (uint16_t i = 0; i < VH_MAX_UPLINKS; i++)
		if (vh_engine.uplink[i] != NULL)
			vh_engine_remove_uplink((uint16_t)(VH_MAX_PORTS + i));
	vh_engine.state = STOPPED;
	vh_wake_close();
	stop_guards();
	vh_workers_stop();
	vh_soften_stop();
	free((void *)(uintptr_t)vh_engine.sw->list);
	free(vh_engine.sw);
	vh_engine.sw = NULL;
}

struct vh_session *vh_session_by_path(const char *path)
{
	struct vh_session *found = NULL;

	pthread_mutex_lock(&vh_engine.lock);
	for (int i = 0; i < VH_MAX_PORTS && found == NULL; i++)
		if (vh_engine.session[i] != NULL && strcmp(vh_engine.session[i]->path, path) == 0)
			found = vh_engine.session[i];
	pthread_mutex_unlock(&vh_engine.lock);
	return found;
}

static void set_session(uint16_t id, struct vh_session *s)
{
	pthread_mutex_lock(&vh_engine.lock);
	vh_engine.session[id] = s;
	pthread_mutex_unlock(&vh_engine.lock);
}

int vh_engine_publish_ports(void)
{
	struct vh_port_list *fresh = calloc(1, sizeof(*fresh));
	const struct vh_port_list *old = vh_engine.sw->list;

	if (fresh == NULL)
		return -ENOMEM;
	for (int i = 0; i < VH_MAX_IDS; i++)
		if (vh_engine.sw->port[i] != NULL)
			fresh->port[fresh->n++] = vh_engine.sw->port[i];
	__atomic_store_n(&vh_engine.sw->list, fresh, __ATOMIC_RELEASE);
	vh_workers_sync();
	free((void *)(uintptr_t)old);
	return 0;
}

/* Who polls a queue of a port that is published. */
static uint16_t worker_of(uint32_t id, uint16_t pair)
{
	return id < VH_MAX_PORTS ? vh_engine.session[id]->ring[2 * pair + 1].worker
				 : vh_engine.uplink[id - VH_MAX_PORTS]->queue_worker[pair];
}

int vh_engine_publish_plans(void)
{
	static struct vh_plan_queue queues[VH_MAX_IDS * VH_MAX_PAIRS];

	for (uint32_t w = 0; w < vh_workers_count(); w++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < VH_MAX_IDS; i++) {
			struct vh_port *port = vh_engine.sw->port[i];

			for (uint16_t pair = 0; port != NULL && pair < port->pairs; pair++)
				if (worker_of(i, pair) == w)
					queues[n++] = (struct vh_plan_queue){.port = port, .pair = pair};
		}
		if (vh_workers_plan(w, queues, n) != 0)
			return -ENOMEM;
	}
	return 0;
}

uint16_t vh_engine_least_loaded(const uint32_t *load)
{
	uint16_t best = 0;

	for (uint16_t w = 1; w < vh_workers_count(); w++)
		if (load[w] < load[best])
			best = w;
	return best;
}

/* Each transmit queue goes to the worker that has fewest. */
static void assign_workers(struct vh_session *s)
{
	for (uint16_t pair = 0; pair < s->port->pairs; pair++) {
		uint16_t best = vh_engine_least_loaded(vh_engine.load);

		vh_engine.load[best]++;
		s->ring[2 * pair + 1].worker = best;
	}
}

/* Return: 0 or -ENOMEM; then the ring stays with the worker it had. */
static int move_ring(struct vh_session *s, uint32_t ring, uint16_t to)
{
	uint16_t from = s->ring[ring].worker;
	int result;

	pthread_mutex_lock(&s->lock);
	vh_rings_lift(s, ring);
	s->ring[ring].worker = to;
	result = vh_engine_publish_plans();
	if (result != 0)
		s->ring[ring].worker = from;
	vh_rings_land(s, ring);
	pthread_mutex_unlock(&s->lock);
	return result;
}

/* Finds the queue's place in a new distribution. Return: whether it had to move, or -ENOMEM. */
static int place(struct vh_session *s, uint16_t pair, uint32_t *load)
{
	uint32_t ring = 2U * pair + 1;
	uint16_t at = s->ring[ring].worker, to = vh_engine_least_loaded(load);

	s->ring[ring].placed = vh_engine.rebalances;
	/* Where it is will do if that is no worse. */
	if (load[at] == load[to])
		to = at;
	load[to]++;
	return to == at ? 0 : move_ring(s, ring, to) != 0 ? -ENOMEM : 1;
}

/* Adds the queues of uplinks to the load, those of guests' pools or all others. */
static void count_uplinks(uint32_t *load, bool pools)
{
	for (int i = 0; i < VH_MAX_UPLINKS; i++) {
		const struct vh_uplink *u = vh_engine.uplink[i];

		for (uint16_t q = 0; u != NULL && q < u->port.pairs; q++)
			if ((q > 0 && q <= u->guests && vh_engine.session[vh_vmdq_guest(q)] != NULL) == pools)
				load[u->queue_worker[q]]++;
	}
}

int vh_engine_rebalance(void)
{
	uint32_t load[VH_MAX_WORKERS] = {0};
	int moved = 0;

	/* Uplinks stay where they are, but for queues of guests, which go where these go. */
	count_uplinks(load, false);
	vh_engine.rebalances++;
	/* Queues that guests use first, so that these are even among themselves; then the others. */
	for (int all = 0; all <= 1; all++) {
		for (int id = 0; id < VH_MAX_PORTS; id++) {
			struct vh_session *s = vh_engine.session[id];

			for (uint16_t pair = 0; s != NULL && pair < s->port->pairs; pair++) {
				int result = 0;

				if (s->ring[2 * pair + 1].placed != vh_engine.rebalances &&
					(all == 1 || vh_vq_is_live(&s->port->tx[pair])))
					result = place(s, pair, load);
				if (result < 0)
					return result;
				moved += result;
			}
		}
	}
	count_uplinks(load, true);
	memcpy(vh_engine.load, load, sizeof(load));
	vh_engine_tend_pools();
	return moved;
}

static void free_session(struct vh_session *s)
{
	if (s != NULL) {
		free(s->port);
		free(s->ring);
		free(s->log.ring);
	}
	free(s);
}

static struct vh_session *new_session(uint16_t id, uint16_t pairs)
{
	struct vh_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->sw = vh_engine.sw;
	s->port = vh_port_new(id, pairs);
	s->ring = calloc(2U * pairs, sizeof(*s->ring));
	s->log.rings = 2U * pairs;
	s->log.ring = calloc(s->log.rings, sizeof(*s->log.ring));
	if (s->port != NULL && s->ring != NULL && s->log.ring != NULL)
		return s;
	free_session(s);
	return NULL;
}

/* Sorting by more than addresses costs something: only while there is a reason for it. */
static void note_rules(void)
{
	bool rules = vh_engine.sw->isolate;

	for (int i = 0; i < VH_MAX_PORTS; i++)
		if (vh_engine.session[i] != NULL && vh_engine.session[i]->port->vlan.mode != VH_VLAN_NONE)
			rules = true;
	__atomic_store_n(&vh_engine.sw->rules, rules, __ATOMIC_RELAXED);
}

/*
 * Takes the port out of everything that workers look at and frees it. Where the new lists cannot be made for
 * want of memory, workers still know the port: then it is left to them, stopped, rather than freed under
 * them.
 */
static void withdraw(uint16_t id)
{
	struct vh_session *s = vh_engine.session[id];
	bool unknown;

	for (uint16_t pair = 0; pair < s->port->pairs; pair++)
		vh_engine.load[s->ring[2 * pair + 1].worker]--;
	__atomic_store_n(&vh_engine.sw->port[id], NULL, __ATOMIC_RELEASE);
	unknown = vh_engine_publish_ports() == 0 && vh_engine_publish_plans() == 0;
	vh_mac_forget_port(&vh_engine.sw->macs, id);
	set_session(id, NULL);
	note_rules();
	if (unknown)
		free_session(s);
}

int vh_engine_add_port(const struct vh_session_options *o, char *error, size_t n)
{
	struct vh_session *s;
	uint16_t id = 0;
	int result;

	while (id < VH_MAX_PORTS && vh_engine.session[id] != NULL)
		id++;
	if (id == VH_MAX_PORTS) {
		snprintf(error, n, "the switch has its %d ports already", VH_MAX_PORTS);
		return -ENOSPC;
	}
	if (o->offloads && vh_engine.sw->soften.hook == NULL) {
		result = vh_soften_start(vh_workers_count(), &vh_engine.sw->soften, error, n);
		if (result != 0)
			return result;
	}
	s = new_session(id, o->pairs);
	if (s == NULL) {
		snprintf(error, n, "out of memory");
		return -ENOMEM;
	}
	assign_workers(s);
	s->port->vlan = o->vlan;
	s->port->forward_reserved = o->forward_reserved;
	vh_mac_limit(&vh_engine.sw->macs, id, o->mac_limit);
	set_session(id, s);
	note_rules();
	__atomic_store_n(&vh_engine.sw->port[id], s->port, __ATOMIC_RELEASE);
	result = vh_engine_publish_ports() != 0 || vh_engine_publish_plans() != 0 ? -ENOMEM : 0;
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
	struct vh_session *s = id < VH_MAX_PORTS ? vh_engine.session[id] : NULL;

	if (s == NULL)
		return -ENOENT;
	vh_session_close(s);
	withdraw(id);
	return 0;
}

int vh_engine_own(uint16_t id, const struct vh_owner *owner)
{
	if (id >= VH_MAX_PORTS || vh_engine.session[id] == NULL)
		return -ENOENT;
	vh_relay_own(id, owner);
	return 0;
}

int vh_engine_listen_again(uint16_t id)
{
	struct vh_session *s = id < VH_MAX_PORTS ? vh_engine.session[id] : NULL;

	return s == NULL ? -ENOENT : vh_session_listen_again(s);
}

bool vh_engine_port(uint16_t id, struct vh_port_info *out)
{
	struct vh_session *s = id < VH_MAX_PORTS ? vh_engine.session[id] : NULL;

	if (s == NULL)
		return false;
	*out = (struct vh_port_info){.id = id, .pairs = s->port->pairs, .name = s->name, .path = s->path};
	pthread_mutex_lock(&s->lock);
	out->connected = s->vid >= 0;
	out->features = s->features;
	out->memory_bytes = s->memory_bytes;
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++) {
		const struct vh_vq *vq = i % 2 == 0 ? &s->port->rx[i / 2] : &s->port->tx[i / 2];

		/* One that waits for a translation is up all the same. */
		out->ring[i].live = vh_vq_is_live(vq) || s->iommu.ring[i].suspended;
		out->ring[i].size = out->ring[i].live ? s->ring[i].size : 0;
		out->ring[i].worker = i % 2 == 1 ? s->ring[i].worker : -1;
	}
	out->ready = s->ready;
	out->lack = vh_session_lack(s, &out->lack_text);
	pthread_mutex_unlock(&s->lock);
	vh_port_counters(s->port, &out->counters);
	out->interrupts_apart = vh_call_guard_sent_apart(id);
	return true;
}

void vh_engine_drain(void)
{
	for (int id = 0; id < VH_MAX_PORTS; id++) {
		struct vh_session *s = vh_engine.session[id];

		if (s == NULL)
			continue;
		pthread_mutex_lock(&s->lock);
		vh_rings_drain(s);
		pthread_mutex_unlock(&s->lock);
	}
}

uint32_t vh_engine_macs(struct vh_mac_entry *out, uint32_t max)
{
	return vh_mac_list(&vh_engine.sw->macs, vh_workers_now(), out, max);
}

uint32_t vh_engine_age_macs(uint32_t seconds)
{
	return vh_mac_age(&vh_engine.sw->macs, vh_workers_now(), seconds);
}

const char *vh_engine_dpdk_version(void)
{
	return rte_version();
}

const char *vh_engine_instruction_set(void)
{
	return vh_engine.hot.name;
}
