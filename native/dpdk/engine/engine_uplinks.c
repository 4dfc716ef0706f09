/* Uplinks among the engine's ports: they come, go, and give pools to guests. */
#include "engine_priv.h"
#include "../uplink/zc_rx.h"
#include "../uplink/guest_dma.h"
#include "../uplink/vmdq.h"

#include <errno.h>
#include <stdio.h>

/* Lets an uplink's card switch between guests; NULL: the switch does it itself. */
static void set_card(const struct vh_uplink *u)
{
	__atomic_store_n(&vh_engine.sw->card, NULL, __ATOMIC_RELAXED);
	for (int id = 0; id < VH_MAX_PORTS; id++)
		if (vh_engine.session[id] != NULL)
			__atomic_store_n(&vh_engine.session[id]->port->at_card, 0, __ATOMIC_RELAXED);
	if (u == NULL)
		return;
	vh_engine.sw->card_longest = vh_uplink_longest_tagged(u);
	__atomic_store_n(&vh_engine.sw->card, &u->port, __ATOMIC_RELEASE);
}

static void assign_uplink(struct vh_uplink *u, int change)
{
	for (uint16_t q = 0; q < u->port.pairs; q++) {
		if (change > 0)
			u->queue_worker[q] = vh_engine_least_loaded(vh_engine.load);
		vh_engine.load[u->queue_worker[q]] += (uint32_t)change;
		vh_workers_unkicked(u->queue_worker[q], change);
	}
}

int vh_engine_add_uplink(const struct vh_uplink_options *asked, char *error, size_t n)
{
	struct vh_uplink_options o = *asked;
	struct vh_uplink *u;
	int i = 0, result;
	uint16_t id;

	while (i < VH_MAX_UPLINKS && vh_engine.uplink[i] != NULL)
		i++;
	if (i == VH_MAX_UPLINKS) {
		snprintf(error, n, "the switch has its %d uplinks already", VH_MAX_UPLINKS);
		return -ENOSPC;
	}
	id = (uint16_t)(VH_MAX_PORTS + i);
	o.workers = vh_workers_count();
	u = vh_uplink_open(&o, id, &result, error, n);
	if (u == NULL)
		return result;
	assign_uplink(u, 1);
	vh_engine.uplink[i] = u;
	vh_uplink_start(&u->port);
	__atomic_store_n(&vh_engine.sw->port[id], &u->port, __ATOMIC_RELEASE);
	if (vh_engine_publish_ports() != 0 || vh_engine_publish_plans() != 0) {
		snprintf(error, n, "out of memory");
		vh_engine_remove_uplink(id);
		return -ENOMEM;
	}
	if (o.loops)
		set_card(u);
	return id;
}

/* Takes guests' buffers back from a card. answers: vh_feed_end(). */
static void end_feeds(const struct vh_uplink *u, bool answers)
{
	for (uint16_t pool = 1; pool <= u->guests; pool++) {
		struct vh_session *s = vh_engine.session[vh_vmdq_guest(pool)];

		if (s == NULL || u->feed[pool] == NULL)
			continue;
		pthread_mutex_lock(&s->lock);
		vh_feed_stop(s->port->id);
		vh_workers_sync();
		vh_feed_end(s->port->id, answers);
		pthread_mutex_unlock(&s->lock);
	}
}

/* Gives a pool's card the buffers of the guest that it is for. */
static void start_feed(const struct vh_uplink *u, uint16_t pool, struct vh_session *s)
{
	if (u->feed[pool] == NULL || u->pool_key[pool] == 0)
		return;
	pthread_mutex_lock(&s->lock);
	vh_feed_start(u->feed[pool], vh_engine.sw, s->port);
	pthread_mutex_unlock(&s->lock);
}

/* Ends its rounds and takes it from the workers, which may still have it in their plans. Gone: it answers
 * nothing any more. */
static void quiet_uplink(struct vh_uplink *u, bool gone)
{
	end_feeds(u, !gone);
	vh_direct_leave(u);
	vh_uplink_stop(&u->port);
	vh_workers_sync();
	for (uint16_t q = 0; q < u->port.pairs; q++)
		vh_switch_flush(vh_engine.sw, &u->port, q);
}

