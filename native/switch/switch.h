/*
 * Forwarding between ports: learning, lookup, flooding, and sorting a round of frames by destination.
 *
 * Theory of operation
 *   One call of vh_switch_poll() is one round on one transmit queue: collect frames, learn their sources, put
 *   each frame's number on the list of every port it goes to, deliver list by list, complete. A frame's order
 *   towards one port is the order in which it was sent, whether it was flooded or not.
 *
 *   Where a receiver has no buffer left, and retrying is on, the round is parked instead of completed: its
 *   transmit queue rests, everything else goes on, and after a delay the rest is delivered. Only a receiver
 * that takes frames at all is waited for: one that did not move during a whole series of retries is dropped
 * to at once until it takes a frame again, so that a dead guest costs its senders one series and no more.
 *
 *   While an uplink's queue rests, nobody gets what the network has for him. So where it had frames for
 * several receivers of late, its rests are bounded: one of a time T is followed by VH_UPLINK_PATIENCE times T
 * in which frames for full receivers are dropped at once. Where it had them for one alone, nobody is held up,
 * and the card may as well keep what there is no room for.
 *
 * Threads and owners
 *   struct vh_switch and the ports are made, published and freed by the control thread. Workers read the port
 *   list and port pointers, and hold them no longer than one round; the control thread frees what it has
 *   withdrawn only after every worker was quiescent once. A lane belongs to one worker. A parked round
 * outlives quiescent states; the control thread ends it with vh_switch_flush() when it has stopped its queue.
 */
#ifndef VH_SWITCH_SWITCH_H
#define VH_SWITCH_SWITCH_H

#include "../virtio/tx_inflight.h"
#include "mac_table.h"
#include "../virtio/virtq.h"
#include "../base/vlan.h"

/* Rounds of a lane: one to work with, the others may be parked. */
#define VH_ROUNDS 9
/* How much longer than it has rested an uplink's queue goes on before it may rest again: 1 part in 10 rests.
 */
#define VH_UPLINK_PATIENCE 9U
/* "Of late", in seconds: longer than neighbours are silent who know each other (ARP, router advertisements).
 */
#define VH_UPLINK_OTHERS 60U
/* The control thread's own block of counters, behind the workers', and librte_vhost's thread's behind that.
 */
#define VH_CONTROL_COUNTERS VH_MAX_WORKERS
#define VH_ANNOUNCE_COUNTERS (VH_MAX_WORKERS + 1)

struct vh_port;

/*
 * What an uplink (a network card, native/dpdk/uplink/uplink.h) does where a guest has rings. Its port's tx[]
 * are the queues that frames come from, of which `live`, `parked` and the learned address are used; its rx[0,
 * outs) are those by which frames leave, of which `live`, `lock` and `rx_offloads` are used. Workers call
 * these; they must not block.
 */
struct vh_uplink_ops {
	/* Takes up to VH_BATCH frames that have come on queue `pair`, and counts them. */
	void (*collect)(struct vh_port *port, uint16_t pair, struct vh_batch *batch, struct vh_counters *own);
	/* Gives the frames of a round back. */
	void (*complete)(const struct vh_batch *batch);
	/*
	 * Copies frames out, or lends them where the batch has a hold. As vh_rxq_deliver(), but only of a
	 * batch with a hold it leaves what there is no room for to the caller: copies are dropped then, and
	 * counted.
	 */
	uint32_t (*deliver)(struct vh_port *port, uint16_t pair, const struct vh_batch *batch,
		const uint8_t *which, uint32_t n, struct vh_counters *own);
	/*
	 * Whether deliver() takes this unfinished frame, of the kinds that rx_offloads names, as it is;
	 * others it is given finished. NULL where that names none.
	 */
	bool (*takes)(const struct vh_port *port, const struct vh_batch *batch, uint8_t frame);
};

