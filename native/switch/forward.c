/* The data path of the switch: one round on one transmit queue. Theory of operation in switch.h. */
#include "deliver_offload.h"
#include "flow_hash.h"
#include "vlan_rules.h"
#include "egress_list.h"

#include <string.h>

/* Destination, source, EtherType, tag: what forwarding looks at. */
struct header {
	uint64_t dst, src; /* address keys, VLAN included */
};

static inline struct header parse(const struct vh_batch *b, const struct vh_frame *f)
{
	uint8_t buf[18];
	const uint8_t *p = vh_likely(f->len >= 18) ? f->data : gather(b, f, buf, sizeof(buf));
	uint16_t type = (uint16_t)(p[12] << 8 | p[13]);
	uint16_t vlan = 0;

	/* A priority tag (VLAN 0) counts as untagged. */
	if (vh_is_tag(type))
		vlan = (uint16_t)((p[14] << 8 | p[15]) & 0xfff);
	return (struct header){.dst = vh_mac_key(p, vlan), .src = vh_mac_key(p + 6, vlan)};
}

/* To every other port whose driver is up. Return: how many those were. */
static __attribute__((noinline)) uint32_t flood(
	const struct vh_port_list *list, struct run *run, uint16_t from, uint16_t frame)
{
	uint32_t n = 0;

	for (uint32_t i = 0; list != NULL && i < list->n; i++) {
		const struct vh_port *p = list->port[i];

		if (p->id == from || __atomic_load_n(&p->rx_live, __ATOMIC_RELAXED) == 0)
			continue;
		enlist(run, p->id, frame);
		n++;
	}
	return n;
}

/* Where a frame goes, and where in the table that stands. */
struct target {
	uint64_t key; /* 0: nowhere */
	struct vh_mac_place at;
};

/* Reads the headers: learns who sent the frames, and begins to fetch what looking their destinations up
 * needs. */
static void read_headers(struct vh_switch *sw, const struct vh_lane *lane, const struct vh_batch *b,
	struct vh_port *port, struct vh_vq *vq, struct target *to)
{
	uint64_t last = 0;

	for (uint16_t i = 0; i < b->frames; i++) {
		struct header h = parse(b, &b->frame[i]);

		if (!learn(sw, lane, port, vq, h.src)) {
			to[i].key = 0;
			continue;
		}
		to[i].key = h.dst;
		/* Frames of one round often go to one address: it is looked up once. */
		if (h.dst != last) {
			to[i].at = vh_mac_place(&sw->macs, h.dst);
			vh_prefetch(&sw->macs.bucket[to[i].at.first]);
		}
		last = h.dst;
	}
}

/* As vh_sort_by_rules(), where nothing but addresses decides. */
static void sort_by_address(struct vh_switch *sw, struct vh_lane *lane, struct vh_round *r,
	struct vh_port *port, struct vh_vq *vq)
{
	const struct vh_port_list *list = __atomic_load_n(&sw->list, __ATOMIC_ACQUIRE);
	struct vh_counters *own = &port->counters[lane->worker];
	struct run run = {.r = r, .dst = VH_NO_PORT};
	struct target to[VH_BATCH];
	uint64_t last = UINT64_MAX; /* no frame's */
	uint16_t dst = VH_NO_PORT;

	read_headers(sw, lane, &r->batch, port, vq, to);
	for (uint16_t i = 0; i < r->batch.frames; i++) {
		uint64_t key = to[i].key;

		if (vh_unlikely(key != last)) {
			if (vh_unlikely(key == 0))
				continue;
			dst = vh_mac_is_group(key) ? VH_NO_PORT : vh_mac_lookup(&sw->macs, key, to[i].at);
		}
		last = key;
		if (vh_unlikely(dst == port->id)) {
			vh_count(&own->drops[VH_DROP_TX_HAIRPIN], 1);
		} else if (vh_likely(dst != VH_NO_PORT)) {
			enlist(&run, dst, i);
		} else if (vh_unlikely(vh_is_kept(port, key))) {
			vh_count(&own->drops[VH_DROP_TX_RESERVED], 1);
		} else {
			uint32_t n = flood(list, &run, port->id, i);

			if (n == 0)
				vh_count(&own->drops[VH_DROP_TX_NO_DESTINATION], 1);
			/* Those behind it for the same address go the same way, if that is a single one. */
			else if (n == 1)
				dst = run.dst;
		}
	}
	run_end(&run);
}

