/*
 * A client and a back end around the translator.
 *
 * The client is this process: its memory is a memfd that is really mapped here and found by way of the real
 * /proc, its descriptors are real. The back end is a thread that reads vhost-user from a socket, asks the
 * switch's own gate (dpdk/proxy/msg_filter.h) about every message, writes them down, and answers as it is
 * told to.
 */
#ifndef VH_TEST_CUSE_RIG_H
#define VH_TEST_CUSE_RIG_H

#include "../../cuse/dirty_log.h"
#include "../../cuse/translate.h"
#include "../../cuse/vu_message.h"
#include "../../dpdk/proxy/msg_filter.h"
#include "../rig/check.h"

#include <pthread.h>

#define RIG_MEMORY (8U << 20)
#define RIG_GPA 0x100000000ULL
#define RIG_FEATURES                                                                                         \
	(1ULL << 0 | 1ULL << 11 | 1ULL << 12 | 1ULL << 15 | 1ULL << 17 | 1ULL << 22 | 1ULL << 27 |           \
		1ULL << 26 | 1ULL << 28 | 1ULL << 29 | 1ULL << 30 | 1ULL << 32 | 1ULL << 34)
/* What the tests' clients take. */
#define RIG_TAKEN (1ULL << 15 | 1ULL << 28 | 1ULL << 32)
#define RIG_RING 256U
/* Messages that are written down. */
#define RIG_HEARD 4096

enum rig_mood {
	RIG_WELL,
	RIG_AWAY,    /* connections are refused */
	RIG_MUTE,    /* listens and says nothing */
	RIG_OCCUPIED /* ends every connection at once, as for a second front end */
};

struct rig_heard {
	struct vh_vhu_msg msg;
	uint32_t fds;
};

struct rig {
	struct vh_cuse_world world;
	struct vh_cuse_port port;
	struct vh_cuse_link link;
	uint64_t clock;
	pid_t alive; /* whose birth is known */
	int lines;   /* said */
	/* The client's. */
	uint8_t *memory;
	uint8_t *bitmap; /* where its dirty log may be, besides its memory */
	uint64_t bitmap_bytes;
	bool closed;		 /* its memory is not to be opened */
	int memory_fd, event[8]; /* call and kick of four rings */
	/* The back end's. */
	enum rig_mood mood;
	uint64_t features;
	uint32_t pairs;
	uint32_t position; /* what it answers to GET_VRING_BASE */
	uint32_t nack;	   /* refuse this message */
	int log;	   /* what it marks in, or -1 */
	pthread_t thread;
	bool runs;
	int socket;
	pthread_mutex_t lock;
	uint32_t n;
	struct rig_heard heard[RIG_HEARD];
	uint32_t refusals;
	const char *refused; /* what the gate said */
};

void rig_open(struct rig *r);
/* The back end ends its connection and comes to nothing. */
void rig_lose(struct rig *r);
/* Everything is closed; no message may have been refused. */
void rig_close(struct rig *r);

/* An ioctl of this process, or of another. */
int rig_ioctl(struct rig *r, uint64_t client, uint32_t command, const void *in, union vh_cuse_out *out);
int rig_ioctl_of(struct rig *r, pid_t process, uint64_t client, uint32_t command, const void *in,
	union vh_cuse_out *out);
int rig_state(struct rig *r, uint64_t client, uint32_t command, uint32_t index, uint32_t num);
int rig_u64(struct rig *r, uint64_t client, uint32_t command, uint64_t value);
int rig_table(struct rig *r, uint64_t client);

/* The tables of ring `ring` of pair `pair`. */
struct vhost_vring_addr rig_addr(const struct rig *r, uint32_t pair, uint32_t ring);
/* Where the back end would say how far it came. */
uint16_t *rig_used(const struct rig *r, uint32_t pair, uint32_t ring);

/* As QEMU does it: an open and what it says at once. */
void rig_begin(struct rig *r, uint64_t client);
/* And what it says when the guest's driver is ready; `pair` says which memory and descriptors. */
void rig_start(struct rig *r, uint64_t client, uint32_t pair);

/* How many of these messages the back end got, and the last one. */
uint32_t rig_count(struct rig *r, uint32_t request);
struct rig_heard rig_last(struct rig *r, uint32_t request);
void rig_forget(struct rig *r);

#endif
