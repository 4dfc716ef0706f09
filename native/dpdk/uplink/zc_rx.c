#include "zc_rx_priv.h"
#include "../runtime/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#define OPS "vh-feed"
/* Of the buffers that a guest offers at a time, one in so many may be with the card. */
#define SHARE 2U

/*
 * Drivers that are known to take what a receive buffer's pool gives for the next frame, with data at
 * RTE_PKTMBUF_HEADROOM, to leave that buffer alone until it comes back with a frame or the device stops, and
 * whose card can be made to give it back (vmdq.h). None is added without a card to try it on.
 */
bool vh_feed_is_for(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_e1000_igb") == 0;
}

void vh_feed_home(struct rte_mbuf *m)
{
	uint32_t offset = (uint32_t)sizeof(*m) + rte_pktmbuf_priv_size(m->pool);
	struct vh_berth *b = vh_berth_of(m);
	struct vh_loan *loan = b->loan;

	m->buf_addr = (uint8_t *)m + offset;
	rte_mbuf_iova_set(m, rte_mempool_virt2iova(m) + offset);
	b->loan = NULL;
	/* Release: nobody uses the guest's memory by way of this buffer any more. */
	__atomic_fetch_sub(&loan->posted, 1, __ATOMIC_RELEASE);
}

static uint8_t *loan_at(const void *loan, const uint8_t *p, uint32_t len)
{
	return vh_loan_at(loan, p, len);
}

static void say_copies(const struct vh_feed *f, struct vh_loan *loan, uint16_t port, const char *why)
{
	if (!__atomic_exchange_n(&loan->told_in, true, __ATOMIC_RELAXED))
		vh_events_say(VH_EVENT_LOG, RTE_LOG_NOTICE, "device %u: frames from uplink %s are copied: %s",
			port, f->uplink->name, why);
}

/* Points a packet buffer to one of the guest's, if there is one. */
static void post(struct vh_feed *f, struct rte_mbuf *m)
{
	const struct vh_reach reach = {.at = loan_at, .context = f->loan};
	struct vh_berth *b = vh_berth_of(m);
	enum vh_post result;
	uintptr_t at;

	/* Chains may be long; who offers such ones is served by copying, which has its own bound. */
	if (__atomic_load_n(&f->loan->posted, __ATOMIC_RELAXED) >= f->most || f->walked > VH_ROUND_RX_DESCS)
		return;
	result = vh_rxq_post(f->vq, f->need, &reach, &b->chain);
	f->walked += b->chain.walked;
	if (result == VH_POST_UNFIT)
		say_copies(f, f->loan, f->to->id, "its buffers are too small, or not in one piece");
	if (result != VH_POST_TAKEN)
		return;
	/* The driver adds the headroom, as to all of its buffers; nothing is ever written there. */
	at = (uintptr_t)b->chain.card + f->vq->hdr_len + f->shift - RTE_PKTMBUF_HEADROOM;
	m->buf_addr = (void *)at;
	rte_mbuf_iova_set(m, at);
	b->generation = f->generation;
	b->owed = true;
	b->loan = f->loan;
	__atomic_fetch_add(&f->loan->posted, 1, __ATOMIC_RELAXED);
}

static struct rte_ring *make_ring(const struct rte_mempool *buffers, const char *what)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%.16s-%s", buffers->name, what);
	return rte_ring_create(name, rte_align32pow2(buffers->size + 1), buffers->socket_id, 0);
}

static void give_up(struct rte_mempool *buffers)
{
	struct vh_feed *f = buffers->pool_data;

	rte_ring_free(f->idle);
	rte_ring_free(f->ready);
	free(f);
}

static int alloc(struct rte_mempool *buffers)
{
	struct vh_feed *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	buffers->pool_data = f;
	f->buffers = buffers;
	f->idle = make_ring(buffers, "idle");
	f->ready = make_ring(buffers, "ready");
	if (f->idle != NULL && f->ready != NULL)
		return 0;
	give_up(buffers);
	return -ENOMEM;
}

/* A buffer comes back. */
static void put(struct vh_feed *f, struct rte_mbuf *m)
{
	/* While they are being made there is nothing in them. */
	const struct vh_berth *b = f->made ? vh_berth_of(m) : NULL;

	/* Either ring has room for all that there are. */
	if (b != NULL && b->loan != NULL && vh_berth_is_current(f, b)) {
		(void)rte_ring_enqueue(f->ready, m);
		return;
	}
	if (b != NULL && b->loan != NULL)
		vh_feed_home(m);
	(void)rte_ring_enqueue(f->idle, m);
}

static int enqueue(struct rte_mempool *buffers, void *const *m, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		put(buffers->pool_data, m[i]);
	return 0;
}

