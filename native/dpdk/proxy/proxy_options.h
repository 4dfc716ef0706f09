/* What the relay is told of a port, and the bounds that hold for each of them. */
#ifndef VH_DPDK_PROXY_PROXY_OPTIONS_H
#define VH_DPDK_PROXY_PROXY_OPTIONS_H

#include "port_owner.h"
#include "ring_record_file.h"

struct vh_iotlb;

/* A message that has begun must be complete within this time. */
#define VH_RELAY_MESSAGE_MS 1000
/* Whoever connects says something within this time, and takes its replies. */
#define VH_RELAY_SILENCE_MS 10000
/* Messages per second and at once: a guest that masks its interrupts all the time stays below. A new memory
 * table counts for many: it unmaps and maps memory, which every CPU of the process feels. */
#define VH_RELAY_MESSAGES 2000
#define VH_RELAY_TABLE_COSTS 20
/* What a microsecond of the relay's time costs, in thousandths of a message: a port may have a tenth of it.
 */
#define VH_RELAY_US_COSTS 20
/* Translations come by the thousand from a guest that maps each buffer anew: so many count for one. */
#define VH_RELAY_IOTLB_SHARE 8
/* Connections per second, and at once: each costs librte_vhost a device, and most a memory table. */
#define VH_RELAY_CONNECTIONS 100
#define VH_RELAY_CONNECTIONS_AT_ONCE 500

struct vh_relay_options {
	uint16_t port; /* device number */
	uint32_t rings;
	uint64_t features, protocol_features; /* offered */
	struct vh_iotlb *iotlb;		      /* whose misses are to be asked for */
	struct vh_records *records;	      /* whose places the front end may be told */
	struct vh_owner owner;		      /* who may be its front end */
	int listen_fd;			      /* front ends connect here; the relay's from now on */
	int library_fd;			      /* O_PATH of librte_vhost's socket; the relay's from now on */
};

#endif
