/* Call eventfds whose owner means harm, with the real guard (dpdk/runtime/callfd_guard.h) around them. */
#include "../../dpdk/runtime/callfd_guard.h"
#include "../../base/clock.h"
#include "../../dpdk/proxy/proxy.h"
#include "../rig/check.h"
#include "../tests.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WATCHES 4000
#define PATIENCE_MS 20000

/* What the guard tells the relay. */
static struct {
	const char *why;
	uint32_t shut_ms, times;
} told[VH_MAX_PORTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void condemn(uint16_t port, const char *why, uint32_t shut_ms)
{
	pthread_mutex_lock(&lock);
	told[port].why = why;
	told[port].shut_ms = shut_ms;
	told[port].times++;
	pthread_mutex_unlock(&lock);
}

static uint32_t times_condemned(uint16_t port)
{
	uint32_t n;

	pthread_mutex_lock(&lock);
	n = told[port].times;
	pthread_mutex_unlock(&lock);
	return n;
}

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void start_guard(void)
{
	uint64_t begin = vh_now_ms(), ticks = vh_call_ticks();

	while (vh_now_ms() - begin < 50)
		;
	ticks = (vh_call_ticks() - ticks) * 1000 / (vh_now_ms() - begin);
	REQUIRE_EQ(vh_call_guard_start(ticks, condemn), 0);
}

static int make_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	REQUIRE(fd >= 0);
	return fd;
}

static struct vh_line *make_line(uint16_t port, int fd)
{
	struct vh_line *line;

	vh_call_guard_open(port);
	line = vh_call_guard_add(port, fd);
	REQUIRE(line != NULL);
	return line;
}

