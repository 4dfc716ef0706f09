/* The switch inside of cards of DPDK's igb driver, which that driver leaves off. Control thread. */
#ifndef VH_DPDK_IGB_LOOP_H
#define VH_DPDK_IGB_LOOP_H

#include <stdbool.h>

/*
 * Lets the card give frames back that are for one of its own pools, or not. pci: its address. It stays so
 * until the device is closed. Return: whether its registers could be reached, by way of vfio.
 */
bool vh_igb_loop(const char *pci, bool on);

#endif
