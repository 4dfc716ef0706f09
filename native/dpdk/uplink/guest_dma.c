/* rte_dev_dma_map() has been called experimental since 2019; there is no other way for all buses. */
#define ALLOW_EXPERIMENTAL_API
#include "guest_dma.h"
#include "../runtime/events.h"
#include "../runtime/sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>
#include <rte_vhost.h>

/*
 * Where our mappings lie: low enough for an IOMMU of 39 bits, which many are, above what EAL takes first, and
 * apart from each other, because EAL would merge neighbours and then not take them apart again.
 */
#define WINDOW_START (1ULL << 37)
#define WINDOW_END (15ULL << 35)
#define WINDOW_STEP (1ULL << 30)

static struct {
	pthread_mutex_t lock; /* of everything here but what workers read */
	struct vh_loan of[VH_MAX_PORTS];
	struct rte_device *card;
	uintptr_t next; /* where the next mapping may lie */
} loans = {.lock = PTHREAD_MUTEX_INITIALIZER, .next = WINDOW_START};

/* Return: the mapping, or MAP_FAILED. */
static void *map_in_window(size_t size, int fd, off_t offset)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	if (loans.next + size > WINDOW_END)
		loans.next = WINDOW_START;
	/* A preference only: where it is taken the kernel chooses, and the card's IOMMU has the last word. */
	void *at = mmap((void *)loans.next, size, PROT_READ | PROT_WRITE, flags, fd, offset);

	loans.next += (size / WINDOW_STEP + 2) * WINDOW_STEP;
	return at;
}

/* The largest page that start and length are multiples of, for EAL's books: each page is an entry there. */
static size_t page_of(const void *at, size_t size)
{
	uintptr_t both = (uintptr_t)at | size;

	return both & -both;
}

static int dma_map(struct rte_device *card, void *at, size_t size)
{
	if (rte_extmem_register(at, size, NULL, 0, page_of(at, size)) != 0)
		return -rte_errno;
	if (rte_dev_dma_map(card, at, (uintptr_t)at, size) == 0)
		return 0;
	(void)rte_extmem_unregister(at, size);
	return rte_errno == ENOTSUP ? -ENOTSUP : -EIO;
}

static void dma_unmap(struct rte_device *card, void *at, size_t size)
{
	(void)rte_dev_dma_unmap(card, at, (uintptr_t)at, size);
	(void)rte_extmem_unregister(at, size);
}

static void say_copies(uint16_t port, const char *why)
{
	vh_events_say(
		VH_EVENT_LOG, RTE_LOG_NOTICE, "device %u: its frames are sent with copies: %s", port, why);
}

/* Lets the card reach a loan, or says why it does not. */
static void map_loan(uint16_t port)
{
	struct vh_loan *l = &loans.of[port];
	int result = l->whole ? 0 : -EAGAIN;
	uint32_t i;

	for (i = 0; i < l->n && result == 0; i++)
		result = dma_map(loans.card, l->region[i].at, l->region[i].size);
	if (result == 0) {
		__atomic_store_n(&l->mapped, 1, __ATOMIC_RELEASE);
		return;
	}
	/* All but the one that failed. */
	for (; i > 1; i--)
		dma_unmap(loans.card, l->region[i - 2].at, l->region[i - 2].size);
	say_copies(port, l->whole ? "the card cannot be given the guest's memory"
				  : "the guest's memory is not all there (prealloc=on, hugepages)");
}

static void unmap_loan(struct vh_loan *l)
{
	if (__atomic_exchange_n(&l->mapped, 0, __ATOMIC_RELAXED) == 0)
		return;
	for (uint32_t i = 0; i < l->n; i++)
		dma_unmap(loans.card, l->region[i].at, l->region[i].size);
}

/* Maps one region a second time. Return: NULL, or why not. */
static const char *add_region(uint16_t port, const struct rte_vhost_mem_region *r)
{
	struct vh_loan *l = &loans.of[port];
	uintptr_t host = (uintptr_t)r->host_user_addr;
	off_t offset = (off_t)(host - (uintptr_t)r->mmap_addr);
	struct stat file;
	void *at;

	if (l->n == VH_MAX_REGIONS || fstat(r->fd, &file) != 0)
		return "a memory region has no file";
	if (offset % file.st_blksize != 0 || r->size % (uint64_t)file.st_blksize != 0)
		return "a memory region does not begin or end with a page";
	at = map_in_window(r->size, r->fd, offset);
	if (at == MAP_FAILED)
		return "its memory cannot be mapped a second time";
	vh_sigbus_loan(port, l->n, at, r->size);
	l->whole &= file.st_blocks >= file.st_size / 512;
	l->region[l->n++] = (struct vh_loan_region){.from = (const uint8_t *)host, .at = at, .size = r->size};
	return NULL;
}

/* Takes the mappings back. */
static void end(uint16_t port)
{
	struct vh_loan *l = &loans.of[port];

	unmap_loan(l);
	for (uint32_t i = 0; i < l->n; i++) {
		vh_sigbus_loan(port, i, NULL, 0);
		munmap(l->region[i].at, l->region[i].size);
	}
	memset(l, 0, sizeof(*l));
}

