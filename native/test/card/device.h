/* A card for what native/dpdk/uplink/uplink_offload.c tells one: net_ring, which gives back every buffer as
 * it was sent. */
#ifndef VH_TEST_CARD_DEVICE_H
#define VH_TEST_CARD_DEVICE_H

#include "../../dpdk/uplink/uplink.h"

#define CARD_VDEV "net_ring0"

/* Starts it, after EAL with CARD_VDEV. longest: frame in bytes that it takes. Return: the uplink, never
 * freed. */
struct vh_uplink *card_device(uint32_t longest);

#endif
