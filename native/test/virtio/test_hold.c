/* Chains that stay out beyond their round: what the guest gets back, and when. The card is a script. */
#include "../rig/rig.h"
#include "../tests.h"
#include "../rig/uplink_rig.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH 200U
#define FRAMES 300U

/* A card that keeps the frames that it is given until the script says otherwise. */
struct card {
	struct vh_port port; /* first */
	struct vh_vq rx[1], tx[1];
	struct vh_hold hold;
	struct vh_held *out[FRAMES]; /* in the order in which they were sent */
	uint8_t *data[FRAMES];
	uint32_t n, tidied;
	uint32_t every; /* only every so many frames are lent, the others copied at once */
	bool generous;	/* gives everything back when it is asked */
};

static void refuse_to_receive(
	struct vh_port *port, uint16_t pair, struct vh_batch *batch, struct vh_counters *own)
{
	(void)port, (void)pair, (void)batch, (void)own;
	check_failed(__FILE__, __LINE__, "the card was polled");
}

static uint32_t send(struct vh_port *port, uint16_t pair, const struct vh_batch *b, const uint8_t *which,
	uint32_t n, struct vh_counters *own)
{
	struct card *c = (struct card *)(void *)port;

	(void)pair;
	REQUIRE(b->hold == &c->hold);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame = which[i] % VH_BATCH;

		vh_count(&own->rx_packets, 1);
		if (c->every == 0 || (c->n + i) % c->every != 0)
			continue;
		REQUIRE(c->n < FRAMES);
		c->out[c->n] = &c->hold.chain[vh_hold_place(b, frame)];
		c->data[c->n] = b->frame[frame].data;
		/* A second uplink would not get it. */
		REQUIRE(vh_held_lend(c->out[c->n]) && !vh_held_lend(c->out[c->n]));
		c->n++;
	}
	return n;
}

static void tidy(void *context)
{
	struct card *c = context;

	c->tidied++;
	for (uint32_t i = 0; c->generous && i < c->n; i++)
		vh_held_back(c->out[i]);
}

static const struct vh_uplink_ops ops = {.collect = refuse_to_receive, .deliver = send};

/* A guest whose frames go to a card that lends them; only `places` (a power of two) may be out, or as many as
 * its ring wants. */
static struct rig *rig_with_card(struct card **card, uint32_t places)
{
	struct rig *r = rig_new();
	struct card *c = aligned_alloc(
		VH_CACHE_LINE, (sizeof(*c) + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE);

	REQUIRE(c != NULL);
	memset(c, 0, sizeof(*c));
	rig_add(r, &(struct guest_config){.features = test_ring | VH_F_VERSION_1, .exact = true});
	c->port.rx = c->rx;
	c->port.tx = c->tx;
	c->port.id = VH_MAX_PORTS;
	c->port.pairs = c->port.outs = 1;
	c->port.uplink = &ops;
	c->every = 1;
	vh_uplink_start(&c->port);
	r->list->port[r->list->n++] = &c->port;
	__atomic_store_n(&r->sw->port[c->port.id], &c->port, __ATOMIC_RELEASE);
	r->sw->isolate = true;
	r->sw->rules = 1;
	if (places == 0)
		places = vh_hold_places(r->port[0]->tx[0].size);
	c->hold = (struct vh_hold){.mask = places - 1,
		.tidy = tidy,
		.context = c,
		.chain = calloc(places, sizeof(struct vh_held))};
	r->port[0]->tx[0].hold = &c->hold;
	*card = c;
	return r;
}

static void done(struct rig *r, struct card *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		vh_held_back(c->out[i]);
	REQUIRE(!vh_hold_lends(&c->hold));
	free(c->hold.chain);
	free(c);
	rig_free(r);
}

static void send_frames(struct rig *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(rig_send(r, 0, 1, i, LENGTH, LAYOUT_SINGLE));
}

/* Polls until nothing moves any more. */
static void settle(struct rig *r)
{
	for (int i = 0; i < 8; i++)
		rig_poll_pair(r, 0, 0);
}

/* Nothing comes back while the card has it; then everything does, in order, whatever order the card sends in.
 */
void test_hold_returns_in_order(void)
{
	struct card *c;
	struct rig *r = rig_with_card(&c, 0);
	uint32_t order[100], back = 0;

	send_frames(r, 100);
	settle(r);
	REQUIRE_EQ(c->n, 100);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 0);
	REQUIRE(c->tidied > 0);
	for (uint32_t i = 0; i < 100; i++)
		order[i] = i;
	for (uint32_t i = 99; i > 0; i--) {
		uint32_t k = rng_below(&test_rng, i + 1), other = order[k];

		order[k] = order[i];
		order[i] = other;
	}
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t first = 0;

		vh_held_back(c->out[order[i]]);
		settle(r);
		/* guest_reap() looks at the order, and that each comes once. */
		back += guest_reap(r->guest[0], 0);
		while (first < 100 && __atomic_load_n(&c->out[first]->out, __ATOMIC_RELAXED) == 0)
			first++;
		REQUIRE_EQ(back, first);
	}
	REQUIRE_EQ(back, 100);
	REQUIRE(vh_hold_is_empty(&c->hold));
	done(r, c);
}

