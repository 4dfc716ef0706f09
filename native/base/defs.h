/*
 * Limits, drop reasons and small helpers that every file of the switch's core (base, virtio, switch) shares.
 *
 * The core is plain C11: it includes neither Node nor DPDK, so that it builds, runs under sanitizers and
 * is fuzzed anywhere. Names: "tx" is what the guest transmits, "rx" what it receives (virtio's point of
 * view).
 */
#ifndef VH_BASE_DEFS_H
#define VH_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A port's or an uplink's name, with its terminating zero. */
#define VH_MAX_NAME 64
/* sun_path without its terminating zero. */
#define VH_MAX_SOCKET_PATH 107
/* Ports (guests) per switch. Bounds the per-worker sorting lists (VH_MAX_IDS x VH_BATCH bytes = 17 KiB). */
#define VH_MAX_PORTS 256
/* Uplinks per switch. Their port numbers begin behind the guests', whose numbers are device numbers. */
#define VH_MAX_UPLINKS 8
#define VH_MAX_IDS (VH_MAX_PORTS + VH_MAX_UPLINKS)
/*
 * Queue pairs per port: one for each vCPU of a large guest. virtio-net allows 32768 and librte_vhost 128; a
 * ring's number fits into 7 bits (vh_port.rx_map). src/common/queue-pairs.ts says the same to who has no
 * addon.
 */
#define VH_MAX_PAIRS 64
/* Queues of an uplink: receive queues, or VMDq's pools. */
#define VH_UPLINK_QUEUES 8
/* Worker threads; bounds the per-port counter blocks, one for each worker. */
#define VH_MAX_WORKERS 16
/* Frames taken from a ring in one round: long enough to hide memory latency, short enough to stay in L1. */
#define VH_BATCH 64
/*
 * What a frame may look like where it goes: as it came, with the tag of its VLAN, without one (vlan_rules.h).
 * A frame's number in a list is its place in the batch plus VH_BATCH times its form.
 */
enum vh_form { VH_AS_IT_CAME, VH_TAGGED, VH_UNTAGGED, VH_FORMS };
#define VH_FRAMES (VH_FORMS * VH_BATCH)
/* Segments of one round, beyond the first of each frame; a round ends early when they are used up. */
#define VH_BATCH_SEGS 1024
/*
 * Descriptors of one chain, also where the ring is longer. Drivers stay far below (a 64 KiB frame in pages
 * needs 17); a guest must not make us walk 32768 empty descriptors for a frame of nothing.
 */
#define VH_MAX_CHAIN 1024U
/*
 * What chains that are no single buffer may cost the others. A transmit round ends early once they needed
 * VH_ROUND_DESCS descriptors. A round that needed more than VH_ROUND_HONEST (24 for each frame; 64 KiB in
 * pages are 19) is paid for: its queue rests for VH_REST_FACTOR times as long as the worker's turn with it
 * took. A receive round has a wider bound, because many small merged buffers are a receiver's right.
 */
#define VH_ROUND_DESCS 2048U
#define VH_ROUND_HONEST (24U * VH_BATCH)
#define VH_REST_FACTOR 16U
#define VH_ROUND_RX_DESCS 16384U
/*
 * What a driver gets back late. DPDK's virtio driver frees what was sent once all but 32 entries of its ring
 * (a quarter of a short one) are used, and then all of it at once, which is more than its buffer cache holds:
 * from then on it uses every buffer of its pool in turn, and none is in any processor's cache. So the last
 * entries of a round of VH_LINGER_ROUND or more stay unseen until the next one, or until nothing has come for
 * VH_LINGER_US.
 */
#define VH_LINGER 32U
#define VH_LINGER_ROUND 16U
#define VH_LINGER_US 100U
/* Memory regions of a guest; librte_vhost accepts no more than 8. */
#define VH_MAX_REGIONS 8
/* Largest split virtqueue (virtio 1.2, 2.7 "Split Virtqueues"). */
#define VH_MAX_QUEUE_SIZE 32768
/* A 64 KiB segmentation offload frame with an Ethernet header and two tags: nothing longer is a frame. */
#define VH_MAX_FRAME (65535U + 22U)
/* Destination, source, EtherType: less is no Ethernet frame. */
#define VH_MIN_FRAME 14U

