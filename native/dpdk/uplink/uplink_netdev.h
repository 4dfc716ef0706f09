/*
 * Interfaces of the kernel's that a virtual device (net_af_packet, net_tap, …) stands on: what such drivers
 * do not look at, or say wrongly. Control thread.
 */
#ifndef VH_DPDK_UPLINK_UPLINK_NETDEV_H
#define VH_DPDK_UPLINK_UPLINK_NETDEV_H

#include "uplink_state.h"

/* Whether the interface is there, and has a carrier. `index`: struct vh_uplink's `interface`. */
enum vh_uplink_state vh_interface_state(unsigned int index);

/*
 * Drivers whose own word is that they take no frames longer than 1518 bytes, to which the ethdev library
 * holds them, though they take what the interface does (22.11): its MTU is set past them.
 */
bool vh_interface_has_mtu(const char *driver);

/* Sets its MTU. Return: 0, or a negative errno. */
int vh_interface_set_mtu(unsigned int index, uint32_t mtu);

/*
 * What has to be told of the interface: that it, or its other end, makes of frames what nobody here can undo.
 * Return: whether there is something, a line with the command that fixes it.
 */
bool vh_interface_remark(unsigned int index, char *out, size_t n);

#endif
