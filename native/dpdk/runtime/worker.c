#include "worker.h"
#include "callfd_guard.h"
#include "sandbox.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>

/* Spinning longer than a kick and a wake-up cost (some 10 us) does not pay; shorter makes bursty guests kick.
 */
#define VH_IDLE_US 50
/* How often a worker looks by itself while one of its guests gave no kick eventfd. */
#define VH_UNKICKED_MS 1
#define VH_SLEEP_MS 1000
/* Waiting for workers: a turn of theirs is shorter than the first; the second is between looks after that. */
#define TURN_US 50
#define LOOK_US 50
/* A worker that sleeps within a turn for so many seconds cannot be woken: there is nothing left to wait for.
 */
#define LOST_S 10

struct plan {
	uint32_t n;
	struct vh_plan_queue queue[];
};

struct worker {
	uint32_t id;
	int cpu;
	pthread_t thread;
	int epoll_fd, wake_fd;
	const struct plan *plan; /* atomic; control side replaces */
	int32_t unkicked;	 /* atomic; live queues without kick eventfd */
	struct vh_lane *lane;
	int32_t tid;		   /* atomic; set by the thread */
	uint32_t offline;	   /* atomic; asleep, as it may be */
	struct vh_call_slot *slot; /* the thread's */

	/* Written by the thread, read by anybody: relaxed atomics. */
	uint64_t cycles VH_CACHE_ALIGNED;
	uint64_t busy_cycles, packets, sleeps;
} VH_CACHE_ALIGNED;

static struct {
	struct vh_switch *sw;
	vh_poll_function poll;
	struct rte_rcu_qsbr *rcu;
	struct worker *worker;
	uint32_t n;
	bool adaptive;
	uint32_t stop; /* atomic */
	uint64_t hz, epoch;
} pool;

uint64_t vh_workers_ticks_per_us(void)
{
	return rte_get_tsc_hz() / 1000000;
}

/* Starts at 1: a second of 0 would be older than anything. */
static uint32_t second_of(uint64_t tsc)
{
	return 1 + (uint32_t)((tsc - pool.epoch) / pool.hz);
}

uint32_t vh_workers_now(void)
{
	return second_of(rte_rdtsc());
}

/* Tells the guests of all live queues whether they should kick. Return: whether there is work after all. */
static bool want_kicks(const struct worker *w, const struct plan *plan, bool on)
{
	bool work = false;

	for (uint32_t i = 0; i < plan->n; i++) {
		struct vh_vq *vq = &plan->queue[i].port->tx[plan->queue[i].pair];

		/* Nobody kicks at an uplink: its worker looks by itself (vh_workers_unkicked()). */
		if (plan->queue[i].port->uplink != NULL || !vh_vq_is_live(vq))
			continue;
		vh_txq_settle(vq, &plan->queue[i].port->counters[w->lane->worker]);
		work |= vh_vq_want_kicks(vq, on);
	}
	return work;
}

/* Sleeps until a guest kicks or the control side wakes us. */
static void sleep_until_kicked(struct worker *w)
{
	const struct plan *plan = __atomic_load_n(&w->plan, __ATOMIC_ACQUIRE);
	int timeout = __atomic_load_n(&w->unkicked, __ATOMIC_RELAXED) > 0 ? VH_UNKICKED_MS : VH_SLEEP_MS;
	struct epoll_event events[16];

	if (!want_kicks(w, plan, true)) {
		/* Offline: the control side need not wait for a sleeper, which holds no pointer across the
		 * wait. */
		rte_rcu_qsbr_thread_offline(pool.rcu, w->id);
		__atomic_store_n(&w->offline, 1, __ATOMIC_RELEASE);
		epoll_wait(w->epoll_fd, events, 16, timeout);
		__atomic_store_n(&w->offline, 0, __ATOMIC_RELEASE);
		rte_rcu_qsbr_thread_online(pool.rcu, w->id);
		vh_count(&w->sleeps, 1);
		plan = __atomic_load_n(&w->plan, __ATOMIC_ACQUIRE);
	}
	want_kicks(w, plan, false);
}