struct vh_port {
	/* `pairs` (uplinks: VH_UPLINK_QUEUES) of each; what a port has not got takes no memory. */
	struct vh_vq *rx, *tx;
	const struct vh_uplink_ops *uplink; /* NULL: a guest */
	uint16_t id;	/* device number (uplinks: from VH_MAX_PORTS on), index in vh_switch.port */
	uint16_t pairs; /* queue pairs it was made with */
	uint16_t outs;	/* uplinks: queues by which frames leave, each with the flows that hash to it */
	/* Receive queues rx_map[0, rx_live) take frames; by vh_port_steer(), atomic. */
	uint16_t rx_live;
	uint8_t rx_map[VH_MAX_PAIRS];
	bool flood_unknown_unicast; /* uplinks: frames for addresses that nobody is known to have go to all
				       guests */
	bool forward_reserved; /* its frames for reserved addresses (vh_mac_is_reserved()) are forwarded */
	struct vh_vlan vlan;   /* guests; constant while workers know the port */
	uint64_t at_card;      /* guests: the address that vh_switch.card has a queue for, or 0; atomic */
	struct vh_counters counters[VH_MAX_WORKERS + 2];
};

/* Whether no station has this address (a key), so that a frame with it as its source is dropped. */
static inline bool vh_source_is_bad(uint64_t src)
{
	return vh_mac_is_group(src) || vh_mac_is_none(src);
}

/* Whether frames from `from` for this address (a key) are forwarded by no bridge. */
static inline bool vh_is_kept(const struct vh_port *from, uint64_t dst)
{
	return vh_mac_is_reserved(dst) && !from->forward_reserved;
}

/* Why a frame goes nowhere whatever the table says, or VH_DROP_COUNT. */
static inline enum vh_drop vh_misaddressed(const struct vh_port *from, uint64_t dst, uint64_t src)
{
	if (vh_source_is_bad(src))
		return VH_DROP_TX_BAD_SOURCE;
	return vh_is_kept(from, dst) ? VH_DROP_TX_RESERVED : VH_DROP_COUNT;
}

/* The ports that exist, in ascending order; immutable once published. */
struct vh_port_list {
	uint32_t n;
	struct vh_port *port[VH_MAX_IDS];
};

/* Called by a worker when a port's address was learned or moved; must not block. */
typedef void (*vh_learn_hook)(void *context, uint16_t port, uint64_t key, bool moved);

/* What to do about full receivers; --rx-retry, --rx-retry-num and --rx-retry-delay. */
struct vh_retry {
	uint32_t times;	      /* 0: drop at once */
	uint64_t delay_ticks; /* between tries, in ticks of vh_lane.ticks */
};

/*
 * Finishes a frame for a receiver that does not take its offloads: computes the checksum, or cuts it into
 * segments. from: how many of these to leave out. Called by workers; must not block. Return: the worker's own
 * batch, good until its next call, with up to VH_BATCH frames, at least one, and *total = how many there are
 * in all; or NULL when it cannot be done, for want of memory or because the sender has changed the headers
 * meanwhile.
 */
struct vh_soften {
	const struct vh_batch *(*hook)(void *context, uint16_t worker, const struct vh_batch *batch,
		uint16_t frame, uint32_t from, uint32_t *total);
	void *context;
};

struct vh_switch {
	const struct vh_port_list *list;  /* atomic; what a flood goes to */
	struct vh_port *port[VH_MAX_IDS]; /* atomic; NULL = no such port */
	vh_learn_hook on_learn;
	void *hook_context;
	struct vh_retry retry; /* constant while workers run */
	uint64_t linger_ticks; /* VH_LINGER_US in ticks of vh_lane.ticks; constant while workers run */
	bool isolate;	/* guests reach each other by way of the network only; constant while workers run */
	uint32_t rules; /* atomic; isolate, or a port has a VLAN mode: frames are sorted by vlan_rules.h */
	/*
	 * The uplink whose card switches between `auto` guests (--vm2vm 2), or NULL: the switch does it all;
	 * atomic. Longest frame that the card hands over, tag included; set before.
	 */
	const struct vh_port *card;
	uint32_t card_longest;
	/* Set before there is a port with offloads, and constant from then on. */
	struct vh_soften soften;
	struct vh_mac_table macs;
};

struct vh_lane;