int vh_engine_remove_uplink(uint16_t id)
{
	uint32_t i = (uint32_t)id - VH_MAX_PORTS;
	struct vh_uplink *u = i < VH_MAX_UPLINKS ? vh_engine.uplink[i] : NULL;
	bool unknown;

	if (u == NULL)
		return -ENOENT;
	if (vh_engine.sw->card == &u->port)
		set_card(NULL);
	quiet_uplink(u, false);
	__atomic_store_n(&vh_engine.sw->port[id], NULL, __ATOMIC_RELEASE);
	unknown = vh_engine_publish_ports() == 0 && vh_engine_publish_plans() == 0;
	vh_mac_forget_port(&vh_engine.sw->macs, id);
	assign_uplink(u, -1);
	vh_engine.uplink[i] = NULL;
	/* As in withdraw(): where workers may still know it, it stays. */
	if (unknown)
		vh_uplink_close(u);
	return 0;
}

/* Hands a queue to another worker. */
static void move_uplink_queue(struct vh_uplink *u, uint16_t queue, uint16_t to)
{
	uint16_t from = u->queue_worker[queue];

	if (from == to)
		return;
	__atomic_store_n(&u->port.tx[queue].live, 0, __ATOMIC_RELEASE);
	vh_workers_sync();
	vh_switch_flush(vh_engine.sw, &u->port, queue);
	u->queue_worker[queue] = to;
	if (vh_engine_publish_plans() != 0) {
		u->queue_worker[queue] = from;
	} else {
		vh_engine.load[from]--;
		vh_engine.load[to]++;
		vh_workers_unkicked(from, -1);
		vh_workers_unkicked(to, 1);
	}
	__atomic_store_n(&u->port.tx[queue].live, 1, __ATOMIC_RELEASE);
	vh_workers_wake(to);
}

/* Whether what the card sorts into a pool gets to its guest: none of the pool's buffers is another guest's.
 */
static bool is_clear(const struct vh_uplink *u, uint16_t pool, struct vh_session *s)
{
	bool clear;

	if (u->feed[pool] == NULL)
		return true;
	pthread_mutex_lock(&s->lock);
	clear = vh_feed_is_clear(u->feed[pool], vh_uplink_state(u) == VH_UPLINK_UP);
	pthread_mutex_unlock(&s->lock);
	return clear;
}

/*
 * Brings pools in line with the guests and their addresses. Looked at anew each time, instead of following
 * events: whatever becomes of guests meanwhile, and whatever the event queue had to leave out, ends up the
 * same.
 */
static void tend_pools(struct vh_uplink *u)
{
	static struct vh_mac_entry macs[VH_MAC_BUCKETS * VH_MAC_SLOTS];
	uint32_t n = vh_mac_list(&vh_engine.sw->macs, vh_workers_now(), macs, VH_MAC_BUCKETS * VH_MAC_SLOTS);

	for (uint16_t pool = 1; pool <= u->guests; pool++) {
		struct vh_session *s = vh_engine.session[vh_vmdq_guest(pool)];
		bool up = s != NULL && s->port->vlan.mode == VH_VLAN_AUTO &&
			  __atomic_load_n(&s->port->rx_live, __ATOMIC_RELAXED) != 0;
		uint64_t key = up ? vh_vmdq_address(u, pool, macs, n) : 0;

		/* Without its pool a guest is served by software, and loses nothing. */
		if (key != 0 && !is_clear(u, pool, s))
			key = 0;
		if (up)
			move_uplink_queue(u, pool, s->ring[1].worker);
		/* No frame is on its way to the card for an address that it is about to forget. */
		if (s != NULL && s->port->at_card != key) {
			__atomic_store_n(&s->port->at_card, 0, __ATOMIC_RELAXED);
			vh_workers_sync();
		}
		vh_vmdq_bind(u, pool, key);
		if (s != NULL && vh_engine.sw->card == &u->port)
			__atomic_store_n(&s->port->at_card, u->pool_key[pool], __ATOMIC_RELAXED);
		if (up)
			start_feed(u, pool, s);
	}
}

void vh_engine_tend_pools(void)
{
	vh_loan_reap();
	for (int i = 0; i < VH_MAX_UPLINKS; i++)
		if (vh_engine.uplink[i] != NULL && vh_engine.uplink[i]->port.rx_live != 0 &&
			vh_engine.uplink[i]->guests > 0)
			tend_pools(vh_engine.uplink[i]);
}

bool vh_engine_uplink(uint16_t id, struct vh_uplink_info *out)
{
	uint32_t i = (uint32_t)id - VH_MAX_PORTS;
	struct vh_uplink *u = i < VH_MAX_UPLINKS ? vh_engine.uplink[i] : NULL;

	if (u == NULL)
		return false;
	vh_uplink_look(u, out);
	if (out->state == VH_UPLINK_GONE && u->port.rx_live != 0) {
		quiet_uplink(u, true);
		vh_direct_halt(u);
	}
	return true;
}
