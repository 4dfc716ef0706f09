#include "dirty_log.h"
#include "vu_conn.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096ULL
/* Guest memory per byte of a bitmap. */
#define BYTE_COVERS (8 * PAGE)
/* How often what was marked is carried over. The client reads it for good only when rings stand still. */
#define CARRY_MS 100
/* Of a bitmap, as the gate has it; and of guest memory altogether, so that marking all of it ends. */
#define MAX_LOG (1ULL << 37)
#define MAX_LOGGED (1ULL << 43)
/* A piece of a bitmap that is looked at at once: what the file system keeps or not. */
#define PIECE 4096U

bool vh_cuse_log_wanted(const struct vh_cuse_port *p)
{
	for (uint32_t i = 0; i < VH_CUSE_CLIENTS; i++)
		if (p->client[i].id != 0 && (p->client[i].features & VH_CUSE_LOG_ALL) != 0)
			return true;
	return false;
}

void vh_cuse_log_init(struct vh_cuse_link *l)
{
	l->log = (struct vh_cuse_log){.marks = vh_cuse_no_marks(), .memory = -1};
	/* A bridge before this one may have had marks. */
	l->port->log_lost = l->port->log != 0;
}

static uint64_t bytes_for(uint64_t gpa, uint64_t size)
{
	return (gpa + size - 1) / BYTE_COVERS + 1;
}

/* What a bitmap of all memory needs; 0 where that is none, or too much. */
static uint64_t needed(const struct vh_cuse_link *l)
{
	const struct vh_cuse_port *p = l->port;
	uint64_t most = 0, logged = 0;

	for (uint32_t i = 0; i < p->regions; i++) {
		uint64_t n = bytes_for(p->region[i].guest_phys_addr, p->region[i].memory_size);

		if (p->region[i].memory_size > MAX_LOGGED - logged)
			return 0;
		logged += p->region[i].memory_size;
		most = n > most ? n : most;
	}
	/* The back end may still have an older table, and holds the log to that. */
	for (uint32_t i = 0; i < l->parts; i++) {
		uint64_t n = bytes_for(l->part[i].gpa, l->part[i].size);

		most = n > most ? n : most;
	}
	return most <= MAX_LOG ? most : 0;
}

bool vh_cuse_log_fits(const struct vh_cuse_link *l, uint64_t address)
{
	const struct vh_cuse_world *w = l->world;
	uint64_t need = needed(l);
	uint8_t scrap;

	return need > 0 && address > 0 && address <= INT64_MAX - need &&
	       w->peek(w->self, l->port->process, address, &scrap, 1) == 0 &&
	       w->peek(w->self, l->port->process, address + need - 1, &scrap, 1) == 0;
}

/* The bits of one byte whose pages the guest has. */
static uint8_t pages_at(const struct vh_cuse_port *p, uint64_t byte)
{
	uint8_t bits = 0;

	for (uint32_t bit = 0; bit < 8; bit++) {
		uint64_t gpa = byte * BYTE_COVERS + bit * PAGE;

		for (uint32_t i = 0; i < p->regions; i++)
			/* Also of a page that the region has only in part. */
			if (gpa < p->region[i].guest_phys_addr + p->region[i].memory_size &&
				p->region[i].guest_phys_addr < gpa + PAGE)
				bits |= (uint8_t)(1U << bit);
	}
	return bits;
}

/* Writes to the client's bitmap. Return: whether that is still possible. */
static bool put(struct vh_cuse_link *l, uint64_t byte, const uint8_t *from, size_t n)
{
	const struct vh_cuse_world *w = l->world;

	if (pwrite(l->log.memory, from, n, (off_t)(l->port->log + byte)) == (ssize_t)n)
		return true;
	w->say(w->self, "the dirty log of process %d cannot be written", (int)l->port->process);
	return false;
}

/* Takes the marks out of a piece, and writes each run of bytes that had some. */
static void carry_piece(struct vh_cuse_link *l, uint8_t *map, uint64_t at, uint32_t n)
{
	uint8_t bytes[PIECE];

	for (uint32_t i = 0, run = 0; i <= n; i++) {
		uint8_t bits = 0;

		if (i < n && __atomic_load_n(&map[at + i], __ATOMIC_RELAXED) != 0 &&
			__atomic_exchange_n(&map[at + i], 0, __ATOMIC_SEQ_CST) != 0)
			bits = pages_at(l->port, at + i);
		/* Pages that the guest has no more have no place in the client's bitmap. */
		if (bits != 0)
			bytes[run++] = bits;
		if (bits != 0 || run == 0)
			continue;
		if (!put(l, at + i - run, bytes, run))
			return;
		run = 0;
	}
}

