/*
 * Guests' memory on loan to a card: mapped a second time, for as long as anybody may still read frames in it.
 *
 * Theory of operation
 *   librte_vhost unmaps a guest's memory when its front end goes or sends another table, whatever a card is
 * reading just then. So frames that are sent from where they are lie, for the card, in a mapping of our own
 * of the same files, registered with EAL and mapped for DMA (IOVA = the address here). A loan ends when its
 * session says so and no frame of it is out, nor a buffer that a card would write to; until then it stays,
 * and the port's next guest is sent with copies, so that a card that gives nothing back costs each port no
 * more than one guest's memory.
 *
 *   A card pins what it is mapped. Memory that is not all there would be allocated by that, at the switch's
 * expense, so only files whose pages are there are lent (QEMU: prealloc=on, hugepages).
 *
 *       none --vh_loan_open()--> open --vh_loan_close()--> closing --nothing out--> none
 *
 * Threads: opened and closed by whoever holds the session's lock; cards come and go on the control thread.
 * Workers read a loan while one of the port's queues is live, and only its regions and `mapped`.
 */
#ifndef VH_DPDK_UPLINK_GUEST_DMA_H
#define VH_DPDK_UPLINK_GUEST_DMA_H

#include "../../virtio/tx_inflight.h"

struct rte_device;
struct rte_vhost_memory;

struct vh_loan_region {
	const uint8_t *from; /* librte_vhost's mapping */
	uint8_t *at;	     /* ours */
	size_t size;
};

/* A transmit queue whose frames are lent. */
struct vh_lent_queue {
	struct vh_hold hold;
	struct vh_loan *loan;
	struct vh_lent_queue *next; /* of those that have stopped */
};

struct vh_loan {
	bool open;
	bool told;	 /* why there is none */
	bool told_in;	 /* why frames for its guest are copied; atomic */
	bool whole;	 /* all pages are there */
	uint32_t mapped; /* atomic; the card reaches it */
	uint32_t posted; /* atomic; receive buffers in it that a card may write to (zc_rx.h) */
	uint32_t n;	 /* regions; 0: no loan */
	struct vh_loan_region region[VH_MAX_REGIONS];
	struct vh_lent_queue *left; /* queues that have stopped and whose frames are still out */
};

/* Lends the memory that the library has mapped now, unless that is done already; why not is said in the log,
 * once. */
void vh_loan_open(uint16_t port, const struct rte_vhost_memory *table);

/* The session does not use it any more. */
void vh_loan_close(uint16_t port);

/* Return: a queue of the port's loan, or NULL: none is open, or no memory. */
struct vh_lent_queue *vh_loan_queue(uint16_t port, uint32_t ring_size);

/* Frees it; at once, or when its last frame is back. */
void vh_loan_queue_end(struct vh_lent_queue *queue);

/* Return: the port's loan, if it is open and a card reaches it, or NULL. */
struct vh_loan *vh_loan_of(uint16_t port);

/*
 * Takes the port's memory away from the card, which may still read and write there: what it reads is nothing
 * then, and what it writes goes nowhere. The loan stays until nothing of it is out.
 */
void vh_loan_revoke(uint16_t port);

/* Ends the loans that are over. From time to time. */
void vh_loan_reap(void);

/*
 * Maps all loans, those of today and those to come, for a card; one at a time can be served, because EAL
 * keeps one list for all. Return: 0, or a negative errno with the reason.
 */
int vh_loan_to(struct rte_device *card, char *error, size_t n);

/* The card has stopped and reads nothing any more. */
void vh_loan_from(struct rte_device *card);

/* Return: where [p, p + len) of the library's mapping is in ours, or NULL. */
static inline uint8_t *vh_loan_at(const struct vh_loan *loan, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < loan->n; i++) {
		const struct vh_loan_region *r = &loan->region[i];
		size_t offset = (size_t)(p - r->from);

		if (offset < r->size && len <= r->size - offset)
			return r->at + offset;
	}
	return NULL;
}

#endif
