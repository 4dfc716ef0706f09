#include "zc_tx.h"
#include "guest_dma.h"
#include "uplink_txq.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

/* Copied from the front of each frame: what headers there are, so that they are not the guest's any more. */
#define HEAD 64U
/* Up to here a copy is cheaper than a second descriptor. */
#define SHORT 256U
/* Pieces of a frame beyond its head; a ring of 32 descriptors has room for several such frames. */
#define MOST_PIECES 7U
/* For this long a queue that stops waits for its frames; a card sends a full ring in a few milliseconds. */
#define END_MS 200
#define END_STEP_US 50
/* Frames that a ring of this process may hold. */
#define MOST_LOOPED (1U << 16)
/* Pieces that each worker keeps at hand. */
#define CACHE 64

static struct {
	struct vh_direct_options options;
	/* Uplinks may not go while their frames are asked for outside of a worker. */
	pthread_mutex_t lock;
	struct vh_uplink *uplink[VH_MAX_UPLINKS]; /* atomic */
} direct = {.lock = PTHREAD_MUTEX_INITIALIZER};

void vh_direct_start(const struct vh_direct_options *options)
{
	direct.options = *options;
}

bool vh_direct_is_on(void)
{
	return direct.options.on;
}

/* What stands between buffers of DPDK's and a guest's chain. */
struct ticket {
	struct rte_mbuf_ext_shared_info info; /* counts the buffers */
	struct rte_mempool *home;
	uintptr_t held; /* atomic; the chain's struct vh_held and SENT, or 0: it is back */
};

/* The device has it; set under the lock of the uplink's rx[0]. */
#define SENT 1U

static void give_back(uintptr_t held)
{
	if (held != 0)
		vh_held_back((struct vh_held *)(held & ~(uintptr_t)SENT));
}

/* DPDK's callback: the last buffer that points to a chain's frame was freed. */
static void come_back(void *address, void *ticket)
{
	struct ticket *t = ticket;

	(void)address;
	give_back(__atomic_exchange_n(&t->held, 0, __ATOMIC_ACQ_REL));
	rte_mempool_put(t->home, t);
}

