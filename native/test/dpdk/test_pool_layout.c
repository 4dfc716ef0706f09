/* The table of cards with VMDq, as their drivers number pools and queues. */
#include "../../dpdk/uplink/vmdq_layout.h"
#include "../rig/check.h"
#include "../tests.h"

static const struct card {
	const char *driver;
	uint16_t pools, queues;
	uint16_t step; /* 0: its pools are not used */
	enum vh_pool_loop loop;
} cards[] = {
	/* What rte_eth_dev_info_get() says of each in DPDK 22.11. */
	{"net_e1000_igb", 8, 16, 1, VH_LOOP_BY_REGISTER}, /* 82576 */
	{"net_e1000_igb", 8, 8, 1, VH_LOOP_BY_REGISTER},  /* 82580, I350 */
	{"net_e1000_igb", 0, 4, 0, VH_LOOP_BY_REGISTER},  /* 82575, I210 */
	{"net_ixgbe", 64, 128, 2, VH_LOOP_BY_DRIVER},	  /* 82599, X540, X550 */
	{"net_ixgbe", 16, 64, 0, VH_LOOP_BY_DRIVER},	  /* 82598 */
	{"net_ixgbe", 64, 8, 0, VH_LOOP_BY_DRIVER},
	{"net_ixgbe_vf", 64, 8, 0, VH_LOOP_BY_DRIVER},
	{"net_txgbe", 64, 128, 2, VH_LOOP_BY_DRIVER},
	{"net_i40e", 16, 128, 0, VH_LOOP_BY_DRIVER},
	{"net_virtio", 0, 8, 0, VH_LOOP_BY_DRIVER},
	{"", 0, 1, 0, VH_LOOP_BY_DRIVER},
};

void test_pool_layouts(void)
{
	for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++) {
		const struct card *c = &cards[i];
		struct vh_pool_layout l = vh_pool_layout(c->driver, c->pools, c->queues);

		REQUIRE_EQ(l.pools, c->step != 0 ? VH_POOLS : 0);
		REQUIRE_EQ(l.queues, VH_POOLS * c->step);
		REQUIRE_EQ(l.loop, c->step != 0 ? c->loop : 0);
		for (uint16_t k = 0; k < l.pools; k++)
			REQUIRE_EQ(l.queue[k], k * c->step);
		for (uint16_t q = 0; q < l.queues; q++)
			REQUIRE_EQ(vh_pool_has_queue(&l, q), q % c->step == 0);
	}
}
