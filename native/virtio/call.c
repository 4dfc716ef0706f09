#include "call.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Where many of a port's writes were long, one of so many is measured exactly for some time. */
#define SAMPLED 16
#define EXACT_US 1000000
/* Of writes whose shortest counts. */
#define TRIES 64

struct vh_call_slot vh_call_slots[VH_CALL_SLOTS];
void (*vh_call_wake_apart)(void);

static _Thread_local struct vh_call_slot *mine;
static struct vh_line *due; /* atomic; a stack */
static uint32_t asleep;	    /* atomic; the thread for writes apart */
/* Constant while threads write; nothing is measured before it is known. */
static struct {
	uint64_t per_second;
	uint64_t honest, busy;
} rate = {.honest = UINT64_MAX, .busy = UINT64_MAX};

uint64_t vh_call_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

uint64_t vh_call_us(uint64_t us)
{
	return rate.per_second / 1000000 * us;
}

uint64_t vh_call_excess(uint64_t ticks)
{
	return ticks > rate.honest ? ticks - rate.honest : 0;
}

static bool write_one(int fd)
{
	static const uint64_t one = 1;

	/* A full counter means that the guest has an interrupt pending already: nothing is lost. */
	return write(fd, &one, sizeof(one)) == (ssize_t)sizeof(one);
}

struct vh_call_slot *vh_call_join(bool worker)
{
	int32_t tid = (int32_t)syscall(SYS_gettid);