static void carry(struct vh_cuse_link *l, const struct vh_cuse_marks *m)
{
	off_t at = 0;

	/* Where nothing was ever marked the file has holes, which stay. */
	while (m->map != NULL && (at = lseek(m->file, at, SEEK_DATA)) >= 0 && (uint64_t)at < m->size) {
		uint64_t left = m->size - (uint64_t)at;

		carry_piece(l, m->map, (uint64_t)at, left < PIECE ? (uint32_t)left : PIECE);
		at += PIECE;
	}
}

/* Everything that the guest has. */
static void mark_all(struct vh_cuse_link *l)
{
	const struct vh_cuse_port *p = l->port;
	uint8_t bytes[PIECE];

	for (uint32_t i = 0; i < p->regions; i++) {
		uint64_t at = p->region[i].guest_phys_addr / BYTE_COVERS;
		uint64_t end = bytes_for(p->region[i].guest_phys_addr, p->region[i].memory_size);

		while (at < end) {
			uint32_t n = end - at < PIECE ? (uint32_t)(end - at) : PIECE;

			/* All pages are the region's, but at its ends. */
			memset(bytes, 0xff, n);
			bytes[0] = pages_at(p, at);
			bytes[n - 1] = pages_at(p, at + n - 1);
			if (!put(l, at, bytes, n))
				return;
			at += n;
		}
	}
}

/* Opens the client's memory, where that was not done yet. */
static bool reach(struct vh_cuse_link *l)
{
	const struct vh_cuse_world *w = l->world;

	if (l->log.memory < 0 && w->birth(w->self, l->port->process) == l->port->started)
		l->log.memory = w->open_memory(w->self, l->port->process, l->port->uid);
	return l->log.memory >= 0;
}

void vh_cuse_log_carry(struct vh_cuse_link *l)
{
	struct vh_cuse_port *p = l->port;

	/* Only as long as a ring runs the bitmap is certain to be there. */
	if (p->log == 0 || !vh_cuse_link_wanted(l) || !reach(l))
		return;
	if (p->log_lost) {
		mark_all(l);
		/* While the link is down, who had it may still be writing. */
		p->log_lost = l->socket < 0;
	}
	carry(l, &l->log.marks);
}

int vh_cuse_log_tell(struct vh_cuse_link *l)
{
	struct vh_cuse_msg m = {.request = VH_CUSE_SET_LOG_BASE, .size = sizeof(m.log)};
	struct vh_cuse_marks was = l->log.marks;
	int error;

	m.log.size = needed(l);
	if (!vh_cuse_log_wanted(l->port) || (was.file >= 0 && was.size >= m.log.size))
		return 0;
	error = m.log.size == 0 ? -E2BIG : vh_cuse_marks_make(&l->log.marks, m.log.size);
	if (error != 0) {
		l->log.marks = was;
		vh_cuse_link_down(l, strerror(-error));
		return error;
	}
	error = vh_cuse_tell(l, &m, &l->log.marks.file, 1, true);
	/* Nobody marks in the old one any more. */
	if (l->port->log != 0 && vh_cuse_link_wanted(l) && reach(l))
		carry(l, &was);
	vh_cuse_marks_drop(&was);
	return error;
}

int vh_cuse_log_tick(struct vh_cuse_link *l)
{
	uint64_t now = l->world->now(l->world->self);

	if (l->socket < 0 || l->log.marks.map == NULL)
		return -1;
	if (now >= l->log.next) {
		vh_cuse_log_carry(l);
		l->log.next = now + CARRY_MS;
	}
	return (int)(l->log.next - now);
}

int vh_cuse_log_base(struct vh_cuse_link *l, uint64_t address)
{
	if (!vh_cuse_log_fits(l, address))
		return -EFAULT;
	if (!reach(l))
		return -EPERM;
	/* What was marked so far belongs into the old one. */
	vh_cuse_log_carry(l);
	l->port->log = address;
	return 0;
}

void vh_cuse_log_close(struct vh_cuse_link *l)
{
	vh_cuse_marks_drop(&l->log.marks);
	if (l->log.memory >= 0)
		close(l->log.memory);
	l->log.memory = -1;
}

void vh_cuse_log_end(struct vh_cuse_link *l)
{
	vh_cuse_log_close(l);
	l->port->log = 0;
	l->port->log_lost = false;
}
