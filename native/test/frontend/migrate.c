/*
 * migrate SOCKET SOURCE_SOCKET TARGET_SOCKET split|packed
 *
 * A guest moves from one port to another while it and a partner send to each other: its memory is copied by
 * the dirty log alone, page by page, and compared byte by byte once it stands still; then it goes on from the
 * copy. Prints one JSON object. Ends with 1 and a line on stderr when something went wrong.
 */
#include "vu/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PARTNER 1
#define MOVER 2
#define SIZE 256
#define PAGE 4096U
#define LOG_BYTES ((GUEST_GPA + GUEST_MEMORY) / PAGE / 8)
/* Not a page's offset: the log may begin anywhere in its file. */
#define LOG_OFFSET 40U
#define ROUNDS 60

static struct guest partner, source, target;
static uint8_t *bitmap, *copy;
static uint64_t copied;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "migrate: %s\n", what);
	exit(1);
}

static int make_log(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, LOG_OFFSET + LOG_BYTES) == 0)
		map = mmap(NULL, LOG_OFFSET + LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map != MAP_FAILED, "no log");
	bitmap = map + LOG_OFFSET;
	return fd;
}

static void log_all(bool on)
{
	must(guest_log_memory(&source, on), "logging was not acknowledged");
	for (uint32_t i = 0; i < 2; i++)
		must(guest_log_ring(&source, i, on, guest_used_at(&source, i)),
			"a ring's logging was not acknowledged");
}

static void copy_page(uint64_t page)
{
	uint64_t at = page * PAGE - GUEST_GPA;

	must(page * PAGE >= GUEST_GPA && at < GUEST_MEMORY, "a page was marked that the guest has not");
	memcpy(copy + at, source.memory + at, PAGE);
	copied++;
}

/* Takes the marks out and copies their pages, as a front end does while the guest runs. Return: how many. */
static uint64_t sync_copy(void)
{
	uint64_t before = copied;

	for (uint64_t i = 0; i < LOG_BYTES; i++) {
		uint8_t marks = bitmap[i] == 0 ? 0 : __atomic_exchange_n(&bitmap[i], 0, __ATOMIC_SEQ_CST);

		for (uint32_t bit = 0; bit < 8; bit++)
			if ((marks >> bit & 1) != 0)
				copy_page(i * 8 + bit);
	}
	return copied - before;
}

/* What its driver writes itself, which a hypervisor knows from elsewhere: descriptors, offers, frames. */
static void copy_drivers_pages(void)
{
	uint64_t from = GUEST_BUFFERS_AT + SIZE * GUEST_BUFFER;

	for (int i = 0; i < 2; i++) {
		const struct ring *r = &source.ring[i];
		uint64_t at = (uint64_t)((uint8_t *)r->desc - source.memory);

		memcpy(copy + at, source.memory + at, (size_t)((uint8_t *)r->device - (uint8_t *)r->desc));
	}
	memcpy(copy + from, source.memory + from, SIZE * GUEST_BUFFER);
}

static void flow(struct guest *mover, uint32_t turns)
{
	/* The mover first: its address is known then. */
	must(flow_both(mover, &partner, turns), "the switch does not take frames");
}

static void settle(struct guest *mover)
{
	must(flow_settle(&partner, mover) && flow_settle(mover, &partner), "the switch does not take frames");
	must(partner.wrong == NULL, partner.wrong);
	must(mover->wrong == NULL, mover->wrong);
	/* Behind the last ones that were lost comes no frame that shows the gap. */
	mover->lost += partner.sent - mover->expected;
	mover->expected = partner.sent;
}

/* Once more without: what nobody logs must not be marked. */
static void switch_on_and_off(void)
{
	for (int i = 0; i < 3; i++) {
		log_all(true);
		flow(&source, 4);
		log_all(false);
		sync_copy();
		flow(&source, 4);
		must(sync_copy() == 0, "something is marked though nothing is logged");
	}
}

static void stop_source(uint32_t base[2])
{
	settle(&source);
	for (uint32_t i = 0; i < 2; i++)
		must(vu_get_base(source.sock, i, &base[i]), "no position");
	sync_copy();
	copy_drivers_pages();
	for (uint64_t at = 0; at < GUEST_MEMORY; at += PAGE) {
		if (memcmp(copy + at, source.memory + at, PAGE) == 0)
			continue;
		fprintf(stderr, "migrate: the page at %#llx was written and not marked\n",
			(unsigned long long)at);
		exit(1);
	}
	guest_down(&source);
}

/* The partner hears that the guest has moved, before the guest has said anything itself. */
static void hear_announcement(void)
{
	uint64_t end = vu_now() + 10000000000ULL, rarp = 0;
	const uint8_t *p;

	for (int i = 5; i >= 0; i--)
		rarp = rarp << 8 | (uint64_t)(i == 0 ? 2 : i == 5 ? MOVER : 0);
	must(vu_u64(target.sock, VU_SEND_RARP, rarp) && guest_begun(&target), "no RARP");
	p = partner.memory + GUEST_BUFFERS_AT + partner.ring[GUEST_RX].reaped % SIZE * GUEST_BUFFER +
	    GUEST_HEADER;
	while (guest_receive_one(&partner) == 0)
		must(vu_now() < end, "nobody hears the RARP");
	must(p[0] == 0xff && p[11] == MOVER && p[12] == 0x80 && p[13] == 0x35 && p[21] == 3,
		"what was heard is no RARP");
}

static void start_target(const uint32_t base[2])
{
	memcpy(target.memory, copy, GUEST_MEMORY);
	target.sent = source.sent;
	target.expected = source.expected;
	for (uint32_t i = 0; i < 2; i++) {
		struct ring *r = &target.ring[i];
		const struct ring *was = &source.ring[i];

		r->offered = was->offered;
		r->reaped = was->reaped;
	}
	must(guest_negotiate(&target) && guest_share(&target, 1), "the target does not take the guest");
	for (uint32_t i = 0; i < 2; i++)
		must(guest_start_ring(&target, i, base[i]), "a ring does not start at the target");
	must(guest_begun(&target), "the target does not begin");
}

int main(int argc, char **argv)
{
	bool packed = argc == 5 && strcmp(argv[4], "packed") == 0;
	uint64_t live = 0;
	uint32_t base[2];
	int fd;

	must(argc == 5, "usage: migrate SOCKET SOURCE_SOCKET TARGET_SOCKET split|packed");
	must(guest_make(&partner, argv[1], PARTNER, packed, SIZE) &&
			guest_make(&source, argv[2], MOVER, packed, SIZE) &&
			guest_make(&target, argv[3], MOVER, packed, SIZE),
		"no memory");
	copy = malloc(GUEST_MEMORY);
	must(copy != NULL && guest_up(&partner) && guest_up(&source), "the switch did not take the guests");
	flow(&source, 4);
	fd = make_log();
	must(guest_log_base(&source, fd, LOG_BYTES, LOG_OFFSET), "the log was not acknowledged");
	switch_on_and_off();
	log_all(true);
	/* The whole memory once, then what changes. */
	memcpy(copy, source.memory, GUEST_MEMORY);
	for (int i = 0; i < ROUNDS; i++) {
		flow(&source, 2);
		live += sync_copy();
	}
	stop_source(base);
	start_target(base);
	hear_announcement();
	flow(&target, 20);
	settle(&target);
	printf("{\"live\":%llu,\"lost\":{\"source\":%llu,\"target\":%llu}}\n", (unsigned long long)live,
		(unsigned long long)source.lost, (unsigned long long)(target.lost));
	guest_free(&partner);
	guest_free(&source);
	guest_free(&target);
	return 0;
}
