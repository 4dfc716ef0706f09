/* What a guest sends on a queue that its driver has disabled: taken, given back, and delivered to nobody. */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

#define RING 128U

static struct vh_batch scratch;

void test_tx_discard(void)
{
	struct rig *r = rig_new();
	struct vh_vq *vq;

	for (uint32_t i = 0; i < 2; i++)
		rig_add(r,
			&(struct guest_config){
				.features = VH_F_VERSION_1, .tx_size = RING, .start = 65500, .exact = true});
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	rig_learn_all(r);
	guest_reap(r->guest[0], 0);
	vq = &r->port[0]->tx[0];
	vh_vq_stop(vq);
	REQUIRE_EQ(vh_txq_discard(vq, &scratch, &r->port[0]->counters[VH_CONTROL_COUNTERS]), 0);
	for (uint32_t turn = 0; turn < 5; turn++) {
		uint32_t n = rng_between(&test_rng, 1, RING);

		for (uint32_t i = 0; i < n; i++)
			REQUIRE(rig_send(r, 0, 1, i, 64, LAYOUT_SINGLE));
		REQUIRE_EQ(vh_txq_discard(vq, &scratch, &r->port[0]->counters[VH_CONTROL_COUNTERS]), n);
		/* All of it at once: nobody comes by soon to show the rest. */
		REQUIRE_EQ(guest_reap(r->guest[0], 0), n);
	}
	REQUIRE(rig_receive(r, 1, NULL) == GUEST_NOTHING);
	vh_vq_start(vq);
	REQUIRE(rig_send(r, 0, 1, 7, 64, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 7);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_DISABLED), rig_all_drops(r, 0));
	rig_require_balance(r);
	rig_free(r);
}

/* The queue goes on where its last owner left it, by what the front end knows: where the ring was started. */
static void rejoin(struct guest *g, struct vh_vq *vq)
{
	struct vh_vq_config c = guest_queue_config(g, &g->tx[0], g->config.start);

	c.rejoin = true;
	REQUIRE(vh_vq_setup(vq, &c) == NULL);
}

void test_tx_discard_is_found_again(void)
{
	struct rig *r = rig_new();
	struct guest *g;
	struct vh_vq *vq;

	for (uint32_t i = 0; i < 2; i++)
		rig_add(r,
			&(struct guest_config){.features = VH_F_VERSION_1, .tx_size = RING, .exact = true});
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	g = r->guest[0];
	vq = &r->port[0]->tx[0];
	/* Its driver has just made the ring, and disables it before it was ever served. */
	vh_vq_stop(vq);
	memset(g->tx[0].device, 0, sizeof(*g->tx[0].device));
	memset(g->tx[0].record, 0, sizeof(*g->tx[0].record));
	for (uint32_t turn = 0; turn < 3; turn++) {
		/* The switch dies, or the connection. */
		rejoin(g, vq);
		REQUIRE_EQ(vq->last_used, 10 * turn);
		for (uint32_t i = 0; i < 10; i++)
			REQUIRE(rig_send(r, 0, 1, i, 64, LAYOUT_SINGLE));
		REQUIRE_EQ(vh_txq_discard(vq, &scratch, &r->port[0]->counters[VH_CONTROL_COUNTERS]), 10);
		REQUIRE_EQ(guest_reap(g, 0), 10);
	}
	rejoin(g, vq);
	vh_vq_start(vq);
	REQUIRE(rig_send(r, 0, 1, 7, 64, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 7);
	rig_free(r);
}
