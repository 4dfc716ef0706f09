/*
 * What a virtqueue consists of, in guest memory and here, and what a round of frames is. Who does what with
 * them is in virtq.h.
 */
#ifndef VH_VIRTIO_VIRTQ_STATE_H
#define VH_VIRTIO_VIRTQ_STATE_H

#include "memory/pieces.h"
#include "../base/defs.h"
#include "../base/spinlock.h"
#include "../base/vlan.h"

struct vh_guest_mem;
struct vh_hold;
struct vh_line;
struct vh_round;
struct vh_vq_log;

/* Virtio feature bits this code acts on (virtio 1.2, 5.1.3 and 6). */
#define VH_F_MRG_RXBUF (1ULL << 15)
#define VH_F_INDIRECT_DESC (1ULL << 28)
#define VH_F_EVENT_IDX (1ULL << 29)
#define VH_F_VERSION_1 (1ULL << 32)
#define VH_F_ACCESS_PLATFORM (1ULL << 33)
#define VH_F_RING_PACKED (1ULL << 34)
#define VH_F_IN_ORDER (1ULL << 35)

/* Descriptor flags. */
#define VH_DESC_NEXT 1
#define VH_DESC_WRITE 2
#define VH_DESC_INDIRECT 4

struct vh_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* Packed rings: one table that both sides write (virtio 1.2, 2.8.13). */
#define VH_DESC_AVAIL (1U << 7)
#define VH_DESC_USED (1U << 15)

struct vh_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

/* Event suppression structure of a packed ring (virtio 1.2, 2.8.14). */
#define VH_EVENT_ENABLE 0
#define VH_EVENT_DISABLE 1
#define VH_EVENT_DESC 2

struct vh_packed_event {
	uint16_t off_wrap; /* bits 0-14: position, bit 15: wrap counter */
	uint16_t flags;
};

struct vh_avail {
	uint16_t flags; /* bit 0: the driver wants no interrupts */
	uint16_t idx;
	uint16_t ring[]; /* [size] is used_event */
};

struct vh_used_elem {
	uint32_t id;
	uint32_t len;
};

struct vh_used {
	uint16_t flags; /* bit 0: the device wants no kicks */
	uint16_t idx;
	struct vh_used_elem ring[]; /* behind ring[size - 1]: avail_event */
};

/* In `last`, above the two places. */
#define VH_RECORD_SENT (1ULL << 32)

/* A queue's record (ring_record.h). Places are as in vh_vq_config: below the ring's size, with the wrap
 * counter in bit 15. */
struct vh_ring_record {
	uint64_t area[3]; /* guest-physical: descriptor ring, driver's and device's event suppression area */
	uint32_t size;
	uint32_t in_force; /* atomic; the last to be set */
	uint16_t base;	   /* the place that the front end said when the record began */
	int32_t owner; /* whose front end the record is for, and since when: dpdk/proxy/ring_record_file.h */
	uint64_t claimed;
	/* Written for every round, by the queue's owner. */
	uint64_t last VH_CACHE_ALIGNED; /* bits 0 to 15: from; 16 to 31: to; VH_RECORD_SENT */
	uint64_t was[VH_MAX_QUEUE_SIZE];
} VH_CACHE_ALIGNED;

/*
 * What a queue is set up from. Addresses are this process's; the guest's memory must hold them (checked).
 * Packed rings: desc is the ring, avail the driver's and used the device's event suppression area; positions
 * carry their wrap counter in bit 15.
 */
struct vh_vq_config {
	void *desc, *avail, *used;
	uint32_t size;
	uint64_t features;
	const struct vh_guest_mem *mem;
	const struct vh_guest_mem *space; /* what addresses in descriptors mean; NULL: mem */
	/* Of a ring whose pages lie apart: all of them, and stays the caller's until the queue has stopped;
	 * the three addresses are those of their first bytes. Else NULL. */
	const struct vh_pieces *pieces;
	const struct vh_vq_log *log;   /* NULL: what is written need not be logged */
	struct vh_ring_record *record; /* packed rings: never NULL; see ring_record.h */
	uint16_t last_avail, last_used;
	bool rejoin; /* packed: the positions are what a front end says that has just come; the record may
			know better */
	struct vh_line *line; /* towards the guest, or NULL; stays the caller's until the queue has stopped */
};

/* Whether a transmit queue has to pay for chains that cost too much (VH_ROUND_HONEST). */
enum vh_rest {
	VH_REST_NONE,
	VH_REST_COSTLY, /* its last round was; how long the worker's turn took is known at the next one */
	VH_REST_RESTING,
};

