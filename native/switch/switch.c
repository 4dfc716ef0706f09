/* The control side of the switch: set-up, ending parked rounds, counters. Frames are moved by forward.c. */
#include "switch.h"

#include <stdlib.h>
#include <string.h>

void vh_switch_init(struct vh_switch *sw, uint64_t seed)
{
	memset(sw, 0, sizeof(*sw));
	vh_mac_init(&sw->macs, seed);
}

void vh_lane_init(struct vh_lane *lane, uint16_t worker)
{
	lane->worker = worker;
	lane->now = 1;
	lane->work = &lane->round[0];
	for (int i = 0; i < VH_ROUNDS; i++)
		lane->round[i].lane = lane;
}

static size_t in_lines(size_t size)
{
	return (size + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE;
}

struct vh_port *vh_port_new(uint16_t id, uint16_t pairs)
{
	size_t own = in_lines(sizeof(struct vh_port)), queues = pairs * sizeof(struct vh_vq);
	struct vh_port *port = aligned_alloc(VH_CACHE_LINE, own + 2 * queues);

	if (port == NULL)
		return NULL;
	memset(port, 0, own + 2 * queues);
	port->id = id;
	port->pairs = pairs;
	port->rx = (struct vh_vq *)(void *)((uint8_t *)port + own);
	port->tx = port->rx + pairs;
	return port;
}

void vh_port_steer(struct vh_port *port, const uint8_t *queues, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		__atomic_store_n(&port->rx_map[i], queues[i], __ATOMIC_RELAXED);
	/* Release: who sees the number sees that many queues. */
	__atomic_store_n(&port->rx_live, n, __ATOMIC_RELEASE);
}

static void set_live(struct vh_port *port, uint32_t live)
{
	static const uint8_t in_turn[VH_UPLINK_QUEUES] = {0, 1, 2, 3, 4, 5, 6, 7};

	vh_port_steer(port, in_turn, (uint16_t)(live != 0 ? port->outs : 0));
	for (uint16_t out = 0; out < port->outs; out++)
		__atomic_store_n(&port->rx[out].live, live, __ATOMIC_RELEASE);
	for (uint16_t pair = 0; pair < port->pairs; pair++)
		__atomic_store_n(&port->tx[pair].live, live, __ATOMIC_RELEASE);
}

void vh_uplink_start(struct vh_port *port)
{
	set_live(port, 1);
}

void vh_uplink_stop(struct vh_port *port)
{
	set_live(port, 0);
}

/* Control thread: drops, and counts, what a parked round has not delivered. */
static void end_round(const struct vh_switch *sw, struct vh_port *port, struct vh_vq *vq)
{
	struct vh_round *round = vq->parked;

	for (uint16_t i = 0; i < round->n_dst; i++) {
		uint16_t id = round->dst[i];
		struct vh_port *dst = __atomic_load_n(&sw->port[id], __ATOMIC_ACQUIRE);
		struct vh_port *blame = dst != NULL ? dst : port;
		enum vh_drop reason = dst != NULL ? VH_DROP_RX_RING_FULL : VH_DROP_TX_NO_DESTINATION;

		/* By addition in one step: two control threads may end rounds towards one port. */
		__atomic_fetch_add(&blame->counters[VH_CONTROL_COUNTERS].drops[reason], round->count[id],
			__ATOMIC_RELAXED);
		round->count[id] = 0;
	}
	round->n_dst = round->n_progress = 0;
	vh_round_complete(port, vq, &round->batch, &port->counters[VH_CONTROL_COUNTERS]);
	vq->parked = NULL;
	__atomic_fetch_sub(&round->lane->parked, 1, __ATOMIC_RELAXED);
	/* Release: the worker that takes the round for other work finds its lists empty. */
	__atomic_store_n(&round->parked, 0, __ATOMIC_RELEASE);
}

void vh_switch_flush(struct vh_switch *sw, struct vh_port *port, uint16_t pair)
{
	struct vh_vq *vq = &port->tx[pair];

	if (vq->parked != NULL)
		end_round(sw, port, vq);
	vh_txq_settle(vq, &port->counters[VH_CONTROL_COUNTERS]);
}

void vh_port_counters(const struct vh_port *port, struct vh_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int w = 0; w <= VH_ANNOUNCE_COUNTERS; w++) {
		/* Counters are nothing but 64-bit words, so they are added as such. */
		const uint64_t *from = (const uint64_t *)(const void *)&port->counters[w];
		uint64_t *to = (uint64_t *)(void *)sum;

		for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
			to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	}
}
