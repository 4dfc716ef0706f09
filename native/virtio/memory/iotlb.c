#include "iotlb.h"

#include <string.h>
#include <time.h>

static uint64_t now_ms(void)
{
	struct timespec t;

	/* Some milliseconds more or less make no difference here. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void vh_iotlb_init(struct vh_iotlb *t, void (*ask)(void *context), void *context)
{
	t->patience_ms = VH_IOTLB_PATIENCE_MS;
	t->ask = ask;
	t->context = context;
}

void vh_iotlb_clear(struct vh_iotlb *t)
{
	vh_lock(&t->lock);
	t->n = t->victim = t->misses = 0;
	vh_unlock(&t->lock);
}

/* Return: the number of the first entry that ends at or after `iova`, or n. */
static uint32_t first_at(const struct vh_iotlb *t, uint64_t iova)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (t->entry[middle].last < iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void drop(struct vh_iotlb *t, uint32_t at, uint32_t n)
{
	memmove(&t->entry[at], &t->entry[at + n], (t->n - at - n) * sizeof(t->entry[0]));
	t->n -= n;
}

/* There must be room. */
static void insert(struct vh_iotlb *t, uint32_t at, struct vh_iotlb_entry e)
{
	memmove(&t->entry[at + 1], &t->entry[at], (t->n - at) * sizeof(t->entry[0]));
	t->entry[at] = e;
	t->n++;
}

/* The part of an entry from `first` on. */
static struct vh_iotlb_entry rest_of(struct vh_iotlb_entry e, uint64_t first)
{
	if (e.p != NULL)
		e.p += first - e.first;
	e.first = first;
	return e;
}

/* Takes [first, last] out. Return: the number of the first entry behind it. */
static uint32_t carve(struct vh_iotlb *t, uint64_t first, uint64_t last)
{
	uint32_t at = first_at(t, first), end;
	struct vh_iotlb_entry *e = &t->entry[at];

	if (at == t->n || e->first > last)
		return at;
	if (e->first < first && e->last > last) {
		struct vh_iotlb_entry rest = rest_of(*e, last + 1);

		e->last = first - 1;
		/* Without room it is asked for again. */
		if (t->n < VH_IOTLB_ENTRIES)
			insert(t, at + 1, rest);
		return at + 1;
	}
	if (e->first < first) {
		e->last = first - 1;
		at++;
	}
	for (end = at; end < t->n && t->entry[end].last <= last; end++)
		;
	if (end < t->n && t->entry[end].first <= last)
		t->entry[end] = rest_of(t->entry[end], last + 1);
	drop(t, at, end - at);
	return at;
}

/* Whether `b` goes on where `a` ends, in both kinds of address. */
static bool follows(const struct vh_iotlb_entry *a, const struct vh_iotlb_entry *b)
{
	return a->last + 1 == b->first && a->access == b->access &&
	       (a->p == NULL ? b->p == NULL : b->p == a->p + (b->first - a->first));
}

/* Strikes out what was asked for and has its answer now. */
static void answered(struct vh_iotlb *t, uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->misses; i++)
		if (t->miss[i].iova > last || t->miss[i].iova + (VH_IOTLB_PAGE - 1) < first)
			t->miss[kept++] = t->miss[i];
	t->misses = kept;
}

void vh_iotlb_update(struct vh_iotlb *t, uint64_t first, uint64_t last, uint8_t *p, uint8_t access)
{
	struct vh_iotlb_entry e = {.first = first, .last = last, .p = p, .access = access};
	uint32_t at;

	vh_lock(&t->lock);
	carve(t, first, last);
	if (t->n == VH_IOTLB_ENTRIES)
		drop(t, t->victim++ % VH_IOTLB_ENTRIES, 1);
	at = first_at(t, first);
	if (at > 0 && follows(&t->entry[at - 1], &e)) {
		e.first = t->entry[at - 1].first;
		e.p = t->entry[at - 1].p;
		drop(t, --at, 1);
	}
	if (at < t->n && follows(&e, &t->entry[at])) {
		e.last = t->entry[at].last;
		drop(t, at, 1);
	}
	insert(t, at, e);
	answered(t, first, last);
	vh_unlock(&t->lock);
}

void vh_iotlb_remove(struct vh_iotlb *t, uint64_t first, uint64_t last)
{
	vh_lock(&t->lock);
	carve(t, first, last);
	vh_unlock(&t->lock);
}

/* Return: the number of the miss that asks for this, or `misses`. */
static uint32_t find_miss(const struct vh_iotlb *t, uint64_t page, uint8_t access)
{
	uint32_t i = 0;

	while (i < t->misses && (t->miss[i].iova != page || t->miss[i].access != access))
		i++;
	return i;
}

static void forget_miss(struct vh_iotlb *t, uint32_t i)
{
	memmove(&t->miss[i], &t->miss[i + 1], (t->misses - i - 1) * sizeof(t->miss[0]));
	t->misses--;
}

/* Under the lock. *fresh: there is something new to ask for. */
static enum vh_iotlb_result note_miss(struct vh_iotlb *t, uint64_t iova, uint8_t access, bool *fresh)
{
	uint64_t page = iova & ~(VH_IOTLB_PAGE - 1), now = now_ms();
	uint32_t i = find_miss(t, page, access);

	if (i < t->misses) {
		if (now - t->miss[i].since < t->patience_ms)
			return VH_IOTLB_MISS;
		forget_miss(t, i);
		return VH_IOTLB_FAULT;
	}
	if (t->misses == VH_IOTLB_MISSES) {
		if (now - t->miss[0].since < t->patience_ms)
			return VH_IOTLB_MISS;
		forget_miss(t, 0);
	}
	t->miss[t->misses++] = (struct vh_iotlb_miss){.iova = page, .since = now, .access = access};
	*fresh = true;
	return VH_IOTLB_MISS;
}

enum vh_iotlb_result vh_iotlb_part(
	struct vh_iotlb *t, uint64_t iova, uint32_t len, uint8_t access, uint8_t **p, uint32_t *got)
{
	enum vh_iotlb_result result = VH_IOTLB_HIT;
	bool fresh = false;
	uint32_t at;

	vh_lock(&t->lock);
	at = first_at(t, iova);
	if (at < t->n && t->entry[at].first <= iova) {
		const struct vh_iotlb_entry *e = &t->entry[at];
		uint64_t left = e->last - iova; /* less one: the whole address space has 2^64 bytes */

		if (e->p == NULL || (e->access & access) != access) {
			result = VH_IOTLB_FAULT;
		} else {
			*p = e->p + (iova - e->first);
			*got = len - 1 <= left ? len : (uint32_t)(left + 1);
		}
	} else {
		uint64_t to_next = VH_IOTLB_PAGE - iova % VH_IOTLB_PAGE;

		result = note_miss(t, iova, access, &fresh);
		*got = len < to_next ? len : (uint32_t)to_next;
	}
	vh_unlock(&t->lock);
	if (fresh && __atomic_exchange_n(&t->due, 1, __ATOMIC_ACQ_REL) == 0)
		t->ask(t->context);
	return result;
}

enum vh_iotlb_result vh_iotlb_whole(
	struct vh_iotlb *t, uint64_t iova, uint32_t len, uint8_t access, uint8_t **p)
{
	enum vh_iotlb_result worst = VH_IOTLB_HIT;
	uint8_t *next = NULL, *part = NULL;
	uint32_t got;

	*p = NULL;
	while (len > 0) {
		enum vh_iotlb_result result = vh_iotlb_part(t, iova, len, access, &part, &got);

		if (result == VH_IOTLB_FAULT)
			return result;
		if (result == VH_IOTLB_MISS) {
			worst = VH_IOTLB_MISS;
		} else {
			if (*p == NULL)
				*p = part;
			else if (part != next && worst == VH_IOTLB_HIT)
				worst = VH_IOTLB_SCATTERED;
			next = part + got;
		}
		iova += got;
		len -= got;
	}
	return worst;
}

bool vh_iotlb_reaches(struct vh_iotlb *t, const uint8_t *p, uint32_t len, uint8_t access)
{
	vh_lock(&t->lock);
	/* Ends: every pass but the last takes bytes off. */
	for (uint32_t before = UINT32_MAX; len > 0 && len < before;) {
		before = len;
		for (uint32_t i = 0; i < t->n && len == before; i++) {
			const struct vh_iotlb_entry *e = &t->entry[i];
			uint64_t offset = (uintptr_t)p - (uintptr_t)e->p;

			if (e->p == NULL || (e->access & access) != access || offset > e->last - e->first)
				continue;
			offset = e->last - e->first - offset; /* what follows in the entry */
			p += len - 1 <= offset ? len : offset + 1;
			len = len - 1 <= offset ? 0 : len - (uint32_t)(offset + 1);
		}
	}
	vh_unlock(&t->lock);
	return len == 0;
}

bool vh_iotlb_take_miss(struct vh_iotlb *t, uint64_t *iova, uint8_t *access)
{
	bool found = false;

	if (__atomic_load_n(&t->due, __ATOMIC_ACQUIRE) == 0)
		return false;
	vh_lock(&t->lock);
	for (uint32_t i = 0; i < t->misses && !found; i++) {
		found = !t->miss[i].asked;
		if (!found)
			continue;
		t->miss[i].asked = true;
		*iova = t->miss[i].iova;
		*access = t->miss[i].access;
	}
	/* Under the lock: whoever notes one from now on calls again. */
	if (!found)
		__atomic_store_n(&t->due, 0, __ATOMIC_RELEASE);
	vh_unlock(&t->lock);
	return found;
}
