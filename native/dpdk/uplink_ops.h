/* Internal to uplink.h: what workers do with an uplink. */
#ifndef VH_DPDK_UPLINK_OPS_H
#define VH_DPDK_UPLINK_OPS_H

#include "../core/switch.h"

extern const struct vh_uplink_ops vh_uplink_ops;

#endif