/* Makes the loan. Return: NULL, or why there is none. */
static const char *make(uint16_t port, const struct rte_vhost_memory *table)
{
	struct vh_loan *l = &loans.of[port];
	const char *why = NULL;

	if (l->n > 0)
		return "the card still has frames of the guest before";
	l->whole = true;
	for (uint32_t i = 0; i < table->nregions && why == NULL; i++)
		why = add_region(port, &table->regions[i]);
	if (why != NULL) {
		end(port);
		return why;
	}
	l->open = true;
	if (loans.card != NULL)
		map_loan(port);
	return NULL;
}

void vh_loan_open(uint16_t port, const struct rte_vhost_memory *table)
{
	struct vh_loan *l = &loans.of[port];
	const char *why;

	pthread_mutex_lock(&loans.lock);
	why = l->open || table->nregions == 0 ? NULL : make(port, table);
	if (why != NULL && !l->told) {
		l->told = true;
		say_copies(port, why);
	}
	pthread_mutex_unlock(&loans.lock);
}

static void free_queue(struct vh_lent_queue *q)
{
	free(q->hold.chain);
	free(q);
}

/* Ends a loan that is closed once nothing is out. */
static void try_end(uint16_t port)
{
	struct vh_loan *l = &loans.of[port];

	for (struct vh_lent_queue **at = &l->left; *at != NULL;) {
		struct vh_lent_queue *q = *at;

		if (vh_hold_lends(&q->hold)) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		free_queue(q);
	}
	/* Acquire: what was done with the memory was before. */
	if (l->n > 0 && !l->open && l->left == NULL && __atomic_load_n(&l->posted, __ATOMIC_ACQUIRE) == 0)
		end(port);
}

void vh_loan_close(uint16_t port)
{
	pthread_mutex_lock(&loans.lock);
	loans.of[port].open = loans.of[port].told = false;
	__atomic_store_n(&loans.of[port].told_in, false, __ATOMIC_RELAXED);
	try_end(port);
	pthread_mutex_unlock(&loans.lock);
}

struct vh_lent_queue *vh_loan_queue(uint16_t port, uint32_t ring_size)
{
	uint32_t places = vh_hold_places(ring_size);
	struct vh_lent_queue *q = loans.of[port].open ? calloc(1, sizeof(*q)) : NULL;

	if (q == NULL)
		return NULL;
	q->loan = &loans.of[port];
	q->hold.mask = places - 1;
	q->hold.chain = calloc(places, sizeof(*q->hold.chain));
	if (q->hold.chain != NULL)
		return q;
	free_queue(q);
	return NULL;
}

void vh_loan_queue_end(struct vh_lent_queue *q)
{
	struct vh_loan *l = q->loan;

	pthread_mutex_lock(&loans.lock);
	q->next = l->left;
	l->left = q;
	try_end((uint16_t)(l - loans.of));
	pthread_mutex_unlock(&loans.lock);
}

struct vh_loan *vh_loan_of(uint16_t port)
{
	struct vh_loan *l = &loans.of[port];
	bool reached;

	pthread_mutex_lock(&loans.lock);
	reached = l->open && l->mapped != 0;
	pthread_mutex_unlock(&loans.lock);
	return reached ? l : NULL;
}

void vh_loan_revoke(uint16_t port)
{
	pthread_mutex_lock(&loans.lock);
	unmap_loan(&loans.of[port]);
	pthread_mutex_unlock(&loans.lock);
}

void vh_loan_reap(void)
{
	pthread_mutex_lock(&loans.lock);
	for (uint16_t port = 0; port < VH_MAX_PORTS; port++)
		try_end(port);
	pthread_mutex_unlock(&loans.lock);
}

/* Tries it with a page of our own. Return: 0, or a negative errno with the reason. */
static int try_card(struct rte_device *card, char *error, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at = map_in_window(page, -1, 0);
	int result;

	if (rte_eal_iova_mode() != RTE_IOVA_VA) {
		snprintf(error, n,
			"zero copy needs an IOMMU between its device and memory: there is none, or DPDK does "
			"not use it (intel_iommu=on, vfio-pci)");
		result = -ENOTSUP;
	} else if (at == MAP_FAILED) {
		snprintf(error, n, "no memory to try zero copy with");
		result = -ENOMEM;
	} else {
		result = dma_map(card, at, page);
		if (result == 0)
			dma_unmap(card, at, page);
		else
			snprintf(error, n, "zero copy: its device cannot be given guests' memory%s",
				result == -ENOTSUP ? ", for which it must be bound to vfio-pci" : "");
	}
	if (at != MAP_FAILED)
		munmap(at, page);
	return result;
}

int vh_loan_to(struct rte_device *card, char *error, size_t n)
{
	int result = -EBUSY;

	pthread_mutex_lock(&loans.lock);
	if (loans.card != NULL)
		snprintf(error, n, "zero copy serves one card, and there is one already");
	else
		result = try_card(card, error, n);
	if (result == 0) {
		loans.card = card;
		for (uint16_t port = 0; port < VH_MAX_PORTS; port++)
			if (loans.of[port].open)
				map_loan(port);
	}
	pthread_mutex_unlock(&loans.lock);
	return result;
}

void vh_loan_from(struct rte_device *card)
{
	pthread_mutex_lock(&loans.lock);
	if (loans.card == card) {
		for (uint16_t port = 0; port < VH_MAX_PORTS; port++)
			unmap_loan(&loans.of[port]);
		loans.card = NULL;
	}
	pthread_mutex_unlock(&loans.lock);
}