/* Puts every frame of a round on its lists. */
static inline void sort(struct vh_switch *sw, struct vh_lane *lane, struct vh_round *r, struct vh_port *port,
	struct vh_vq *vq)
{
	if (vh_likely(port->uplink == NULL && __atomic_load_n(&sw->rules, __ATOMIC_RELAXED) == 0))
		sort_by_address(sw, lane, r, port, vq);
	else
		vh_sort_by_rules(sw, lane, r, port, vq);
}

/* What to do with frames that find a receiver full. */
enum patience {
	WAIT,
	SERIES_OVER, /* drop them: the round has had all its tries */
	NO_PLACE,    /* drop them: the lane has no place for another round that waits */
};

static struct vh_progress *find_progress(struct vh_round *r, uint16_t port, uint16_t queue)
{
	for (uint16_t i = 0; i < r->n_progress; i++)
		if (r->progress[i].port == port && r->progress[i].queue == queue)
			return &r->progress[i];
	return NULL;
}

/*
 * Keeps what there is to remember for the next try. Return: whether there is room. Only frames that go to
 * many receivers can use it up.
 */
static bool keep_progress(struct vh_round *r, struct vh_progress *known, const struct vh_progress *now)
{
	if (known != NULL && now->done == 0)
		*known = r->progress[--r->n_progress];
	else if (known != NULL)
		*known = *now;
	else if (now->done != 0 && r->n_progress == VH_ROUND_PROGRESS)
		return false;
	else if (now->done != 0)
		r->progress[r->n_progress++] = *now;
	return true;
}

/* As vh_rxq_deliver(), for a round with unfinished frames. *moved: whether the queue took anything. */
static __attribute__((noinline)) uint32_t to_queue_unfinished(const struct vh_switch *sw, struct vh_port *to,
	uint16_t pair, struct vh_round *r, const uint8_t *which, uint32_t n, struct vh_counters *own,
	bool *moved)
{
	struct vh_progress *known = find_progress(r, to->id, pair);
	struct vh_progress progress = {.port = to->id, .queue = (uint8_t)pair};
	uint16_t worker = r->lane->worker;
	struct vh_delivery d = {.sw = sw,
		.worker = worker,
		.batch = &r->batch,
		.to = to,
		.vq = &to->rx[pair],
		.progress = &progress,
		.receiver = own,
		.sender = &r->from->counters[worker]};
	uint32_t done;

	if (known != NULL)
		progress = *known;
	done = vh_deliver_unfinished(&d, which, n);
	*moved = d.moved;
	/* The rest of a frame whose beginning was forgotten would begin anew. */
	if (!keep_progress(r, known, &progress)) {
		vh_count(&own->drops[VH_DROP_RX_RING_FULL], 1);
		done++;
	}
	return done;
}

/*
 * Delivers to one receive queue. Return: how many were dealt with; the rest found it full, and it is worth
 * waiting for.
 */
