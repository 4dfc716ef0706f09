/*
 * The engine: EAL, workers and ports as one thing that the addon starts, asks and stops.
 *
 * One per process, because EAL is (rte_eal_init() works once). All functions are for Node's main thread,
 * except what librte_vhost's thread reaches through session.h.
 *
 *       never started --vh_engine_start()--> running --vh_engine_stop()--> stopped (for good)
 */
#ifndef VH_DPDK_ENGINE_ENGINE_H
#define VH_DPDK_ENGINE_ENGINE_H

#include "../uplink/zc_tx.h"
#include "../runtime/eal.h"
#include "../vhost/port_lack.h"
#include "../vhost/session.h"
#include "../uplink/uplink.h"
#include "../runtime/worker.h"

struct vh_engine_options {
	struct vh_eal_options eal;
	const int *cpu; /* one worker per element: the CPU, or -1 */
	uint32_t workers;
	bool adaptive;
	uint32_t retry_times;	 /* towards a full guest; 0 = drop at once */
	uint32_t retry_delay_us; /* between tries */
	bool isolate;		 /* guests reach each other by way of the uplinks only */
	int descriptors;	 /* front ends get descriptors below this one (proxy.h) */
	struct vh_direct_options direct;
	const char *instruction_set; /* the newest data path to use, or NULL */
};

struct vh_port_info {
	uint16_t id, pairs;
	const char *name, *path; /* valid until the port is removed */
	bool connected, ready;
	enum vh_lack lack;     /* why it is of no use yet; VH_LACK_NOTHING */
	const char *lack_text; /* in words */
	uint64_t features, memory_bytes;
	struct {
		uint16_t size;
		bool live;
		int worker; /* transmit rings; -1 otherwise */
	} ring[VH_MAX_RINGS];
	struct vh_counters counters;
	uint64_t interrupts_apart; /* by the thread for writes apart (virtio/call.h) */
};

/* Return: 0, or -1 with the reason in `error`. A failed start is final. */
int vh_engine_start(const struct vh_engine_options *options, char *error, size_t n);

bool vh_engine_running(void);

/* Removes all ports and ends the workers. */
void vh_engine_stop(void);

/* Return: the device number, or a negative errno with the reason in `error`. */
int vh_engine_add_port(const struct vh_session_options *options, char *error, size_t n);

/* Return: 0, or -ENOENT. */
int vh_engine_remove_port(uint16_t id);

/* Whose the port is from now on (vh_relay_own()). Return: 0, or -ENOENT. */
int vh_engine_own(uint16_t id, const struct vh_owner *owner);

/* Makes the port's socket anew where its name is gone (session.h). Return: 0, or a negative errno. */
int vh_engine_listen_again(uint16_t id);

/* Return: the uplink's port number, from VH_MAX_PORTS on, or a negative errno with the reason in `error`. */
int vh_engine_add_uplink(const struct vh_uplink_options *options, char *error, size_t n);

/* Return: 0, or -ENOENT. */
int vh_engine_remove_uplink(uint16_t id);

/* Return: whether there is an uplink with this number. One whose device has gone is polled no more. */
bool vh_engine_uplink(uint16_t id, struct vh_uplink_info *out);

/*
 * Gives guests the pools of cards that have such (vmdq.h), and takes them back from guests that have gone;
 * ends what memory guests have left on loan (guest_dma.h).
 */
void vh_engine_tend_pools(void);

/* Gives back what drivers have sent on queues that they have disabled; once a second. */
void vh_engine_drain(void);

/*
 * Spreads the transmit queues over the workers anew, those that guests use first; frames go on flowing.
 * Return: how many moved, or -ENOMEM.
 */
int vh_engine_rebalance(void);

/* Return: whether there is a port with this number. */
bool vh_engine_port(uint16_t id, struct vh_port_info *out);

/* Return: how many addresses were copied to `out`. */
uint32_t vh_engine_macs(struct vh_mac_entry *out, uint32_t max);

/* Return: how many addresses were forgotten. */
uint32_t vh_engine_age_macs(uint32_t seconds);

const char *vh_engine_dpdk_version(void);

/* Which build of the data path runs, e.g. x86-64-v3. */
const char *vh_engine_instruction_set(void);

#endif