	for (uint32_t i = 0; i < VH_CALL_SLOTS && mine == NULL; i++) {
		int32_t none = 0;

		if (__atomic_compare_exchange_n(
			    &vh_call_slots[i].tid, &none, tid, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			mine = &vh_call_slots[i];
	}
	if (mine != NULL) {
		mine->worker = worker;
		mine->idle_at = vh_call_ticks();
	}
	return mine;
}

void vh_call_leave(void)
{
	if (mine != NULL)
		__atomic_store_n(&mine->tid, 0, __ATOMIC_RELEASE);
	mine = NULL;
}

static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int64_t times_slept(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nvcsw : 0;
}

/* The calling thread's processor time, and how often it has slept. */
struct sample {
	uint64_t at; /* ticks: when it was asked for */
	uint64_t cpu_ns;
	int64_t slept;
};

static struct sample sample(void)
{
	uint64_t at = vh_call_ticks();

	return (struct sample){.at = at, .slept = times_slept(), .cpu_ns = cpu_time()};
}

/* What asking has cost around a write that lasted from `begin` to `end`; who has lost its processor there
 * pays no more than an honest write takes. */
static uint64_t asking_cost(const struct sample *before, uint64_t begin, uint64_t end)
{
	uint64_t ticks = (begin - before->at) + (vh_call_ticks() - end);

	return ticks < rate.honest ? ticks : rate.honest;
}

/* What a write has cost that took `ticks`. */
static uint64_t cost_of(const struct sample *before, uint64_t ticks)
{
	uint64_t cpu = (uint64_t)((double)(cpu_time() - before->cpu_ns) * ((double)rate.per_second / 1e9));

	return times_slept() != before->slept || cpu > ticks ? ticks : cpu;
}

bool vh_budget_charge(struct vh_budget *b, uint64_t now, uint64_t ticks, uint32_t share)
{
	int64_t full = (int64_t)vh_call_us(VH_CALL_BURST_US);
	bool some;

	vh_lock(&b->lock);
	if (b->at == 0)
		b->left = full;
	else if (now > b->at)
		b->left += (int64_t)((now - b->at) / share);
	if (b->left > full)
		b->left = full;
	b->at = now;
	b->left -= (int64_t)ticks;
	some = b->left > 0;
	/* What nobody could prevent, as one long write, is not paid for for ever. */
	if (b->left < -10 * full)
		b->left = -10 * full;
	vh_unlock(&b->lock);
	return some;
}

/* One of SAMPLED, and nobody knows which. */
static bool is_sampled(uint64_t ticks)
{
	return (ticks * 0x9e3779b97f4a7c15ULL >> 32) % SAMPLED == 0;
}

static void send_apart(struct vh_call *c, uint64_t now)
{
	uint32_t direct = VH_CALL_DIRECT;

	__atomic_store_n(&c->apart_until, now + vh_call_us(VH_CALL_APART_US), __ATOMIC_RELAXED);
	/* Not over MUTED. */
	__atomic_compare_exchange_n(
		&c->stage, &direct, VH_CALL_APART, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/*
 * A write that was long, or one of a busy worker. before: NULL where processor time was not read; times: how
 * many writes it stands for.
 */
static void charge(struct vh_call_slot *s, struct vh_line *line, uint64_t begin, const struct sample *before,
	uint32_t times)
{
	uint64_t now = vh_call_ticks(), ticks = now - begin, besides = 0;
	struct vh_call *c = line->call;
	uint64_t unpaid;
	bool some;

	if (before != NULL) {
		ticks = cost_of(before, ticks);
		unpaid = __atomic_exchange_n(&line->unpaid, 0, __ATOMIC_RELAXED);
		/* Whoever only lost its processor pays for nothing, or busy hosts would look like bad guests.
		 */
		if (ticks > rate.honest)
			besides = asking_cost(before, begin, now) + (unpaid < ticks ? unpaid : ticks);
		__atomic_store_n(&line->exact, ticks > rate.honest, __ATOMIC_RELAXED);
	} else if (ticks > rate.honest) {
		/* Perhaps it had no processor: the next one will tell. */
		__atomic_store_n(&line->exact, true, __ATOMIC_RELAXED);
		__atomic_store_n(&line->unpaid, ticks, __ATOMIC_RELAXED);
		if (!vh_budget_charge(&c->suspicion, now, ticks, VH_CALL_SHARE))
			__atomic_store_n(&c->exact_until, now + vh_call_us(EXACT_US), __ATOMIC_RELAXED);
		return;
	}
	/* Only where there is nothing that others wait for. */
	if (!s->worker || begin - s->idle_at < rate.busy)
		ticks = vh_call_excess(ticks);
	ticks = ticks * times + besides;
	if (ticks == 0)
		return;
	some = vh_budget_charge(&c->budget, now, ticks, VH_CALL_SHARE);
	if (!vh_budget_charge(&s->all, now, ticks, VH_CALL_SHARE_OF_ALL) || !some)
		send_apart(c, now);
}

/* Writes with that published. */
static bool publish_and_write(struct vh_call_slot *s, const struct vh_line *line)
{
	uint64_t n = __atomic_load_n(&s->writes, __ATOMIC_RELAXED);
	bool done;

	__atomic_store_n(&s->port, line->call->port, __ATOMIC_RELAXED);
	__atomic_store_n(&s->writes, n + 1, __ATOMIC_RELEASE);
	done = write_one(line->fd);
	__atomic_store_n(&s->writes, n + 2, __ATOMIC_RELEASE);
	return done;
}

static bool hand_over(struct vh_line *line)
{
	struct vh_line *head;

	if (__atomic_exchange_n(&line->due, 1, __ATOMIC_ACQ_REL) != 0)
		return false;
	head = __atomic_load_n(&due, __ATOMIC_RELAXED);
	do
		line->next = head;
	while (!__atomic_compare_exchange_n(&due, &head, line, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) != 0 &&
		__atomic_exchange_n(&asleep, 0, __ATOMIC_SEQ_CST) != 0)
		vh_call_wake_apart();
	return true;
}

bool vh_call_write(struct vh_line *line)
{
	struct vh_call_slot *s = mine != NULL ? mine : vh_call_join(false);
	struct vh_call *c = line->call;
	uint32_t stage = __atomic_load_n(&c->stage, __ATOMIC_RELAXED);
	uint64_t begin = vh_call_ticks();
	uint32_t times = 0;
	bool done;

	if (vh_unlikely(stage == VH_CALL_MUTED || s == NULL))
		return false;
	if (vh_unlikely(stage == VH_CALL_APART && vh_call_wake_apart != NULL)) {
		if (begin < __atomic_load_n(&c->apart_until, __ATOMIC_RELAXED))
			return hand_over(line);
		__atomic_compare_exchange_n(
			&c->stage, &stage, VH_CALL_DIRECT, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
	if (vh_unlikely(begin < __atomic_load_n(&c->exact_until, __ATOMIC_RELAXED)) && is_sampled(begin))
		times = SAMPLED;
	if (vh_unlikely(__atomic_load_n(&line->exact, __ATOMIC_RELAXED)))
		times = 1;
	if (vh_unlikely(times > 0)) {
		struct sample before = sample();

		begin = vh_call_ticks();
		done = publish_and_write(s, line);
		charge(s, line, begin, &before, times);
		return done;
	}
	done = publish_and_write(s, line);
	if (vh_call_ticks() - begin > rate.honest || begin - s->idle_at >= rate.busy)
		charge(s, line, begin, NULL, 1);
	return done;
}

bool vh_call_write_apart(struct vh_line *line, uint64_t *ticks)
{
	struct vh_call_slot *s = mine != NULL ? mine : vh_call_join(false);
	struct sample before;
	uint64_t begin;
	bool done;

	*ticks = 0;
	if (s == NULL || __atomic_load_n(&line->call->stage, __ATOMIC_RELAXED) == VH_CALL_MUTED)
		return false;
	before = sample();
	begin = vh_call_ticks();
	done = publish_and_write(s, line);
	*ticks = cost_of(&before, vh_call_ticks() - begin);
	__atomic_fetch_add(&line->call->sent_apart, 1, __ATOMIC_RELAXED);
	return done;
}

struct vh_line *vh_call_take_due(void)
{
	return __atomic_exchange_n(&due, NULL, __ATOMIC_SEQ_CST);
}

bool vh_call_apart_sleeps(bool sleeps)
{
	__atomic_store_n(&asleep, sleeps ? 1 : 0, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&due, __ATOMIC_SEQ_CST) == NULL;
}

/* What a write takes that wakes nobody, in ticks. */
static uint64_t least_write(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TRIES && fd >= 0; i++) {
		uint64_t begin = vh_call_ticks(), ticks;

		write_one(fd);
		ticks = vh_call_ticks() - begin;
		least = ticks < least ? ticks : least;
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? least : 0;
}

void vh_call_start(uint64_t ticks)
{
	uint64_t slow = VH_CALL_HONEST_TIMES * least_write();

	rate.per_second = ticks;
	rate.busy = vh_call_us(VH_CALL_BUSY_US);
	rate.honest = vh_call_us(VH_CALL_HONEST_US);
	if (rate.honest < slow)
		rate.honest = slow;
}