static uint32_t to_queue(const struct vh_switch *sw, struct vh_port *to, uint16_t pair, struct vh_round *r,
	const uint8_t *which, uint32_t n, struct vh_counters *own, enum patience patience)
{
	struct vh_vq *vq = &to->rx[pair];
	bool moved = false;
	uint32_t done;

	if (vh_unlikely(!vh_vq_is_live(vq))) {
		vh_count(&own->drops[VH_DROP_RX_NOT_READY], n);
		return n;
	}
	if (vh_likely(r->batch.offloads == 0))
		done = vh_hand_over(to, vq, &r->batch, which, n, own);
	else
		done = to_queue_unfinished(sw, to, pair, r, which, n, own, &moved);
	if (vh_likely(done == n && __atomic_load_n(&vq->stalled, __ATOMIC_RELAXED) == 0))
		return n;
	if (done > 0 || moved)
		__atomic_store_n(&vq->stalled, 0, __ATOMIC_RELAXED);
	else if (patience == SERIES_OVER)
		__atomic_store_n(&vq->stalled, 1, __ATOMIC_RELAXED);
	if (done == n || (patience == WAIT && sw->retry.times > 0 &&
				 __atomic_load_n(&vq->stalled, __ATOMIC_RELAXED) == 0))
		return done;
	vh_count(&own->drops[VH_DROP_RX_RING_FULL], n - done);
	return n;
}

static uint32_t flow_of(const struct vh_batch *b, const struct vh_frame *f)
{
	uint8_t buf[VH_FLOW_BYTES];

	if (vh_likely(f->more == 0 || f->len >= VH_FLOW_BYTES))
		return vh_flow_hash(f->data, f->len);
	return vh_flow_hash(
		gather(b, f, buf, sizeof(buf)), f->total < VH_FLOW_BYTES ? f->total : VH_FLOW_BYTES);
}

/* Splits a list over the receive queues that a port has in use, by flow. Return: how many frames are left at
 * the list's front.
 */
static __attribute__((noinline)) uint32_t to_queues(const struct vh_switch *sw, struct vh_port *to,
	uint16_t live, struct vh_round *r, uint8_t *which, uint32_t n, struct vh_counters *own,
	enum patience patience)
{
	/* index and part: the frames queue by queue, each in its order; first: where a queue's begin. */
	uint8_t queue[VH_BATCH], index[VH_BATCH], part[VH_BATCH], first[VH_MAX_PAIRS];
	uint32_t left = 0;

	memset(first, 0, live);
	for (uint32_t i = 0; i < n; i++) {
		queue[i] = (uint8_t)(flow_of(&r->batch, &r->batch.frame[which[i]]) % live);
		first[queue[i]]++;
	}
	for (uint16_t q = 1; q < live; q++)
		first[q] = (uint8_t)(first[q] + first[q - 1]);
	for (uint32_t i = n; i-- > 0;) {
		uint8_t at = --first[queue[i]];

		index[at] = (uint8_t)i;
		part[at] = which[i];
	}
	for (uint16_t q = 0; q < live; q++) {
		uint32_t m = (q + 1U < live ? first[q + 1] : n) - first[q], done;
		uint16_t pair = __atomic_load_n(&to->rx_map[q], __ATOMIC_RELAXED);

		if (m == 0)
			continue;
		done = to_queue(sw, to, pair, r, part + first[q], m, own, patience);
		/* The frames behind `done` of this queue stay: unmark the ones that are dealt with. */
		for (uint32_t i = 0; i < done; i++)
			queue[index[first[q] + i]] = UINT8_MAX;
	}
	for (uint32_t i = 0; i < n; i++)
		if (queue[i] != UINT8_MAX)
			which[left++] = which[i];
	return left;
}

