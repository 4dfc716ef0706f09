/* The measured part of the ring to ring bench: two guests whose chains are laid out once and offered for
 * ever. */
#ifndef VH_BENCH_BENCH_H
#define VH_BENCH_BENCH_H

#include "../test/rig/rig.h"

enum bench_kind {
	BENCH_PLAIN,	 /* one buffer a frame on both sides */
	BENCH_MERGEABLE, /* receive buffers of 2048 bytes, as many as the frame needs */
	BENCH_INDIRECT,	 /* header and frame apart in an indirect table, on both sides */
	BENCH_KINDS,
};

struct bench_case {
	enum bench_kind kind;
	bool packed;
	uint32_t size, ring, batch;
	uint32_t addresses; /* learned by the switch: the sender's, and the receivers', which take turns */
};

/* A stretch of memory that a frame is copied from or to. */
struct place {
	uint8_t *p;
	uint32_t len;
};

/* Rounds of one run that are remembered; the others only keep the caches as they would be. */
#define ROUNDS 65536

struct bench {
	struct bench_case c;
	struct rig *r;
	struct guest_queue *tx, *rx;
	uint16_t *head;	     /* transmit chains in the order they are offered */
	struct place *frame; /* the bytes of the frame in each of them */
	struct place *room;  /* by receive chain: where a frame's bytes go */
	uint32_t sent, reaped;
	uint64_t overhead;    /* of reading the counter twice */
	double round[ROUNDS]; /* cycles per frame of each round */
	uint32_t rounds;
	bool stop, touch;
	uint8_t sum;
};

const char *bench_kind_name(const struct bench_case *c);
struct bench *bench_open(const struct bench_case *c);
void bench_close(struct bench *b);
/* Receive buffers that one frame takes. */
uint32_t bench_buffers(const struct bench_case *c);
/* The sender offers up to `n` frames, as far as its ring goes. */
void bench_offer(struct bench *b, uint32_t n);
/* Both guests take what is used; the receiver offers its buffers again. */
void bench_take(struct bench *b);

/* Cycles that reading the counter twice takes. */
uint64_t bench_overhead(void);
double median(double *v, uint32_t n);
/*
 * Each of the following returns cycles per frame: the median of its rounds, because on a shared machine a few
 * rounds are interrupted and then cost a thousand times as much. *batch: mean frames per round.
 */
/* All on this thread, in rounds of c->batch frames (fewer where the receiver's ring is too small for so
 * many). */
double bench_poll(struct bench *b, uint32_t frames, double *batch);
/* The guests on a second thread. Rounds without a frame do not count. */
double bench_poll_against(struct bench *b, uint32_t frames, bool touch, double *batch);
/* memcpy of the frames between the same buffers, in the same order. */
double bench_memcpy(struct bench *b, uint32_t frames);

#endif
