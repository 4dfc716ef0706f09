/* The switch inside of cards of DPDK's igb driver, which that driver leaves off. */
#ifndef VH_DPDK_UPLINK_IGB_LOOPBACK_H
#define VH_DPDK_UPLINK_IGB_LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Maps the registers of a card, by way of vfio. pci: its address. Control thread; before and while the device
 * is in use, up to vh_igb_close(). Return: the registers, or NULL: they cannot be reached.
 */
volatile uint32_t *vh_igb_open(const char *pci);
void vh_igb_close(volatile uint32_t *registers);

/* Lets the card give frames back that are for one of its own pools, or not. One thread at a time. */
void vh_igb_loop(volatile uint32_t *registers, bool on);

#endif