/* Chains that are no frames, and frames that were copied, wait for their turn too. */
void test_hold_mixed(void)
{
	struct card *c;
	struct rig *r = rig_with_card(&c, 0);
	struct guest *g = r->guest[0];
	uint32_t back = 0;

	c->every = 2;
	for (uint32_t i = 0; i < 60; i++) {
		static const uint8_t runt[4];

		if (i % 3 == 1)
			REQUIRE(guest_send(g, 0, runt, sizeof(runt), LAYOUT_SINGLE));
		else
			REQUIRE(rig_send(r, 0, 1, i, LENGTH, i % 2 == 0 ? LAYOUT_SINGLE : LAYOUT_SEGMENTS));
	}
	settle(r);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_RUNT), 20);
	for (uint32_t i = 0; i < c->n; i++) {
		/* The chain that is marked is the one that the frame lies in. */
		if (i + 1 < c->n && c->data[i] != NULL)
			REQUIRE(c->out[i] < c->out[i + 1]);
		vh_held_back(c->out[i]);
	}
	settle(r);
	back = guest_reap(g, 0);
	REQUIRE_EQ(back, 60);
	done(r, c);
}

/* A guest may have no more out than there is room for: its queue rests, and goes on. */
void test_hold_full(void)
{
	struct card *c;
	struct rig *r = rig_with_card(&c, 2 * VH_BATCH);

	send_frames(r, 200);
	settle(r);
	REQUIRE_EQ(c->n, 2 * VH_BATCH);
	c->generous = true;
	settle(r);
	REQUIRE_EQ(c->n, 200);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 200);
	done(r, c);
}

/* A card that gives nothing back: the queue stops all the same, and the next one starts anew beside it. */
void test_hold_surrender(void)
{
	struct card *c;
	struct rig *r = rig_with_card(&c, 0);
	struct vh_vq *vq = &r->port[0]->tx[0];
	uint16_t avail, used;

	send_frames(r, 40);
	settle(r);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 0);
	vh_vq_stop(vq);
	vh_hold_surrender(vq, &r->port[0]->counters[VH_CONTROL_COUNTERS]);
	vh_vq_positions(vq, &avail, &used);
	REQUIRE_EQ(avail, used);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 40);
	REQUIRE(vh_hold_is_empty(&c->hold) && vh_hold_lends(&c->hold));
	/* The guest's next queue copies; what comes back late means nothing to it. */
	vq->hold = NULL;
	done(r, c);
}

/* A guest that offers the same descriptor again and again, and takes nothing back. */
void test_hold_hostile(void)
{
	struct card *c;
	struct rig *r = rig_with_card(&c, 2 * VH_BATCH);
	struct guest_queue *q = &r->guest[0]->tx[0];
	uint8_t f[LENGTH] = {0};
	struct guest_shape shape = {.n = 1, .direct = 1, .edge = -1, .len = {LENGTH}};
	int32_t id = guest_build_frame(r->guest[0], q, &shape, f, LENGTH - 12);

	REQUIRE(id >= 0);
	for (uint32_t turn = 0; turn < 20; turn++) {
		__atomic_store_n(&q->avail->idx, (uint16_t)(q->avail->idx + q->size / 4), __ATOMIC_RELEASE);
		for (uint32_t i = 0; i < q->size; i++)
			q->avail->ring[i] = (uint16_t)id;
		settle(r);
		REQUIRE(c->n <= 2 * VH_BATCH);
		REQUIRE(c->hold.tail - c->hold.head <= 2 * VH_BATCH);
	}
	vh_hold_surrender(&r->port[0]->tx[0], &r->port[0]->counters[VH_CONTROL_COUNTERS]);
	r->port[0]->tx[0].hold = NULL;
	done(r, c);
}

struct thread_card {
	struct card *card;
	uint32_t stop; /* atomic */
};

/* The card's side of the concurrent test: gives back in bursts, from behind. */
static void *give_back_all(void *arg)
{
	struct thread_card *t = arg;

	while (__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE) == 0)
		for (uint32_t i = t->card->hold.mask + 1; i > 0; i--)
			if (__atomic_load_n(&t->card->hold.chain[i - 1].out, __ATOMIC_RELAXED) != 0)
				vh_held_back(&t->card->hold.chain[i - 1]);
	return NULL;
}

static uint32_t lend_only(struct vh_port *port, uint16_t pair, const struct vh_batch *b, const uint8_t *which,
	uint32_t n, struct vh_counters *own)
{
	struct card *c = (struct card *)(void *)port;

	(void)own, (void)pair;
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(vh_held_lend(&c->hold.chain[vh_hold_place(b, which[i] % VH_BATCH)]));
	return n;
}

static const struct vh_uplink_ops ops_of_thread = {.collect = refuse_to_receive, .deliver = lend_only};

/* Frames come back on another thread than the one that returns their chains. */
void test_hold_threads(void)
{
	struct card *c;
	struct rig *r = rig_with_card(&c, 0);
	struct thread_card t = {.card = c};
	uint32_t sent = 0, back = 0;
	pthread_t thread;

	c->port.uplink = &ops_of_thread;
	REQUIRE(pthread_create(&thread, NULL, give_back_all, &t) == 0);
	while (back < 20000) {
		if (sent < 20000 && rig_send(r, 0, 1, sent, LENGTH, LAYOUT_SINGLE))
			sent++;
		rig_poll_pair(r, 0, 0);
		back += guest_reap(r->guest[0], 0);
	}
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	REQUIRE_EQ(sent, back);
	done(r, c);
}
