/* Internal to uplink.h: what workers do with an uplink. */
#ifndef VH_DPDK_UPLINK_UPLINK_RXTX_H
#define VH_DPDK_UPLINK_UPLINK_RXTX_H

#include "uplink_state.h"

extern const struct vh_uplink_ops vh_uplink_ops;

#endif