struct vh_vq {
	/* Read by workers, written while paused. */
	uint32_t live;
	uint16_t size, mask; /* mask: size - 1; packed: of the record's entries */
	uint8_t hdr_len;     /* of the virtio-net header: 10 legacy, 12 with mergeable buffers or VERSION_1 */
	bool mergeable, indirect, event_idx, packed, in_order;
	bool scattered;	 /* desc, avail and used are where the parts begin; their entries are in `pieces` */
	bool tx_general; /* as a transmit queue: nothing of it is a common case */
	struct vh_line *line;
	/* Feature bits, all below 16: as a transmit queue it may use these, as a receive queue it takes these
	 * on. */
	uint16_t tx_offloads, rx_offloads;
	union {
		struct {
			const struct vh_desc *desc;
			const struct vh_avail *avail;
			struct vh_used *used;
		};
		struct {
			struct vh_packed_desc *ring;
			const struct vh_packed_event *driver_event;
			struct vh_packed_event *device_event;
		};
	};
	const struct vh_guest_mem *mem;
	const struct vh_vq_log *log; /* mostly NULL; looked at once per batch */
	const struct vh_pieces *pieces;

	/* Written for every round. */
	struct vh_spinlock lock VH_CACHE_ALIGNED; /* receive queues only */
	bool broken;
	/* Split: free-running indexes. Packed: positions below size, each with its wrap counter. */
	uint16_t last_avail, last_used;
	bool avail_wrap, used_wrap;
	struct vh_ring_record *record; /* packed rings */
	/* Transmit queues: the source address that was learned last, good for one second and one table
	 * generation. */
	uint64_t learned_key;
	uint32_t learned_at, learned_gen;
	struct vh_round *parked; /* transmit queues: the round that waits for its receivers; see switch.h */
	struct vh_hold
		*hold; /* transmit queues whose chains may stay out beyond their round; see tx_inflight.h */
	uint64_t rest_ticks; /* transmit queues: see rest; when the costly round began, or when the rest ends
			      */
	uint32_t rest;	     /* enum vh_rest */
	uint16_t lingering;  /* split transmit queues: used entries that the driver has not been shown yet */
	bool missed;	     /* transmit queues: the next chain waits for a translation (iotlb.h) */
	/* An uplink's queues: until when no round is parked; whose frames came last, and when others' did. */
	uint64_t no_wait;
	bool has_dst;
	uint16_t last_dst;
	uint32_t others_at; /* seconds */
	uint32_t stalled;   /* receive queues: took nothing during a whole series of retries; atomic */
	uint64_t settle_at; /* ticks: when lingering entries are shown */
} VH_CACHE_ALIGNED;

struct vh_seg {
	uint8_t *p;
	uint32_t len;
};

/* What is still to be done to a frame, from a virtio header that was checked (offload.h). */
struct vh_offload {
	uint8_t gso_type;    /* VH_GSO_*, with VH_GSO_ECN */
	bool needs_csum;     /* from csum_start to the frame's end, to be put at csum_start + csum_offset */
	bool checked;	     /* VH_CHECKED; then nothing else is set */
	uint16_t csum_start; /* of a frame to be segmented: where TCP begins */
	uint16_t csum_offset;
	uint16_t gso_size; /* bytes of TCP payload per segment */
	uint16_t hdr_len;  /* all headers of a frame to be segmented, else 0 */
};

/* One frame in the sender's memory, without its virtio header. */
struct vh_frame {
	uint8_t *data;	      /* first segment */
	uint32_t len;	      /* its bytes */
	uint32_t total;	      /* bytes of the whole frame */
	uint16_t more, first; /* further segments: how many, and where in vh_batch.seg */
	uint32_t
		offload; /* what its receiver must have taken on (VH_F_GUEST_*), or VH_CHECKED; 0: complete */
};

struct vh_batch {
	uint16_t frames; /* well-formed ones, in frame[] */
	uint16_t chains; /* taken from the ring, in head[]; all of them must be completed */
	uint16_t segs;
	uint16_t offloads;    /* frames that are not complete: each has its entry in offload[] */
	uint32_t walked;      /* descriptors of chains that were no single buffer */
	uint32_t further;     /* packed: entries of chains behind their first */
	uint64_t bad;	      /* chains that became no frame, as bits */
	struct vh_hold *hold; /* the queue's; NULL: frames must be copied while they are delivered */
	union {
		struct {
			uint16_t head[VH_BATCH];  /* split: head of the chain; packed: its buffer id */
			uint16_t descs[VH_BATCH]; /* packed: descriptors of the chain */
		};
		void *buffer[VH_BATCH]; /* of an uplink's round: what its driver gave */
	};
	/* Behind the first VH_BATCH: the same frames in other forms, where a list names them. */
	struct vh_frame frame[VH_FRAMES];
	/* Behind the first VH_BATCH_SEGS: what the other forms leave as it is. */
	struct vh_seg seg[2 * VH_BATCH_SEGS + VH_BATCH];
	struct vh_offload offload[VH_FRAMES];
	/* What the other forms begin with: addresses, tags, EtherType. */
	uint8_t front[VH_FORMS - 1][VH_BATCH][VH_FRONT];
};

#endif
