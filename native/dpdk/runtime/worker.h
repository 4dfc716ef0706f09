/*
 * Worker threads: they poll the guests' transmit queues and deliver into the receivers' rings.
 *
 * Theory of operation
 *   Each worker has a plan, the list of transmit queues it polls; plans are immutable and replaced as a
 * whole. A round of the loop reads the plan, polls each live queue once and reports a quiescent state
 * (rte_rcu_qsbr), so that vh_workers_sync() returns only when no worker uses anything that was withdrawn
 * before the call.
 *
 *   Idle workers (adaptive polling) ask their guests for kicks, look once more, go offline for RCU and sleep
 * in epoll on the queues' kick eventfds and an eventfd of their own. Kick eventfds are watched edge-triggered
 * and never read: a guest's counter is none of ours, and there is no descriptor that could change between the
 * wait and a read.
 *
 *       spinning --nothing for VH_IDLE_US--> asking for kicks --nothing--> offline, asleep
 *           ^--------- frames found, or woken -----------|------------------------|
 *
 * Threads: all functions but the loop itself are for the control side (Node's main thread, librte_vhost's
 * thread).
 */
#ifndef VH_DPDK_RUNTIME_WORKER_H
#define VH_DPDK_RUNTIME_WORKER_H

#include "../../switch/fastpath_select.h"

struct vh_plan_queue {
	struct vh_port *port;
	uint16_t pair;
};

struct vh_worker_stats {
	int cpu, tid;
	uint32_t queues;
	uint64_t cycles, busy_cycles, packets, sleeps;
};

struct vh_workers_options {
	const int *cpu; /* where to pin each worker, or -1 */
	uint32_t n;
	bool adaptive;
	vh_poll_function poll;
};

/* Return: 0, or -1 with the reason in `error`. */
int vh_workers_start(
	struct vh_switch *sw, const struct vh_workers_options *options, char *error, size_t room);

/* Ticks of the workers' clock (struct vh_lane) per microsecond. */
uint64_t vh_workers_ticks_per_us(void);

/* Ends and joins the threads. */
void vh_workers_stop(void);

uint32_t vh_workers_count(void);

/* Seconds of the workers' clock; the time base of the address table. */
uint32_t vh_workers_now(void);

/* Waits until every worker has been quiescent since the call. Never from a worker. */
void vh_workers_sync(void);

/*
 * Between the two calls the calling thread counts as a worker: what it looks up in the switch stays. There is
 * one such thread at a time, librte_vhost's; it waits for nobody meanwhile.
 */
void vh_workers_join(void);
void vh_workers_leave(void);

/* Replaces the plan of a worker and frees the old one when it is out of use. `queues` is copied. */
int vh_workers_plan(uint32_t worker, const struct vh_plan_queue *queues, uint32_t n);

/* Starts and ends watching a kick eventfd (the caller's own descriptor). Return: 0 or -1. */
int vh_workers_watch(uint32_t worker, int kick_fd);
void vh_workers_unwatch(uint32_t worker, int kick_fd);

/* Tells whether a live queue of the worker has no kick eventfd, as an uplink's: then it must look by itself
 * from time to time. */
void vh_workers_unkicked(uint32_t worker, int change);

/* Wakes a sleeping worker; needed whenever something changed that it would find by polling. */
void vh_workers_wake(uint32_t worker);

void vh_workers_stats(uint32_t worker, struct vh_worker_stats *out);

/* Kernel id of a worker's thread, or 0 while it has not begun. From any thread. */
int32_t vh_workers_tid(uint32_t worker);

#endif