/* The next write to it finds the counter full, and waits. */
static void block(int fd)
{
	uint64_t scrap;

	REQUIRE_EQ(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	if (read(fd, &scrap, sizeof(scrap)) < 0)
		scrap = 0;
	REQUIRE_EQ(eventfd_write(fd, UINT64_MAX - 1), 0);
	REQUIRE_EQ(fcntl(fd, F_SETFL, O_RDWR), 0);
}

struct writer {
	struct vh_line *line;
	bool worker;
	uint64_t until; /* ms */
	int32_t tid;	/* atomic */
	pthread_t thread;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	struct vh_call_slot *s = vh_call_join(w->worker);

	__atomic_store_n(&w->tid, __atomic_load_n(&s->tid, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
	do {
		vh_call_write(w->line);
		vh_call_idle(s, vh_call_ticks());
	} while (vh_now_ms() < w->until);
	vh_call_leave();
	return NULL;
}

/* Waits until a thread sleeps in its write, or was taken out of it already. */
static void await_sleep(const struct writer *w)
{
	uint64_t end = vh_now_ms() + PATIENCE_MS;
	int32_t tid = 0;

	while ((tid == 0 || vh_call_guard_state(tid) != 'S') && times_condemned(w->line->call->port) == 0) {
		tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE);
		REQUIRE(vh_now_ms() < end);
	}
}

/* Whatever the flag says by the time that anybody looks: who stands still goes on, and its port is shut. */
void test_calls_stand_still(void)
{
	struct writer w[4] = {0};
	uint64_t now, scrap;
	int fd[4];

	start_guard();
	now = vh_now_ms();
	for (uint16_t i = 0; i < 4; i++) {
		fd[i] = make_eventfd();
		w[i] = (struct writer){
			.line = make_line(i, fd[i]), .worker = i != 1, .until = i == 3 ? now + 300 : 0};
		if (i < 3)
			block(fd[i]);
		REQUIRE_EQ(pthread_create(&w[i].thread, NULL, write_on, &w[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		await_sleep(&w[i]);
		if (i > 0)
			REQUIRE_EQ(fcntl(fd[i], F_SETFL, O_RDWR | O_NONBLOCK), 0);
	}
	for (uint16_t i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		REQUIRE_EQ(times_condemned(i), i < 3 ? 1 : 0);
		/* Muted: nobody writes there any more, whatever it is. */
		if (i < 3)
			REQUIRE(!vh_call_write(w[i].line));
	}
	/* The next front end is none the worse, and the second time costs more. */
	REQUIRE_EQ(told[0].shut_ms, VH_SHUT_MS);
	vh_call_guard_welcome(0);
	block(fd[0]);
	REQUIRE(!vh_call_write(w[0].line));
	REQUIRE_EQ(times_condemned(0), 2);
	REQUIRE_EQ(told[0].shut_ms, 2 * VH_SHUT_MS);
	vh_call_guard_welcome(0);
	REQUIRE_EQ(read(fd[0], &scrap, sizeof(scrap)), (ssize_t)sizeof(scrap));
	REQUIRE(vh_call_write(w[0].line));
	for (int i = 0; i < 4; i++) {
		vh_call_guard_remove(w[i].line);
		close(fd[i]);
	}
	vh_call_guard_stop();
}

/* Watches that make each write dear; they go with the process. */
static void hang_watches_on(int fd)
{
	struct rlimit limit;
	int epoll = -1;

	REQUIRE_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	REQUIRE_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < WATCHES; i++) {
		struct epoll_event e = {.events = EPOLLIN | EPOLLET};
		int copy = dup(fd);

		if (i % 1000 == 0)
			epoll = epoll_create1(EPOLL_CLOEXEC);
		REQUIRE(copy >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &e) == 0);
	}
}

/* Microseconds of processor time that one write takes. */
static uint64_t cost_of_write(int fd)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t begin = cpu_us(), us;

		REQUIRE_EQ(eventfd_write(fd, 1), 0);
		us = cpu_us() - begin;
		least = us < least ? us : least;
	}
	return least;
}

/* What a worker spends on a guest that is dear to wake is little, and the guest is refused in the end. */
void test_calls_dear(void)
{
	int dear_fd = make_eventfd(), honest_fd = make_eventfd();
	uint64_t end = vh_now_ms() + PATIENCE_MS, direct = 0, later = 0, cost;
	struct vh_line *dear, *honest;

	start_guard();
	dear = make_line(5, dear_fd);
	honest = make_line(6, honest_fd);
	hang_watches_on(dear_fd);
	cost = cost_of_write(dear_fd);
	REQUIRE(cost > 2 * VH_CALL_HONEST_US);
	vh_call_join(true);
	while (times_condemned(5) == 0) {
		uint32_t stage = __atomic_load_n(&dear->call->stage, __ATOMIC_RELAXED);

		REQUIRE(vh_now_ms() < end);
		vh_call_write(dear);
		vh_call_write(honest);
		direct += stage == VH_CALL_DIRECT;
		later += stage == VH_CALL_APART;
	}
	/* The budget, and as much as it gains meanwhile; the rest is another thread's. */
	REQUIRE(direct <= 4 * VH_CALL_BURST_US / cost + 4);
	REQUIRE(later > 0);
	REQUIRE(vh_call_guard_sent_apart(5) > 0);
	REQUIRE_EQ(times_condemned(6), 0);
	vh_call_guard_remove(dear);
	vh_call_guard_remove(honest);
	vh_call_leave();
	vh_call_guard_stop();
}

static void *burn(void *arg)
{
	const uint32_t *stop = arg;

	while (__atomic_load_n(stop, __ATOMIC_RELAXED) == 0)
		;
	return NULL;
}

/* Threads that lose their processor in a write are none of the guest's doing. */
void test_calls_preempted(void)
{
	struct writer w = {.worker = true, .until = vh_now_ms() + 700};
	uint32_t stop = 0;
	pthread_t burner[8];
	int fd = make_eventfd();

	start_guard();
	w.line = make_line(7, fd);
	for (int i = 0; i < 8; i++)
		REQUIRE_EQ(pthread_create(&burner[i], NULL, burn, &stop), 0);
	REQUIRE_EQ(pthread_create(&w.thread, NULL, write_on, &w), 0);
	pthread_join(w.thread, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 8; i++)
		pthread_join(burner[i], NULL);
	REQUIRE_EQ(times_condemned(7), 0);
	REQUIRE_EQ(w.line->call->stage, VH_CALL_DIRECT);
	vh_call_guard_remove(w.line);
	vh_call_guard_stop();
}

/* Moderated or not, what was asked for last arrives: a guest that sleeps is woken. */
void test_calls_moderated(void)
{
	int fd = make_eventfd();
	struct vh_line *line;
	uint64_t scrap;

	start_guard();
	line = make_line(8, fd);
	vh_call_join(true);
	for (uint32_t round = 0; round < 300; round++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		/* Never idle, as long as it takes to be sent to the other thread. */
		for (uint32_t i = 0; round == 0 && i < 2000000 && line->call->stage == VH_CALL_DIRECT; i++)
			vh_call_write(line);
		for (uint32_t i = rng_below(&test_rng, 20); i > 0; i--)
			vh_call_write(line);
		if (read(fd, &scrap, sizeof(scrap)) < 0)
			scrap = 0;
		vh_call_write(line);
		REQUIRE_EQ(poll(&p, 1, PATIENCE_MS), 1);
	}
	REQUIRE_EQ(times_condemned(8), 0);
	vh_call_guard_remove(line);
	vh_call_leave();
	vh_call_guard_stop();
}

/* What such a write is charged, after a long one that nobody has paid for. */
static int64_t charge_of(struct vh_line *line, uint64_t unpaid)
{
	int64_t full = (int64_t)vh_call_us(VH_CALL_BURST_US);
	struct vh_call *c = line->call;

	c->budget.at = 0;
	c->budget.left = full;
	__atomic_store_n(&c->exact_until, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&line->exact, true, __ATOMIC_RELAXED);
	__atomic_store_n(&line->unpaid, unpaid, __ATOMIC_RELAXED);
	__atomic_store_n(&c->stage, VH_CALL_DIRECT, __ATOMIC_RELAXED);
	vh_call_write(line);
	REQUIRE_EQ(line->unpaid, 0);
	return full - c->budget.left;
}

/* Whether a long write before it is paid for: by the least of many charges, which neighbours only raise. */
static bool pays_for_the_one_before(struct vh_line *line)
{
	int64_t alone = INT64_MAX, with = INT64_MAX, honest = (int64_t)vh_call_us(VH_CALL_HONEST_US);

	for (int i = 0; i < 500; i++) {
		int64_t a = charge_of(line, 0), b = charge_of(line, UINT64_MAX);

		alone = a < alone && a > 0 ? a : alone;
		with = b < with && b > 0 ? b : with;
		if (i >= 8 && with < INT64_MAX && with > alone / 2 * 3 - honest)
			return true;
	}
	return false;
}

/* Whether a port under suspicion is served as before when each of its writes that is asked costs nothing. */
static bool stays_direct(struct vh_line *line)
{
	struct vh_call *c = line->call;

	c->budget.at = 0;
	__atomic_store_n(&c->stage, VH_CALL_DIRECT, __ATOMIC_RELAXED);
	__atomic_store_n(&c->exact_until, UINT64_MAX, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < 50000; i++)
		vh_call_write(line);
	return __atomic_load_n(&c->stage, __ATOMIC_RELAXED) == VH_CALL_DIRECT;
}

/* A port whose write has cost processor time pays for the question too, and for the long write before it. */
void test_calls_asking(void)
{
	int dear_fd = make_eventfd(), honest_fd = make_eventfd();
	struct vh_line *dear, *honest;
	struct vh_call *c;

	start_guard();
	honest = make_line(9, honest_fd);
	dear = make_line(10, dear_fd);
	hang_watches_on(dear_fd);
	/* No worker: an honest write costs it nothing, nor does asking what it costs. */
	vh_call_join(false);
	c = honest->call;
	do {
		c->budget.at = 0;
		honest->exact = true;
		vh_call_write(honest);
	} while (honest->exact);
	REQUIRE_EQ(c->budget.at, 0);
	/* Under suspicion, by neighbours that take its processor away, it is asked again and again. Time that
	 * the host's own host takes counts as the thread's, sixteen times: that is a matter of chance. */
	for (uint32_t i = 0; i < 20 && !stays_direct(honest); i++)
		REQUIRE(i < 19);
	REQUIRE(pays_for_the_one_before(dear));
	vh_call_guard_remove(dear);
	vh_call_guard_remove(honest);
	vh_call_leave();
	vh_call_guard_stop();
}
