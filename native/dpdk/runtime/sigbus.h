/*
 * A guest's memory file that is cut short while it is mapped: touching what is gone raises SIGBUS.
 *
 * The handler puts zero pages over the whole mapping and has the port's connection ended; whatever touched it
 * goes on with zeros, which it must be ready for anyway, also where the host has no memory to promise. Faults
 * elsewhere go where they went before.
 *
 * Two ways to know whose mapping it is. Workers touch only what is registered here (vh_sigbus_region());
 * regions change only while no worker uses them. librte_vhost's thread touches mappings as it makes them,
 * before anybody can know about them: a fault on that thread belongs to the port whose message it acts on
 * (vh_sigbus_acting()), and the mapping is looked up in /proc/self/maps.
 */
#ifndef VH_DPDK_RUNTIME_SIGBUS_H
#define VH_DPDK_RUNTIME_SIGBUS_H

#include "disconnect.h"
#include "../../base/defs.h"

/* Takes SIGBUS over, and gives it back; `disconnect` is called in the handler. Return: 0, or a negative
 * errno. */
int vh_sigbus_start(vh_disconnect_function disconnect);
void vh_sigbus_stop(void);

/* The number of a port's dirty log among its mappings, behind its regions. */
#define VH_SIGBUS_LOG VH_MAX_REGIONS
#define VH_SIGBUS_MAPPINGS (VH_MAX_REGIONS + 1)

/* Registers mapping `i` (< VH_SIGBUS_MAPPINGS) of a port; size 0 withdraws it. */
void vh_sigbus_region(uint16_t port, uint32_t i, void *start, size_t size);

/* The same for a mapping that is on loan to a card, which may be there longer than the port's others. */
void vh_sigbus_loan(uint16_t port, uint32_t i, void *start, size_t size);

/* Withdraws all regions of a port, but those on loan. */
void vh_sigbus_forget(uint16_t port);

/* The calling thread acts on a message of this port from now on. */
void vh_sigbus_acting(uint16_t port);

/* How many mappings were replaced since the start. */
uint32_t vh_sigbus_count(void);

#endif
