#include "vmdq_layout.h"

#include <string.h>

static const struct row {
	const char *driver;
	uint16_t least_pools;	  /* that a card must have to be one of these */
	uint16_t queues_per_pool; /* as the card counts them, however many it has */
	enum vh_pool_loop loop;
} rows[] = {
	/* 82576, 82580, I350 (igb_vmdq_rx_hw_configure): the 82576 has 16 queues, but the second of each pool
	 * is 8 further on. */
	{.driver = "net_e1000_igb", .least_pools = 8, .queues_per_pool = 1, .loop = VH_LOOP_BY_REGISTER},
	/* From 82599 on (ixgbe_vmdq_rx_hw_configure: MRQC.VMDQEN is 64 pools of two queues). The 82598 has 16
	 * pools, and does not know VLANs of theirs. */
	{.driver = "net_ixgbe", .least_pools = 64, .queues_per_pool = 2, .loop = VH_LOOP_BY_DRIVER},
	/* The same design (txgbe_vmdq_rx_hw_configure: NUMVT_64). */
	{.driver = "net_txgbe", .least_pools = 64, .queues_per_pool = 2, .loop = VH_LOOP_BY_DRIVER},
};

struct vh_pool_layout vh_pool_layout(const char *driver, uint16_t max_pools, uint16_t max_queues)
{
	struct vh_pool_layout l = {.pools = 0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		uint16_t queues = (uint16_t)(VH_POOLS * row->queues_per_pool);

		if (strcmp(row->driver, driver) != 0 || max_pools < row->least_pools || max_queues < queues)
			continue;
		l.pools = VH_POOLS;
		l.queues = queues;
		l.loop = row->loop;
		for (uint16_t k = 0; k < VH_POOLS; k++)
			l.queue[k] = (uint16_t)(k * row->queues_per_pool);
	}
	return l;
}

bool vh_pool_has_queue(const struct vh_pool_layout *l, uint16_t queue)
{
	for (uint16_t k = 0; k < l->pools; k++)
		if (l->queue[k] == queue)
			return true;
	return false;
}