/* One round over the plan. Return: how many chains were moved. */
static uint32_t poll_once(struct worker *w)
{
	const struct plan *plan = __atomic_load_n(&w->plan, __ATOMIC_ACQUIRE);
	uint32_t moved = 0;

	for (uint32_t i = 0; i < plan->n; i++) {
		const struct vh_plan_queue *q = &plan->queue[i];

		if (vh_likely(vh_vq_is_live(&q->port->tx[q->pair])))
			moved += pool.poll(pool.sw, w->lane, q->port, q->pair);
	}
	return moved;
}

static void *loop(void *arg)
{
	struct worker *w = arg;
	uint64_t idle_cycles = pool.hz / 1000000 * VH_IDLE_US;
	uint64_t last = rte_rdtsc(), last_work = last, next_second = 0;

	__atomic_store_n(&w->tid, (int32_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
	/* Gives it caches in front of packet buffers; without, it is merely slower. */
	(void)rte_thread_register();
	w->slot = vh_call_join(true);
	vh_confine_worker();
	rte_rcu_qsbr_thread_online(pool.rcu, w->id);
	while (__atomic_load_n(&pool.stop, __ATOMIC_RELAXED) == 0) {
		uint32_t moved = poll_once(w);
		uint64_t now = rte_rdtsc();

		rte_rcu_qsbr_quiescent(pool.rcu, w->id);
		vh_count(&w->cycles, now - last);
		if (moved > 0) {
			vh_count(&w->busy_cycles, now - last);
			vh_count(&w->packets, moved);
			last_work = now;
		} else if (pool.adaptive && now - last_work > idle_cycles &&
			   __atomic_load_n(&w->lane->parked, __ATOMIC_RELAXED) == 0) {
			sleep_until_kicked(w);
			now = last_work = rte_rdtsc();
			vh_call_idle(w->slot, now);
		} else {
			vh_call_idle(w->slot, now);
			vh_pause();
		}
		last = now;
		w->lane->ticks = now;
		/* A division for each turn would be a good part of a short one. */
		if (vh_unlikely(now >= next_second)) {
			w->lane->now = second_of(now);
			next_second = pool.epoch + w->lane->now * pool.hz;
		}
	}
	rte_rcu_qsbr_thread_offline(pool.rcu, w->id);
	vh_call_leave();
	rte_thread_unregister();
	return NULL;
}

static int prepare(struct worker *w, uint32_t id, int cpu)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	w->id = id;
	w->cpu = cpu;
	w->lane = aligned_alloc(
		VH_CACHE_LINE, (sizeof(*w->lane) + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE);
	w->plan = calloc(1, sizeof(struct plan));
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->lane == NULL || w->plan == NULL || w->epoll_fd < 0 || w->wake_fd < 0)
		return -1;
	memset(w->lane, 0, sizeof(*w->lane));
	vh_lane_init(w->lane, (uint16_t)id);
	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event);
}