/* Of a frame that became many segments: how many a receive queue of a port has got. */
struct vh_progress {
	uint16_t port;
	uint8_t queue, frame;
	uint16_t done;
};
/* Half-delivered frames of a round: each of its frames may be one, at one receiver. */
#define VH_ROUND_PROGRESS VH_BATCH

/* The frames of one round and where they go. */
struct vh_round {
	uint32_t parked; /* atomic; set by the worker, cleared by whoever completes the round */
	uint32_t tries;
	uint64_t since;			     /* ticks: when it was parked */
	uint64_t due;			     /* ticks: when to try again */
	struct vh_lane *lane;		     /* whose round this is */
	struct vh_port *from;		     /* whose frames these are */
	uint16_t n_dst;			     /* lists with frames; 0 between rounds */
	uint16_t dst[VH_MAX_IDS];	     /* ports with frames on their list */
	uint8_t count[VH_MAX_IDS];	     /* length of each list; all 0 between rounds */
	uint8_t which[VH_MAX_IDS][VH_BATCH]; /* the lists: frame numbers */
	uint16_t n_progress;		     /* 0 between rounds, and where no frame is half delivered */
	struct vh_progress progress[VH_ROUND_PROGRESS];
	struct vh_batch batch;
};

/* A worker's scratch space. */
struct vh_lane {
	uint16_t worker; /* which counter block of a port is ours */
	uint32_t now;	 /* seconds; set by the worker */
	uint64_t ticks;	 /* a fast clock; set by the worker before each poll */
	uint32_t parked; /* atomic; rounds that wait: the worker must not sleep */
	struct vh_round *work;
	struct vh_round round[VH_ROUNDS];
};

/* Makes zeroed memory a worker's lane. */
void vh_lane_init(struct vh_lane *lane, uint16_t worker);

/* seed: random, for the address table. */
void vh_switch_init(struct vh_switch *sw, uint64_t seed);

/* Makes a guest's port with its queues, none of which is set up. Return: it, to be freed with free(), or
 * NULL. */
struct vh_port *vh_port_new(uint16_t id, uint16_t pairs);

/*
 * Says which receive queues take frames from now on: the n <= VH_MAX_PAIRS of `queues`, in the order in which
 * flows are spread over them. A worker may go by what was said before until it was quiescent once, so a queue
 * is stopped only after that; whoever stops it at once has frames for it dropped, and counted. Control side.
 */
void vh_port_steer(struct vh_port *port, const uint8_t *queues, uint16_t n);

/* Lets workers use an uplink's port, or not any more: as vh_vq_start() and vh_vq_stop() for a guest's queues.
 */
void vh_uplink_start(struct vh_port *port);
void vh_uplink_stop(struct vh_port *port);

/* Hands what a round was made of back to where it came from. */
static inline void vh_round_complete(
	struct vh_port *from, struct vh_vq *vq, const struct vh_batch *batch, struct vh_counters *own)
{
	if (vh_unlikely(from->uplink != NULL))
		from->uplink->complete(batch);
	else if (vh_unlikely(vq->hold != NULL))
		vh_hold_complete(vq, batch, own);
	else
		vh_txq_complete(vq, batch, own);
}

/* One round on transmit queue `pair` of `port` (live, ours). Return: how many chains were taken. */
uint32_t vh_switch_poll(struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint16_t pair);

/*
 * Forwards one frame as if it had come from transmit queue 0 of a guest's port, which must be stopped and out
 * of use; nobody is waited for. By a thread that counts as a worker meanwhile, with a lane of its own.
 */
void vh_switch_inject(
	struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint8_t *frame, uint32_t len);

/*
 * Ends what is under way on a transmit queue that was stopped and that no worker uses any more: of a parked
 * round what was not delivered is dropped and counted, and all chains go back to the guest. Control thread;
 * the guest's memory and eventfds must still be there.
 */
void vh_switch_flush(struct vh_switch *sw, struct vh_port *port, uint16_t pair);

/* Adds up the counters of all workers. */
void vh_port_counters(const struct vh_port *port, struct vh_counters *sum);

#endif
