/* Internal to native/dpdk/uplink: what a card's transmit queue says of itself. */
#ifndef VH_DPDK_UPLINK_UPLINK_TXQ_H
#define VH_DPDK_UPLINK_UPLINK_TXQ_H

#include "uplink_state.h"

/* Whether the card has sent all that it was given. The lock of the transmit queue is the caller's. */
bool vh_uplink_has_sent(const struct vh_uplink *u);

#endif
