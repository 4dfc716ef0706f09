/* The mock guest itself, where the core never does what it must be able to take. */
#include "../rig/rig.h"
#include "../tests.h"

/* The device's entry for the whole batch: at the batch's first place, with its last chain's id. */
static void use_batch(struct guest_queue *q, uint16_t id)
{
	uint64_t n = q->used_n;

	if (q->packed) {
		q->ring[n % q->size].id = id;
		q->ring[n % q->size].len = 0;
		q->ring[n % q->size].flags = n / q->size % 2 == 0 ? VH_DESC_AVAIL | VH_DESC_USED : 0;
	} else {
		q->used->ring[n % q->size] = (struct vh_used_elem){.id = id};
		q->used->idx = (uint16_t)q->avail_n;
	}
}

/* In order, one used entry may stand for many chains (virtio 1.2, 2.7.9 and 2.8.10). */
void test_guest_takes_batches(void)
{
	static const uint64_t types[] = {0, VH_F_RING_PACKED};
	uint8_t f[60] = {0};

	for (uint32_t k = 0; k < 2; k++) {
		struct guest *g = guest_new(&(struct guest_config){.tx_size = 32,
			.start = 60,
			.features = types[k] | VH_F_IN_ORDER | VH_F_VERSION_1 | VH_F_INDIRECT_DESC});
		struct guest_queue *q = &g->tx[0];

		for (uint32_t i = 0; i < 50; i++) {
			uint32_t n = 0, most = rng_between(&test_rng, 1, 10);

			while (n < most &&
				guest_send(g, 0, f, sizeof(f), (enum guest_layout)(n % LAYOUT_EDGE)))
				n++;
			REQUIRE(n > 0);
			REQUIRE(!guest_has_used(q));
			REQUIRE_EQ(guest_reap(g, 0), 0);
			use_batch(q, q->in_flight[(q->staged - 1) % q->size].id);
			REQUIRE_EQ(guest_reap(g, 0), n);
			REQUIRE_EQ(q->n_free, q->size);
			REQUIRE_EQ(q->n_ids, q->size);
		}
		guest_free(g);
	}
}