static int launch(struct worker *w)
{
	char name[16];
	pthread_attr_t attr;
	int result;

	pthread_attr_init(&attr);
	if (w->cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET((size_t)w->cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	rte_rcu_qsbr_thread_register(pool.rcu, w->id);
	result = pthread_create(&w->thread, &attr, loop, w);
	pthread_attr_destroy(&attr);
	if (result != 0)
		return result;
	snprintf(name, sizeof(name), "vh-worker-%u", w->id);
	pthread_setname_np(w->thread, name);
	return 0;
}

/* Ends the first `n` threads and frees everything; also after a start that failed half way. */
static void tear_down(uint32_t n)
{
	__atomic_store_n(&pool.stop, 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < n; i++) {
		vh_workers_wake(i);
		pthread_join(pool.worker[i].thread, NULL);
	}
	for (uint32_t i = 0; i < pool.n; i++) {
		struct worker *w = &pool.worker[i];

		if (w->epoll_fd >= 0)
			close(w->epoll_fd);
		if (w->wake_fd >= 0)
			close(w->wake_fd);
		free(w->lane);
		free((void *)(uintptr_t)w->plan);
	}
	free(pool.worker);
	free(pool.rcu);
	memset(&pool, 0, sizeof(pool));
}

int vh_workers_start(struct vh_switch *sw, const struct vh_workers_options *o, char *error, size_t room)
{
	uint32_t n = o->n;
	/* One more than there are workers: vh_workers_join(). */
	size_t rcu_size = rte_rcu_qsbr_get_memsize(n + 1);
	int result;

	pool.sw = sw;
	pool.n = n;
	pool.adaptive = o->adaptive;
	pool.poll = o->poll;
	pool.stop = 0;
	pool.hz = rte_get_tsc_hz();
	pool.epoch = rte_rdtsc();
	pool.worker = aligned_alloc(VH_CACHE_LINE, n * sizeof(*pool.worker));
	pool.rcu =
		aligned_alloc(VH_CACHE_LINE, (rcu_size + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE);
	if (pool.worker == NULL || pool.rcu == NULL || rte_rcu_qsbr_init(pool.rcu, n + 1) != 0) {
		free(pool.worker);
		free(pool.rcu);
		memset(&pool, 0, sizeof(pool));
		snprintf(error, room, "out of memory for %u workers", n);
		return -1;
	}
	memset(pool.worker, 0, n * sizeof(*pool.worker));
	rte_rcu_qsbr_thread_register(pool.rcu, n);
	for (uint32_t i = 0; i < n; i++)
		pool.worker[i].epoll_fd = pool.worker[i].wake_fd = -1;
	for (uint32_t i = 0; i < n; i++) {
		if (prepare(&pool.worker[i], i, o->cpu[i]) != 0) {
			snprintf(error, room, "worker %u: %s", i, strerror(errno));
			tear_down(i);
			return -1;
		}
		result = launch(&pool.worker[i]);
		if (result != 0) {
			snprintf(error, room, "worker %u on CPU %d: %s", i, o->cpu[i], strerror(result));
			tear_down(i);
			return -1;
		}
	}
	return 0;
}

void vh_workers_stop(void)
{
	if (pool.worker != NULL)
		tear_down(pool.n);
}

uint32_t vh_workers_count(void)
{
	return pool.n;
}

/*
 * One worker sleeps in the middle of a turn, and nothing has ended that: neither vh-guard nor time. What it
 * uses cannot be taken away, and everybody who waits for it would wait for ever, the API among them. Ports
 * and guests outlive the process, which its service starts again.
 */
static _Noreturn void give_up(const struct worker *w)
{
	dprintf(STDERR_FILENO,
		"worker %u (thread %d) has slept in a system call for %u s and cannot be interrupted: the "
		"switch "
		"ends, and its service starts it anew\n",
		w->id, __atomic_load_n(&w->tid, __ATOMIC_RELAXED), LOST_S);
	abort();
}

/* The worker that is asleep although it has not passed, or NULL. `turns`: what it had counted at first. */
static const struct worker *find_sleeper(const uint64_t *turns)
{
	for (uint32_t i = 0; i < pool.n; i++) {
		const struct worker *w = &pool.worker[i];
		char state;

		if (__atomic_load_n(&w->cycles, __ATOMIC_RELAXED) != turns[i] ||
			__atomic_load_n(&w->offline, __ATOMIC_ACQUIRE) != 0)
			continue;
		state = vh_call_guard_state(__atomic_load_n(&w->tid, __ATOMIC_RELAXED));
		if (state == 'S' || state == 'D')
			return w;
	}
	return NULL;
}

/* Waits on, in sleep; one that has no processor will go on, and vh-guard ends what is not a front end's to
 * decide. */
static void wait_long(uint64_t token)
{
	static const struct timespec nap = {.tv_nsec = LOOK_US * 1000};
	uint64_t turns[VH_MAX_WORKERS], second = pool.hz, looked = rte_rdtsc();
	uint32_t asleep = 0;

	for (uint32_t i = 0; i < pool.n; i++)
		turns[i] = __atomic_load_n(&pool.worker[i].cycles, __ATOMIC_RELAXED);
	while (rte_rcu_qsbr_check(pool.rcu, token, false) == 0) {
		const struct worker *w;

		nanosleep(&nap, NULL);
		if (rte_rdtsc() - looked < second)
			continue;
		looked = rte_rdtsc();
		w = find_sleeper(turns);
		asleep = w == NULL ? 0 : asleep + 1;
		if (asleep == LOST_S)
			give_up(w);
	}
}

void vh_workers_sync(void)
{
	uint64_t token = rte_rcu_qsbr_start(pool.rcu), begin = rte_rdtsc();

	while (rte_rcu_qsbr_check(pool.rcu, token, false) == 0) {
		if (rte_rdtsc() - begin > pool.hz / 1000000 * TURN_US) {
			wait_long(token);
			return;
		}
		vh_pause();
	}
}

void vh_workers_join(void)
{
	rte_rcu_qsbr_thread_online(pool.rcu, pool.n);
}

void vh_workers_leave(void)
{
	rte_rcu_qsbr_thread_offline(pool.rcu, pool.n);
}

int vh_workers_plan(uint32_t worker, const struct vh_plan_queue *queues, uint32_t n)
{
	struct worker *w = &pool.worker[worker];
	struct plan *fresh = calloc(1, sizeof(*fresh) + n * sizeof(fresh->queue[0]));
	const struct plan *old = w->plan;

	if (fresh == NULL)
		return -1;
	fresh->n = n;
	memcpy(fresh->queue, queues, n * sizeof(fresh->queue[0]));
	__atomic_store_n(&w->plan, fresh, __ATOMIC_RELEASE);
	vh_workers_wake(worker);
	vh_workers_sync();
	free((void *)(uintptr_t)old);
	return 0;
}

int vh_workers_watch(uint32_t worker, int kick_fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	return epoll_ctl(pool.worker[worker].epoll_fd, EPOLL_CTL_ADD, kick_fd, &event);
}

void vh_workers_unwatch(uint32_t worker, int kick_fd)
{
	epoll_ctl(pool.worker[worker].epoll_fd, EPOLL_CTL_DEL, kick_fd, NULL);
}

void vh_workers_unkicked(uint32_t worker, int change)
{
	__atomic_fetch_add(&pool.worker[worker].unkicked, change, __ATOMIC_RELAXED);
}

void vh_workers_wake(uint32_t worker)
{
	static const uint64_t one = 1;
	/* A full counter means that it is awake anyway; the edge of this write is what counts. */
	ssize_t ignored = write(pool.worker[worker].wake_fd, &one, sizeof(one));

	(void)ignored;
}

void vh_workers_stats(uint32_t worker, struct vh_worker_stats *out)
{
	const struct worker *w = &pool.worker[worker];

	*out = (struct vh_worker_stats){.cpu = w->cpu,
		.tid = __atomic_load_n(&w->tid, __ATOMIC_RELAXED),
		.queues = w->plan->n,
		.cycles = __atomic_load_n(&w->cycles, __ATOMIC_RELAXED),
		.busy_cycles = __atomic_load_n(&w->busy_cycles, __ATOMIC_RELAXED),
		.packets = __atomic_load_n(&w->packets, __ATOMIC_RELAXED),
		.sleeps = __atomic_load_n(&w->sleeps, __ATOMIC_RELAXED)};
}

int32_t vh_workers_tid(uint32_t worker)
{
	return __atomic_load_n(&pool.worker[worker].tid, __ATOMIC_RELAXED);
}