#define VH_CACHE_LINE 64
#define VH_CACHE_ALIGNED __attribute__((aligned(VH_CACHE_LINE)))
#define vh_likely(x) __builtin_expect(!!(x), 1)
#define vh_unlikely(x) __builtin_expect(!!(x), 0)

/* Begins to fetch a line that will be read. */
static inline void vh_prefetch(const void *p)
{
	__builtin_prefetch(p);
}

/*
 * The same for a line that will be written: it is to come for good, instead of shared first. Not by the
 * compiler, which on x86 makes a plain prefetch of it unless told that there is such an instruction;
 * processors that have none take it for a no-op.
 */
static inline void vh_prefetch_write(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/*
 * Why a frame was not delivered: X(identifier, name). What each means and what to do about it is in
 * src/switch/model/drop-reasons.ts, in the same order.
 *   tx_*: the sender's doing, counted at the sender's port. rx_*: the receiver's, counted at the receiver's
 * port.
 */
#define VH_DROP_REASONS(X)                                                                                   \
	X(TX_RUNT, "tx_runt")                                                                                \
	X(TX_TOO_LONG, "tx_too_long")                                                                        \
	X(TX_BAD_ADDRESS, "tx_bad_address")                                                                  \
	X(TX_BAD_CHAIN, "tx_bad_chain")                                                                      \
	X(TX_BAD_INDIRECT, "tx_bad_indirect")                                                                \
	X(TX_BAD_DIRECTION, "tx_bad_direction")                                                              \
	X(TX_BAD_RING, "tx_bad_ring")                                                                        \
	X(TX_BAD_OFFLOAD, "tx_bad_offload")                                                                  \
	X(TX_HAIRPIN, "tx_hairpin")                                                                          \
	X(TX_NO_DESTINATION, "tx_no_destination")                                                            \
	X(TX_BAD_VLAN, "tx_bad_vlan")                                                                        \
	X(TX_DISABLED, "tx_disabled")                                                                        \
	X(TX_BAD_SOURCE, "tx_bad_source")                                                                    \
	X(TX_RESERVED, "tx_reserved")                                                                        \
	X(TX_UNKNOWN_UNICAST, "tx_unknown_unicast")                                                          \
	X(RX_NOT_READY, "rx_not_ready")                                                                      \
	X(RX_RING_FULL, "rx_ring_full")                                                                      \
	X(RX_TOO_LONG, "rx_too_long")                                                                        \
	X(RX_BAD_ADDRESS, "rx_bad_address")                                                                  \
	X(RX_BAD_CHAIN, "rx_bad_chain")                                                                      \
	X(RX_BAD_INDIRECT, "rx_bad_indirect")                                                                \
	X(RX_BAD_DIRECTION, "rx_bad_direction")                                                              \
	X(RX_BAD_RING, "rx_bad_ring")

enum vh_drop {
#define VH_X(id, name) VH_DROP_##id,
	VH_DROP_REASONS(VH_X)
#undef VH_X
		VH_DROP_COUNT
};

/* Name of a drop reason as users see it; NULL outside the list. */
const char *vh_drop_name(unsigned int reason);

/*
 * Counters of one port as one worker saw them. Only that worker writes them, so plain relaxed stores do;
 * readers add the blocks of all workers up.
 */
struct vh_counters {
	uint64_t tx_packets, tx_bytes;
	uint64_t rx_packets, rx_bytes;
	uint64_t interrupts;
	uint64_t unlearned; /* how often an address was not learned: the port has as many as it may */
	uint64_t drops[VH_DROP_COUNT];
} VH_CACHE_ALIGNED;

/* Single writer: a relaxed load and store, no locked instruction; readers never see half a value. */
static inline void vh_count(uint64_t *counter, uint64_t add)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + add, __ATOMIC_RELAXED);
}

#endif