static void release_sent(struct rte_mempool *pool, void *context, void *ticket, unsigned int i)
{
	struct ticket *t = ticket;
	uintptr_t held = __atomic_load_n(&t->held, __ATOMIC_ACQUIRE);

	(void)pool, (void)context, (void)i;
	/* Meanwhile it may have come back and be another frame's, but not one that is sent: we have the lock.
	 */
	if ((held & SENT) != 0 &&
		__atomic_compare_exchange_n(&t->held, &held, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		give_back(held);
}

/* Return: the ticket of a frame, or NULL: it is a copy. */
static struct ticket *ticket_of(const struct rte_mbuf *m)
{
	return m->nb_segs > 1 && (m->next->ol_flags & RTE_MBUF_F_EXTERNAL) != 0 ? m->next->shinfo->fcb_opaque
										: NULL;
}

void vh_direct_sending(const struct vh_uplink *u, struct rte_mbuf *const *m, uint16_t n)
{
	for (uint16_t i = 0; u->loaned && i < n; i++) {
		struct ticket *t = ticket_of(m[i]);

		if (t != NULL)
			__atomic_fetch_or(&t->held, SENT, __ATOMIC_RELAXED);
	}
}

/* Takes back what every card has sent. A worker's, or under the lock. */
static void tidy(void *ignored)
{
	(void)ignored;
	for (int i = 0; i < VH_MAX_UPLINKS; i++) {
		struct vh_uplink *u = __atomic_load_n(&direct.uplink[i], __ATOMIC_ACQUIRE);

		if (u == NULL || !u->loaned)
			continue;
		vh_lock(&u->port.rx[0].lock);
		if (vh_uplink_has_sent(u))
			rte_mempool_obj_iter(u->tickets, release_sent, NULL);
		vh_unlock(&u->port.rx[0].lock);
	}
}

void vh_direct_begin(uint16_t port, struct vh_vq *vq)
{
	struct vh_lent_queue *q = direct.options.on ? vh_loan_queue(port, vq->size) : NULL;

	if (q == NULL)
		return;
	q->hold.tidy = tidy;
	vq->hold = &q->hold;
}

uint64_t vh_direct_deadline(void)
{
	return rte_rdtsc() + rte_get_tsc_hz() / 1000 * END_MS;
}

static struct vh_lent_queue *queue_of(struct vh_hold *hold)
{
	/* The first of its members. */
	return (struct vh_lent_queue *)(void *)hold;
}

void vh_direct_end(struct vh_vq *vq, struct vh_counters *own, uint64_t deadline)
{
	struct vh_hold *hold = vq->hold;

	if (hold == NULL)
		return;
	for (;;) {
		pthread_mutex_lock(&direct.lock);
		(void)vh_hold_tend(vq, own);
		pthread_mutex_unlock(&direct.lock);
		if (vh_hold_is_empty(hold) || rte_rdtsc() > deadline)
			break;
		usleep(END_STEP_US);
	}
	vh_hold_surrender(vq, own);
	vq->hold = NULL;
	vh_loan_queue_end(queue_of(hold));
}

/* Whether a driver hands frames on as they are to somebody in this process, or throws them away. */
static bool passes_pointers(const char *driver)
{
	return strcmp(driver, "net_null") == 0 || strcmp(driver, "net_ring") == 0;
}

/*
 * Drivers whose descriptor status was seen to be right for the newest frame. Others round it to where they
 * ask their cards to report; none is added without a card to try it on.
 */
static bool tells_what_is_sent(const char *driver)
{
	return strcmp(driver, "net_e1000_igb") == 0;
}

/* Whether a device can read guests' memory. Return: 0, or -EADDRNOTAVAIL with the reason. */
static int reach(struct vh_uplink *u, const struct rte_eth_dev_info *info, char *error, size_t n)
{
	const char *bus = rte_bus_name(rte_dev_bus(u->backing));

	if (strcmp(bus, "vdev") == 0) {
		if (passes_pointers(info->driver_name))
			return 0;
		snprintf(error, n,
			"zero copy needs a card that reads memory itself; %s makes a copy of every frame",
			info->driver_name);
		return -EADDRNOTAVAIL;
	}
	if (!tells_what_is_sent(info->driver_name)) {
		snprintf(error, n, "zero copy: it is not known how %s tells what it has sent",
			info->driver_name);
		return -EADDRNOTAVAIL;
	}
	u->loaned = vh_loan_to(u->backing, error, n) == 0;
	return u->loaned ? 0 : -EADDRNOTAVAIL;
}

static int check_count(
	const char *what, uint16_t count, const struct rte_eth_desc_lim *limits, char *error, size_t n)
{
	if (count <= limits->nb_max && count >= limits->nb_min &&
		(limits->nb_align == 0 || count % limits->nb_align == 0))
		return 0;
	snprintf(error, n, "%u %s descriptors asked for, its device takes %u to %u", count, what,
		limits->nb_min, limits->nb_max);
	return -EINVAL;
}

int vh_direct_configure(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, uint16_t *rx,
	uint16_t *tx, char *error, size_t n)
{
	int result;

	if (!direct.options.on)
		return 0;
	*rx = direct.options.rx_descriptors;
	*tx = direct.options.tx_descriptors;
	conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS & info->tx_offload_capa;
	result = check_count("receive", *rx, &info->rx_desc_lim, error, n);
	return result != 0 ? result : check_count("transmit", *tx, &info->tx_desc_lim, error, n);
}

static void fill_ticket(struct rte_mempool *pool, void *context, void *ticket, unsigned int i)
{
	(void)context, (void)i;
	*(struct ticket *)ticket =
		(struct ticket){.info = {.free_cb = come_back, .fcb_opaque = ticket}, .home = pool};
}

/* Return: whether there was memory. */
static bool make_pools(struct vh_uplink *u, uint32_t pieces)
{
	int socket = rte_eth_dev_socket_id(u->eth);
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "vh-pieces-%u", u->port.id - VH_MAX_PORTS);
	u->pieces = rte_pktmbuf_pool_create(name, pieces, CACHE, 0, 0, socket);
	snprintf(name, sizeof(name), "vh-tickets-%u", u->port.id - VH_MAX_PORTS);
	u->tickets = rte_mempool_create(
		name, pieces, sizeof(struct ticket), CACHE, 0, NULL, NULL, fill_ticket, NULL, socket, 0);
	return u->pieces != NULL && u->tickets != NULL;
}

int vh_direct_join(struct vh_uplink *u, char *error, size_t n)
{
	/* What the ring, a round and the workers' caches can hold; a frame that finds none is copied. */
	uint32_t pieces =
		(uint32_t)direct.options.tx_descriptors + 4U * VH_BATCH + 2U * VH_MAX_WORKERS * CACHE;
	struct rte_eth_dev_info info;
	int result;

	if (!direct.options.on)
		return 0;
	u->tx_descriptors = direct.options.tx_descriptors;
	result = rte_eth_dev_info_get(u->eth, &info);
	if (result == 0)
		result = reach(u, &info, error, n);
	if (result != 0)
		return result;
	if (!make_pools(u, pieces)) {
		snprintf(
			error, n, "no memory for %u packet buffers; give the switch more (memoryMb)", pieces);
		return -ENOMEM;
	}
	__atomic_store_n(&direct.uplink[u->port.id - VH_MAX_PORTS], u, __ATOMIC_RELEASE);
	return 0;
}

void vh_direct_leave(struct vh_uplink *u)
{
	if (u->pieces == NULL)
		return;
	pthread_mutex_lock(&direct.lock);
	__atomic_store_n(&direct.uplink[u->port.id - VH_MAX_PORTS], NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&direct.lock);
}

void vh_direct_halt(struct vh_uplink *u)
{
	if (u->pieces != NULL)
		(void)rte_eth_dev_stop(u->eth);
}

void vh_direct_drain(const struct vh_uplink *u)
{
	struct rte_mbuf *m[VH_BATCH];

	if (u->pieces == NULL || u->loaned)
		return;
	for (uint16_t q = 0; q < u->port.pairs; q++) {
		/* A device that makes frames up has no end. */
		for (uint32_t left = MOST_LOOPED; left > 0; left -= VH_BATCH) {
			uint16_t n = rte_eth_rx_burst(u->eth, q, m, VH_BATCH);

			rte_pktmbuf_free_bulk(m, n);
			if (n == 0)
				break;
		}
	}
}

void vh_direct_close(struct vh_uplink *u)
{
	vh_direct_leave(u);
	if (u->loaned)
		vh_loan_from(u->backing);
	rte_mempool_free(u->pieces);
	rte_mempool_free(u->tickets);
}

/* What of a frame is behind its head, in a card's view. Return: how many pieces, or 0: it must be copied. */
static uint32_t pieces_of(
	const struct vh_loan *loan, const struct vh_batch *b, const struct vh_frame *f, struct vh_seg *out)
{
	const struct vh_seg front = {.p = f->data, .len = f->len};
	uint32_t skip = HEAD, n = 0;

	for (uint32_t i = 0; i <= f->more; i++) {
		const struct vh_seg *s = i == 0 ? &front : &b->seg[f->first + i - 1];

		if (s->len <= skip) {
			skip -= s->len;
			continue;
		}
		if (n == MOST_PIECES)
			return 0;
		out[n] = (struct vh_seg){
			.p = vh_loan_at(loan, s->p + skip, s->len - skip), .len = s->len - skip};
		if (out[n].p == NULL)
			return 0;
		n++;
		skip = 0;
	}
	return n;
}

/* Puts the pieces behind the head. */
static void attach(struct rte_mbuf *m, struct rte_mbuf **piece, const struct vh_seg *seg, uint32_t n,
	struct ticket *ticket)
{
	struct rte_mbuf *last = m;

	rte_mbuf_ext_refcnt_set(&ticket->info, (uint16_t)n);
	for (uint32_t i = 0; i < n; i++) {
		rte_pktmbuf_attach_extbuf(
			piece[i], seg[i].p, (uintptr_t)seg[i].p, (uint16_t)seg[i].len, &ticket->info);
		piece[i]->data_len = (uint16_t)seg[i].len;
		last->next = piece[i];
		last = piece[i];
	}
	m->nb_segs = (uint16_t)(1 + n);
}

/* Takes buffers for `n` pieces and lends the chain. Return: its ticket, or NULL: something is used up. */
static struct ticket *take_ticket(
	const struct vh_uplink *u, struct rte_mbuf **piece, uint32_t n, struct vh_held *held)
{
	struct ticket *t;
	void *object;

	if (rte_pktmbuf_alloc_bulk(u->pieces, piece, n) != 0)
		return NULL;
	if (rte_mempool_get(u->tickets, &object) == 0) {
		if (vh_held_lend(held)) {
			t = object;
			__atomic_store_n(&t->held, (uintptr_t)held, __ATOMIC_RELEASE);
			return t;
		}
		rte_mempool_put(u->tickets, object);
	}
	rte_pktmbuf_free_bulk(piece, n);
	return NULL;
}

bool vh_direct_fill(const struct vh_uplink *u, struct rte_mbuf *m, const struct vh_batch *b, uint8_t which)
{
	const struct vh_frame *f = &b->frame[which];
	struct vh_lent_queue *q = queue_of(b->hold);
	struct rte_mbuf *piece[MOST_PIECES];
	struct vh_seg seg[MOST_PIECES];
	struct ticket *ticket;
	struct vh_held *held;
	uint32_t n;

	if (u->pieces == NULL || f->total <= SHORT || f->offload != 0 ||
		(u->loaned && __atomic_load_n(&q->loan->mapped, __ATOMIC_ACQUIRE) == 0))
		return false;
	n = pieces_of(q->loan, b, f, seg);
	if (n == 0)
		return false;
	held = &q->hold.chain[vh_hold_place(b, which % VH_BATCH)];
	ticket = take_ticket(u, piece, n, held);
	if (ticket == NULL)
		return false;
	attach(m, piece, seg, n, ticket);
	vh_frame_read(b, f, 0, rte_pktmbuf_mtod(m, void *), HEAD);
	m->data_len = HEAD;
	m->pkt_len = f->total;
	return true;
}