/* Works off the list of one port. Return: how many frames stay on it for another try. */
static uint32_t to_port(struct vh_switch *sw, struct vh_lane *lane, struct vh_round *r, struct vh_port *from,
	uint16_t dst, enum patience patience)
{
	struct vh_port *port = __atomic_load_n(&sw->port[dst], __ATOMIC_ACQUIRE);
	uint32_t n = r->count[dst], left = 0, done;
	struct vh_counters *own;
	uint16_t live;

	if (vh_unlikely(port == NULL)) {
		/* Removed since it was learned or listed: it has no counters any more, so it is the sender's.
		 */
		vh_count(&from->counters[lane->worker].drops[VH_DROP_TX_NO_DESTINATION], n);
		r->count[dst] = 0;
		return 0;
	}
	own = &port->counters[lane->worker];
	/* Acquire: so many queues stand in the map. */
	live = __atomic_load_n(&port->rx_live, __ATOMIC_ACQUIRE);
	if (vh_likely(live == 1)) {
		uint16_t pair = __atomic_load_n(&port->rx_map[0], __ATOMIC_RELAXED);

		done = to_queue(sw, port, pair, r, r->which[dst], n, own, patience);
		left = n - done;
		if (vh_unlikely(left > 0))
			memmove(r->which[dst], r->which[dst] + done, left);
	} else if (live == 0) {
		vh_count(&own->drops[VH_DROP_RX_NOT_READY], n);
	} else {
		left = to_queues(sw, port, live, r, r->which[dst], n, own, patience);
	}
	r->count[dst] = (uint8_t)left;
	return left;
}

/* Forgets how far unfinished frames of a list had come. */
static __attribute__((noinline)) void forget_progress(struct vh_round *r, uint16_t dst)
{
	uint16_t left = 0;

	for (uint16_t i = 0; i < r->n_progress; i++)
		if (r->progress[i].port != dst)
			r->progress[left++] = r->progress[i];
	r->n_progress = left;
}

/* Works off all lists. Return: how many of them are not empty afterwards; these are the round's n_dst. */
static uint16_t deliver_all(struct vh_switch *sw, struct vh_lane *lane, struct vh_round *r,
	struct vh_port *from, enum patience patience)
{
	uint16_t left = 0;

	for (uint16_t i = 0; i < r->n_dst; i++)
		if (vh_unlikely(to_port(sw, lane, r, from, r->dst[i], patience) > 0))
			r->dst[left++] = r->dst[i];
		else if (vh_unlikely(r->n_progress != 0))
			forget_progress(r, r->dst[i]);
	r->n_dst = left;
	return left;
}

static struct vh_round *free_round(struct vh_lane *lane, const struct vh_round *but)
{
	for (int i = 0; i < VH_ROUNDS; i++)
		/* Acquire: the control thread may have ended it. */
		if (&lane->round[i] != but && __atomic_load_n(&lane->round[i].parked, __ATOMIC_ACQUIRE) == 0)
			return &lane->round[i];
	return NULL;
}

/* Sets the round aside until its receivers may have room again. Return: whether there is a place for that. */
static __attribute__((noinline)) bool park(
	const struct vh_switch *sw, struct vh_lane *lane, struct vh_round *r, struct vh_vq *vq)
{
	struct vh_round *next = free_round(lane, r);

	if (next == NULL || (int64_t)(lane->ticks - vq->no_wait) < 0)
		return false;
	lane->work = next;
	r->tries = 0;
	r->since = lane->ticks;
	r->due = lane->ticks + sw->retry.delay_ticks;
	vq->parked = r;
	__atomic_store_n(&r->parked, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&lane->parked, 1, __ATOMIC_RELAXED);
	return true;
}

static void complete_round(const struct vh_switch *sw, const struct vh_lane *lane, const struct vh_round *r,
	struct vh_port *port, struct vh_vq *vq)
{
	vh_round_complete(port, vq, &r->batch, &port->counters[lane->worker]);
	if (vq->lingering > 0)
		vq->settle_at = lane->ticks + sw->linger_ticks;
}

