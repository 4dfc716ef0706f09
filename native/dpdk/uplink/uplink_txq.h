/* Internal to uplink.h: what workers do with an uplink. */
#ifndef VH_DPDK_UPLINK_UPLINK_TXQ_H
#define VH_DPDK_UPLINK_UPLINK_TXQ_H

#include "uplink.h"

extern const struct vh_uplink_ops vh_uplink_ops;

/* Whether the card has sent all that it was given. The lock of the transmit queue is the caller's. */
bool vh_uplink_has_sent(const struct vh_uplink *u);

#endif
