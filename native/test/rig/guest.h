/*
 * A mock guest: memory of its own and the driver's side of virtio-net's rings, split and packed, written from
 * the specification and sharing no code with the switch's core. Unit tests, the fuzz target and the bench use
 * it.
 *
 * Rings: positions are counted in ring entries since the queue was made and never wrap; indexes, places and
 * wrap counters are derived from them. Descriptors and buffer ids are handed out at random, where the driver
 * may choose them, and what a device must not read is filled with noise.
 *
 * Memory: three regions, each between inaccessible pages. The first two are neighbours for the guest (a
 * buffer may cross from one into the other) but lie apart in this process; the third is far above them. With
 * `exact` and AddressSanitizer, only what the driver has lent to the device is accessible at all.
 *
 * Hostile tests write descriptors and rings through the pointers in struct guest_queue.
 */
#ifndef VH_TEST_RIG_GUEST_H
#define VH_TEST_RIG_GUEST_H

#include "../../virtio/ring_record.h"
#include "../../virtio/virtq.h"
#include "check.h"

#include <pthread.h>

#define GUEST_MAX_PAIRS VH_MAX_PAIRS
#define GUEST_MAX_PARTS 1024
#define GUEST_REGIONS 3
#define GUEST_REGION_SIZE (16U << 20)
/* Kept free on both sides of the border between the first two regions, for buffers that cross it. */
#define GUEST_EDGE (72U << 10)
/* First address of the third region. */
#define GUEST_HIGH 0x100000000ULL
#define GUEST_CLASSES 4

struct guest_config {
	uint32_t tx_size, rx_size; /* 0: 256 */
	uint32_t pairs;		   /* 0: 1 */
	uint64_t features;
	uint16_t start; /* ring entries as if used before; near 65536 to see a split ring's index wrap */
	bool exact;	/* make what is not lent to the device inaccessible (needs AddressSanitizer) */
	bool tidy;	/* descriptors and ids in order, as from a driver that was just started */
	/* Rings lie together for the driver, as in Linux behind an IOMMU, and in pages that lie apart for
	 * everybody else. */
	bool scattered;
};

/* Memory of one buffer or indirect table. */
struct guest_buf {
	uint64_t gpa;
	uint32_t len;
	uint32_t chunk;
};

/* What the driver remembers of a chain that the device has. */
struct guest_chain {
	uint32_t n_bufs, n_descs; /* 0 ring entries: not in flight */
	struct guest_buf *buf;	  /* the buffers, then the indirect table where there is one */
	uint16_t *desc;		  /* split: its descriptors, the head first */
	bool table, write;
};

/* A chain that was offered: what it is called in the ring, and the ring entries that it occupies. */
struct guest_staged {
	uint16_t id, descs;
};

/* The driver's side of one ring. */
struct guest_queue {
	uint32_t size;
	uint64_t features;
	bool packed, in_order, tidy;
	bool any_order; /* the device may use chains in another order than they were offered */
	/* Both types lie in the same three areas. */
	union {
		struct {
			struct vh_desc *desc;
			struct vh_avail *avail;
			struct vh_used *used;
		};
		struct {
			struct vh_packed_desc *ring;
			struct vh_packed_event *driver, *device;
		};
	};
	uint64_t avail_n, used_n, kicked_n; /* ring entries offered, taken back, looked at for a kick */
	uint64_t staged, done;		    /* chains offered and taken back */
	struct guest_staged *in_flight;	    /* of chain number i at i % size */
	uint32_t batch;			    /* chains that the used entry read last still stands for */
	struct vh_used_elem batch_last;
	bool held; /* packed: this entry's second word makes what was staged available */
	uint32_t held_at;
	uint64_t held_word;
	uint32_t n_free; /* ring entries */
	uint32_t n_ids, first_id;
	uint16_t *free_id; /* descriptors (split) or buffer ids (packed) */
	struct rng rng;
	struct guest_chain *chain;     /* by head (split) or buffer id (packed) */
	struct vh_ring_record *record; /* the device's; packed */
	struct vh_pieces *pieces;      /* where the device finds a scattered ring */
	uint8_t *view;		       /* the driver's mapping of one */
	size_t view_bytes;
	int call_fd; /* eventfd */
	struct vh_call call;
	struct vh_line line; /* both of call_fd */
};

/* Free buffers of one size. */
struct guest_class {
	uint32_t size, n_free;
	uint64_t *gpa;
	uint32_t *free;
};

struct guest {
	struct guest_config config;
	uint32_t hdr_len;
	uint8_t *region[GUEST_REGIONS];
	struct vh_guest_mem mem;	  /* as the switch sees it */
	const struct vh_guest_mem *space; /* behind an IOMMU: what the switch is told that addresses mean */
	pthread_mutex_t lock; /* of the allocator: a guest's queues may be driven by several threads */
	struct guest_class class[GUEST_CLASSES];
	bool edge_busy;
	struct guest_queue tx[GUEST_MAX_PAIRS], rx[GUEST_MAX_PAIRS];
};

/* How a chain is laid out. */
struct guest_shape {
	uint32_t n;	     /* buffers */
	uint32_t direct;     /* of them in the ring itself, the others in an indirect table behind them */
	int edge;	     /* the buffer that crosses the border between two regions, or -1 */
	uint32_t edge_front; /* its bytes before the border */
	uint32_t len[GUEST_MAX_PARTS];
};