/* Goes on with a parked round when its time has come. Return: the chains it had, once it is complete. */
static __attribute__((noinline)) uint32_t resume(
	struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, struct vh_vq *vq)
{
	struct vh_round *r = vq->parked;

	if ((int64_t)(lane->ticks - r->due) < 0)
		return 0;
	r->tries++;
	if (deliver_all(sw, lane, r, port, r->tries >= sw->retry.times ? SERIES_OVER : WAIT) > 0) {
		r->due = lane->ticks + sw->retry.delay_ticks;
		return 0;
	}
	complete_round(sw, lane, r, port, vq);
	if (port->uplink != NULL && vq->others_at != 0 && lane->now - vq->others_at < VH_UPLINK_OTHERS)
		vq->no_wait = lane->ticks + VH_UPLINK_PATIENCE * (lane->ticks - r->since);
	vq->parked = NULL;
	__atomic_store_n(&r->parked, 0, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&lane->parked, 1, __ATOMIC_RELAXED);
	return r->batch.chains;
}

/* Notes whether the queue of an uplink serves more than one receiver. */
static void note_receivers(const struct vh_lane *lane, struct vh_vq *vq, const struct vh_round *r)
{
	if (r->n_dst == 0 || (r->n_dst == 1 && vh_likely(r->dst[0] == vq->last_dst)))
		return;
	/* The first one ever makes no difference. */
	if (r->n_dst > 1 || vq->has_dst)
		vq->others_at = lane->now;
	vq->has_dst = true;
	vq->last_dst = r->dst[0];
}

/* A queue whose chains cost more than honest ones do rests in proportion. Return: whether it still does. */
static __attribute__((noinline)) bool rests(const struct vh_lane *lane, struct vh_vq *vq)
{
	if (vq->rest == VH_REST_COSTLY) {
		vq->rest = VH_REST_RESTING;
		vq->rest_ticks = lane->ticks + VH_REST_FACTOR * (lane->ticks - vq->rest_ticks);
	}
	if ((int64_t)(lane->ticks - vq->rest_ticks) < 0)
		return true;
	vq->rest = VH_REST_NONE;
	return false;
}

uint32_t vh_switch_poll(struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint16_t pair)
{
	struct vh_vq *vq = &port->tx[pair];
	struct vh_counters *own = &port->counters[lane->worker];
	struct vh_round *r = lane->work;

	if (vh_unlikely(vq->parked != NULL))
		return resume(sw, lane, port, vq);
	if (vh_unlikely(vq->rest != VH_REST_NONE) && rests(lane, vq))
		return 0;
	if (vh_unlikely(vq->hold != NULL) && !vh_hold_tend(vq, own))
		return 0;
	if (vh_likely(port->uplink == NULL))
		vh_txq_collect(vq, &r->batch, own);
	else
		port->uplink->collect(port, pair, &r->batch, own);
	if (vh_unlikely(r->batch.walked > VH_ROUND_HONEST)) {
		vq->rest = VH_REST_COSTLY;
		vq->rest_ticks = lane->ticks;
	}
	if (r->batch.chains == 0) {
		if (vh_unlikely(vq->lingering > 0) && (int64_t)(lane->ticks - vq->settle_at) >= 0)
			vh_txq_settle(vq, own);
		return 0;
	}
	r->from = port;
	r->batch.hold = vq->hold;
	sort(sw, lane, r, port, vq);
	if (port->uplink != NULL)
		note_receivers(lane, vq, r);
	if (vh_unlikely(deliver_all(sw, lane, r, port, WAIT) > 0)) {
		if (park(sw, lane, r, vq))
			return 0;
		deliver_all(sw, lane, r, port, NO_PLACE);
	}
	complete_round(sw, lane, r, port, vq);
	return r->batch.chains;
}

void vh_switch_inject(
	struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint8_t *frame, uint32_t len)
{
	struct vh_round *r = lane->work;
	struct vh_counters *own = &port->counters[lane->worker];

	r->batch.frames = 1;
	r->batch.segs = r->batch.offloads = 0;
	r->batch.frame[0] = (struct vh_frame){.data = frame, .len = len, .total = len};
	r->from = port;
	vh_count(&own->tx_packets, 1);
	vh_count(&own->tx_bytes, len);
	sort(sw, lane, r, port, &port->tx[0]);
	deliver_all(sw, lane, r, port, NO_PLACE);
}
