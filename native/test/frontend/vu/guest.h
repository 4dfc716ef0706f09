/*
 * A guest for tests: shared memory, a receive and a transmit ring, and the front end that connects them.
 *
 * Frames carry a sender and a sequence number and a pattern that depends on both, so that a receiver sees
 * every loss, doubling, reordering and damage.
 */
#ifndef GUEST_H
#define GUEST_H

#include "ring.h"
#include "vu.h"

#define GUEST_MEMORY (16U << 20)
#define GUEST_GPA 0x100000000ULL
#define GUEST_USER 0x7f0000000000ULL
#define GUEST_RINGS_AT 0U	    /* receive ring, and at half a MiB the transmit ring */
#define GUEST_BUFFERS_AT (1U << 20) /* receive buffers, then transmit buffers */
#define GUEST_BUFFER 2048U
#define GUEST_HEADER 12U
#define GUEST_MIN_FRAME 60U

enum { GUEST_RX, GUEST_TX };

struct guest {
	const char *path;
	bool packed;
	uint16_t size;
	uint8_t id; /* last byte of its address */
	int sock;   /* -1: not connected */
	int memory_fd;
	uint8_t *memory;
	uint64_t features;
	uint64_t extra_features; /* features that it asks for besides those that it needs */
	struct ring ring[2];
	int kick[2], call[2];
	uint64_t sent;	   /* frames made available; also the next sequence number */
	uint64_t received; /* good frames */
	uint64_t lost;	   /* gaps in the sequence */
	uint64_t expected; /* next sequence number of the other side */
	const char *wrong; /* the first thing that was wrong with a frame, or NULL */
};

/* Makes memory, rings and eventfds. size: entries per ring, at most 1024. Return: whether that worked. */
bool guest_make(struct guest *g, const char *path, uint8_t id, bool packed, uint16_t size);
void guest_free(struct guest *g);

/*
 * Connects and sets everything up, from fresh rings, which are written once the switch has answered: nothing
 * of the connection before is in use then. Return: whether the switch has acknowledged it all.
 */
bool guest_up(struct guest *g);

/* The parts of guest_up(): the connection and features; the memory table; one ring from position `base`. */
bool guest_negotiate(struct guest *g);
bool guest_share(struct guest *g, uint32_t regions);
bool guest_start_ring(struct guest *g, uint32_t ring, uint32_t base);

/* What of the latter comes before the ring is started. */
bool guest_place_ring(struct guest *g, uint32_t ring, uint32_t base);

/*
 * The dirty log: its file (answered by the switch); whether all memory is logged; a ring's addresses anew,
 * with the flag that its used ring is logged at `used`. Return: whether it went and was acknowledged.
 */
bool guest_log_base(struct guest *g, int fd, uint64_t size, uint64_t offset);
bool guest_log_memory(struct guest *g, bool on);
bool guest_log_ring(struct guest *g, uint32_t ring, bool on, uint64_t used);

/* Guest-physical address of a ring's used part (packed: the device's event area). */
uint64_t guest_used_at(const struct guest *g, uint32_t ring);

/* Waits until the switch uses rings that were started: a device begins after the reply to the message that
 * completed it, so this asks for one more. */
bool guest_begun(struct guest *g);

/* Closes the connection. */
void guest_down(struct guest *g);

/* Empties both rings, as a driver's reset does, and offers the receive buffers. */
void guest_reset_rings(struct guest *g);

/* Where the guest-physical or user address of an offset in its memory is. */
static inline uint64_t guest_gpa(uint64_t offset)
{
	return GUEST_GPA + offset;
}

/* Sends up to `n` frames of `len` bytes to `to`. Return: how many found room. */
uint32_t guest_send(struct guest *g, uint8_t to, uint32_t len, uint32_t n);

/* Takes frames in; checks them unless the sender is 0. Return: how many there were. */
uint32_t guest_receive(struct guest *g, uint8_t from);

/* Takes in one frame of anybody. Return: how many there were. */
uint32_t guest_receive_one(struct guest *g);

/* Tells the switch about new buffers, where it asks for that. */
void guest_kick(struct guest *g, uint32_t ring);

#endif
