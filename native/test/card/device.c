#include "device.h"
#include "../rig/check.h"
#include "../eal/eal.h"

#include <stdlib.h>
#include <string.h>
#include <rte_ethdev.h>

struct vh_uplink *card_device(uint32_t longest)
{
	struct vh_uplink *u = aligned_alloc(VH_CACHE_LINE, sizeof(*u));
	struct rte_eth_conf conf = {0};

	REQUIRE(u != NULL);
	memset(u, 0, sizeof(*u));
	u->port.rx = u->rx;
	u->port.tx = u->tx;
	u->longest = longest;
	u->pool = rte_pktmbuf_pool_create("card", 256, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	REQUIRE(u->pool != NULL);
	REQUIRE_EQ(rte_eth_dev_get_port_by_name(CARD_VDEV, &u->eth), 0);
	REQUIRE_EQ(rte_eth_dev_configure(u->eth, 1, 1, &conf), 0);
	REQUIRE_EQ(rte_eth_rx_queue_setup(u->eth, 0, 64, ANY_SOCKET, NULL, u->pool), 0);
	REQUIRE_EQ(rte_eth_tx_queue_setup(u->eth, 0, 64, ANY_SOCKET, NULL), 0);
	REQUIRE_EQ(rte_eth_dev_start(u->eth), 0);
	return u;
}
