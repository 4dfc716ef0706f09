/* What a guest sends on a queue that its driver has disabled: taken, given back, and delivered to nobody. */
#include "rig.h"
#include "tests.h"

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
