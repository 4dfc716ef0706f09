#include "uplink_txq.h"

#include <rte_ethdev.h>

bool vh_uplink_has_sent(const struct vh_uplink *u)
{
	/* The newest descriptor lies, all around the ring, behind the one that is used next. */
	return rte_eth_tx_descriptor_status(u->eth, 0, (uint16_t)(u->tx_descriptors - 1)) ==
	       RTE_ETH_TX_DESC_DONE;
}