enum guest_layout {
	LAYOUT_SINGLE,
	LAYOUT_HEADER_APART,
	LAYOUT_SEGMENTS,
	LAYOUT_INDIRECT,
	LAYOUT_DIRECT_THEN_INDIRECT,
	LAYOUT_EDGE,
	LAYOUT_HEADER_SPLIT, /* transmit only: the core refuses it for receiving */
	LAYOUT_COUNT,
};

/* guest_memory.c */
void guest_memory_make(struct guest *g);
void guest_memory_free(struct guest *g);
uint8_t *guest_at(const struct guest *g, uint64_t gpa);
bool guest_alloc(struct guest *g, uint32_t len, struct guest_buf *out);
bool guest_alloc_edge(struct guest *g, uint32_t len, uint32_t front, struct guest_buf *out);
void guest_free_buf(struct guest *g, const struct guest_buf *b);
void guest_write(const struct guest *g, uint64_t gpa, const void *from, uint32_t len);
void guest_read(const struct guest *g, uint64_t gpa, void *to, uint32_t len);

/* guest.c: a guest, its queues, and the chains that its driver makes. */
struct guest *guest_new(const struct guest_config *config);
void guest_free(struct guest *g);
/* A device's queue on top of `q`, from ring entry `at` on: for vh_vq_setup(). */
struct vh_vq_config guest_queue_config(struct guest *g, struct guest_queue *q, uint64_t at);
/* The device's queue on top of `q`, from the driver's current positions. Return: vh_vq_setup()'s answer. */
const char *guest_attach(struct guest *g, struct guest_queue *q, struct vh_vq *vq);
/* The driver starts anew with the guest's features: all chains and positions forgotten, rings as new. */
void guest_reset_queue(struct guest *g, struct guest_queue *q);
/*
 * Makes a chain. A packed ring has either buffers or a table (virtio 1.2, 2.8.8): all go to the table then.
 * Return: its head or buffer id, or -1: no room, or longer than the ring.
 */
int32_t guest_build(struct guest *g, struct guest_queue *q, const struct guest_shape *s, bool write);
/* Frees what a used chain had. */
void guest_release(struct guest *g, struct guest_queue *q, uint16_t id);

/* guest_ring.c: the two ends of a ring. */
/* The state of a ring that has moved on by `start` entries, all of them given back. */
void guest_ring_reset(struct guest_queue *q, uint16_t start);
/* Where entry number `n` lies, with its wrap counter in bit 15; split: the free-running index. */
uint16_t guest_place(const struct guest_queue *q, uint64_t n);
/* Stores a descriptor of the ring's type (packed: the id is taken from `next`), each word whole. */
void guest_put_desc(const struct guest_queue *q, void *at, struct vh_desc d);
/* Offers a built chain, or any number on a split ring; guest_publish() lets the device see it. */
void guest_stage(struct guest_queue *q, uint16_t id);
/*
 * Offers n <= size descriptors as they are, as one chain: from entry `id` of a split ring's table on, or in a
 * packed ring's next entries under buffer id `id` (availability is added).
 */
void guest_stage_raw(struct guest_queue *q, const struct vh_desc *d, uint32_t n, uint16_t id);
void guest_publish(struct guest_queue *q);
/* Whether the device asked for a kick for what was published since the last call. */
bool guest_should_kick(struct guest_queue *q);
/* Takes the next used chain. Return: whether there was one. */
bool guest_used(struct guest_queue *q, struct vh_used_elem *out);
bool guest_has_used(const struct guest_queue *q);
void guest_want_interrupts(struct guest_queue *q, bool on);
/* With event index: when ring entry number `after` from now is used; below 0 it was used already: never. */
void guest_want_interrupt_after(struct guest_queue *q, int32_t after);
/* Reads the eventfd. Return: interrupts since the last call. */
uint64_t guest_interrupts(struct guest_queue *q);

/* guest_net.c: frames. */
void guest_shape(
	struct guest_shape *s, enum guest_layout layout, uint32_t total, uint32_t header, struct rng *rng);
/* Lays out header and frame. Return: head, or -1. */
int32_t guest_build_frame(
	struct guest *g, struct guest_queue *q, const struct guest_shape *s, const void *frame, uint32_t len);
/* Builds, stages and publishes. Return: whether there was room. */
bool guest_send_shape(
	struct guest *g, uint32_t pair, const struct guest_shape *s, const void *frame, uint32_t len);
bool guest_send(struct guest *g, uint32_t pair, const void *frame, uint32_t len, enum guest_layout layout);
/* Takes back what was sent, in order. Return: how many chains. */
uint32_t guest_reap(struct guest *g, uint32_t pair);
bool guest_post(struct guest *g, uint32_t pair, uint32_t size, enum guest_layout layout);
/* Posts buffers of `size` until the ring (or memory) is full. Return: how many. */
uint32_t guest_post_all(struct guest *g, uint32_t pair, uint32_t size, enum guest_layout layout);

#define GUEST_NOTHING (-1)
#define GUEST_EMPTY (-2) /* a chain came back with length 0 */
/* Takes the next frame. Return: its length, or one of the above. */
int32_t guest_receive(struct guest *g, uint32_t pair, void *out, uint32_t room);
/* Of a frame that may be unfinished: its virtio header too. */
int32_t guest_receive_header(
	struct guest *g, uint32_t pair, struct vh_virtio_header *header, void *out, uint32_t room);

#endif
