/* What the engine's parts share: ports of guests (engine.c) and uplinks (engine_uplinks.c). */
#ifndef VH_DPDK_ENGINE_ENGINE_PRIV_H
#define VH_DPDK_ENGINE_ENGINE_PRIV_H

#include "engine.h"

struct vh_engine {
	enum { NEVER, RUNNING, STOPPED } state;
	struct vh_switch *sw;
	struct vh_hot hot;
	pthread_mutex_t lock; /* session[]: written by the main thread, looked up by librte_vhost's */
	struct vh_session *session[VH_MAX_PORTS];
	struct vh_uplink *uplink[VH_MAX_UPLINKS];
	uint32_t load[VH_MAX_WORKERS]; /* transmit queues per worker */
	uint32_t rebalances;	       /* counts vh_engine_rebalance() */
};

extern struct vh_engine vh_engine;

/* Publishes the list of ports that floods go to. Return: 0 or -ENOMEM. */
int vh_engine_publish_ports(void);

/* Gives every worker the list of the transmit queues that are its own. Return: 0 or -ENOMEM. */
int vh_engine_publish_plans(void);

/* The worker with the smallest load of all. */
uint16_t vh_engine_least_loaded(const uint32_t *load);

#endif