/* The driver wants a buffer for a frame to come. Return: whether there was one. */
static bool get(struct vh_feed *f, void **m)
{
	const struct vh_berth *b;

	if (rte_ring_dequeue(f->ready, m) != 0 && rte_ring_dequeue(f->idle, m) != 0)
		return false;
	b = vh_berth_of(*m);
	if (b->loan != NULL && !vh_berth_is_current(f, b))
		vh_feed_home(*m);
	if (b->loan == NULL && vh_feed_is_live(f))
		post(f, *m);
	return true;
}

static int dequeue(struct rte_mempool *buffers, void **m, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (get(buffers->pool_data, &m[i]))
			continue;
		(void)enqueue(buffers, m, i);
		return -ENOBUFS;
	}
	return 0;
}

static unsigned int count(const struct rte_mempool *buffers)
{
	const struct vh_feed *f = buffers->pool_data;

	return rte_ring_count(f->idle) + rte_ring_count(f->ready);
}

static const struct rte_mempool_ops ops = {.name = OPS,
	.alloc = alloc,
	.free = give_up,
	.enqueue = enqueue,
	.dequeue = dequeue,
	.get_count = count};

RTE_MEMPOOL_REGISTER_OPS(ops)

void vh_feed_sweep(struct vh_feed *f)
{
	void *m;

	/* Those that come from now on go home at once. */
	while (rte_ring_dequeue(f->ready, &m) == 0)
		put(f, m);
}

static void forget_berth(struct rte_mempool *buffers, void *context, void *m, unsigned int i)
{
	(void)buffers, (void)context, (void)i;
	memset(vh_berth_of(m), 0, sizeof(struct vh_berth));
}

struct vh_feed *vh_feed_make(struct vh_uplink *u, uint16_t pool, uint16_t ring)
{
	/* In the card's ring, in the stash, in a round in work and in one that is parked. */
	uint32_t n = ring + 3U * VH_BATCH;
	uint16_t room = rte_pktmbuf_data_room_size(u->pool);
	struct rte_mempool *buffers;
	char name[RTE_MEMPOOL_NAMESIZE];
	struct vh_feed *f;

	snprintf(name, sizeof(name), "vh-feed-%u-%u", u->port.id - VH_MAX_PORTS, pool);
	/* Without caches, which would keep buffers that are posted. */
	buffers = rte_pktmbuf_pool_create_by_ops(name, n, 0,
		RTE_ALIGN_CEIL(sizeof(struct vh_berth), RTE_MBUF_PRIV_ALIGN), room,
		rte_eth_dev_socket_id(u->eth), OPS);
	if (buffers == NULL)
		return NULL;
	f = buffers->pool_data;
	f->uplink = u;
	f->pool = pool;
	rte_mempool_obj_iter(buffers, forget_berth, NULL);
	f->made = true;
	return f;
}

struct rte_mempool *vh_feed_pool(const struct vh_feed *f)
{
	return f->buffers;
}

void vh_feed_free(struct vh_feed *f)
{
	if (f != NULL)
		rte_mempool_free(f->buffers);
}

/* Whether the device puts a long frame into several buffers, which need not belong to one chain. */
static bool scatters(const struct vh_feed *f)
{
	struct rte_eth_rxq_info queue;

	return rte_eth_rx_queue_info_get(f->uplink->eth, f->uplink->queue[f->pool], &queue) == 0 &&
	       queue.scattered_rx != 0;
}

/* Return: NULL, or why the guest is served by copying. */
static const char *unfit(const struct vh_feed *f, const struct vh_port *to)
{
	if (scatters(f))
		return "it puts long frames into several buffers";
	if (to->rx[0].in_order)
		return "its driver wants its buffers back in the order in which it offers them";
	/* See virtio/ring_record.h. */
	if (to->rx[0].packed)
		return "its rings are packed, which are found again after a restart only while buffers go "
		       "back "
		       "in their order";
	if (__atomic_load_n(&to->rx_live, __ATOMIC_RELAXED) > 1 ||
		__atomic_load_n(&to->rx_map[0], __ATOMIC_RELAXED) != 0)
		return "it has several queues";
	return NULL;
}

void vh_feed_start(struct vh_feed *f, struct vh_switch *sw, struct vh_port *to)
{
	struct vh_loan *loan = vh_loan_of(to->id);
	const char *why = unfit(f, to);

	if (vh_feed_is_live(f) || loan == NULL || !vh_vq_is_live(&to->rx[0]))
		return;
	if (why != NULL) {
		say_copies(f, loan, to->id, why);
		return;
	}
	f->sw = sw;
	f->to = to;
	f->vq = &to->rx[0];
	f->loan = loan;
	f->shift = to->vlan.keep_tag ? 4 : 0;
	f->need = f->vq->hdr_len + f->shift + f->uplink->longest;
	f->most = f->vq->size / SHARE;
	f->generation++;
	vh_feed_enter(f);
}
