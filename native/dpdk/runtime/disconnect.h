/*
 * Ending a port's connection from where connections are not known (dpdk/proxy/proxy.h has it): whoever starts
 * a guard hands the way in.
 */
#ifndef VH_DPDK_RUNTIME_DISCONNECT_H
#define VH_DPDK_RUNTIME_DISCONNECT_H

#include <stdint.h>

/*
 * `why` must be a constant; shut_ms: how long nobody is let in afterwards. From any thread, and safe in
 * signal handlers: it must only note the request.
 */
typedef void (*vh_disconnect_function)(uint16_t port, const char *why, uint32_t shut_ms);

/* How long a port stays shut after harm was done. */
#define VH_SHUT_MS 10000U

#endif
