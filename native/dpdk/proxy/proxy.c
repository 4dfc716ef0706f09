#include "proxy.h"
#include "peer_cred.h"
#include "proxy_conn.h"
#include "../../base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAKE UINT64_MAX

static struct {
	pthread_mutex_t lock;
	pthread_t thread;
	bool running; /* the thread exists; control side only */
	bool stop;
	int epoll_fd, wake_fd;
	int descriptors;
	struct relay relay[VH_MAX_PORTS];
} hub = {.lock = PTHREAD_MUTEX_INITIALIZER, .epoll_fd = -1, .wake_fd = -1};

/* Written by anybody, also in signal handlers: atomic. */
static struct {
	const char *why;
	uint32_t shut_ms;
} condemned[VH_MAX_PORTS];

static void wake(void)
{
	static const uint64_t one = 1;
	ssize_t ignored = write(hub.wake_fd, &one, sizeof(one));

	(void)ignored;
}

static void take_event(const struct epoll_event *e)
{
	struct relay *r = &hub.relay[e->data.u64 >> 2];

	if (r->open)
		vh_relay_port_event(r, (enum end)(e->data.u64 & 3), e->events);
}

static void take_condemnation(struct relay *r)
{
	const char *why = __atomic_exchange_n(&condemned[r->port].why, NULL, __ATOMIC_ACQ_REL);

	if (why != NULL)
		vh_relay_port_condemn(r, why, __atomic_load_n(&condemned[r->port].shut_ms, __ATOMIC_RELAXED));
}

/* Return: ms until there is something to do without a descriptor that says so. */
static int take_times(void)
{
	int timeout = 60000;

	for (int i = 0; i < VH_MAX_PORTS; i++) {
		struct relay *r = &hub.relay[i];

		if (!r->open)
			continue;
		take_condemnation(r);
		timeout = vh_relay_port_time(r, timeout);
	}
	return timeout;
}

static void *loop(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&hub.lock);
	while (!hub.stop) {
		struct epoll_event events[32];
		int n, timeout = take_times();

		pthread_mutex_unlock(&hub.lock);
		n = epoll_wait(hub.epoll_fd, events, 32, timeout);
		pthread_mutex_lock(&hub.lock);
		for (int i = 0; i < n; i++) {
			uint64_t counter;

			if (events[i].data.u64 != WAKE)
				take_event(&events[i]);
			else if (read(hub.wake_fd, &counter, sizeof(counter)) < 0)
				continue; /* somebody else's wake-up is as good */
		}
	}
	pthread_mutex_unlock(&hub.lock);
	return NULL;
}

int vh_relay_start(int descriptors)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = WAKE};
	int error = 0;

	hub.stop = false;
	hub.descriptors = descriptors;
	hub.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	hub.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hub.epoll_fd < 0 || hub.wake_fd < 0 ||
		epoll_ctl(hub.epoll_fd, EPOLL_CTL_ADD, hub.wake_fd, &e) != 0)
		error = -errno;
	if (error == 0)
		error = -pthread_create(&hub.thread, NULL, loop, NULL);
	if (error != 0) {
		vh_relay_stop();
		return error;
	}
	hub.running = true;
	pthread_setname_np(hub.thread, "vh-relay");
	return 0;
}

void vh_relay_stop(void)
{
	if (hub.running) {
		pthread_mutex_lock(&hub.lock);
		hub.stop = true;
		pthread_mutex_unlock(&hub.lock);
		wake();
		pthread_join(hub.thread, NULL);
	}
	hub.running = false;
	if (hub.epoll_fd >= 0)
		close(hub.epoll_fd);
	if (hub.wake_fd >= 0)
		close(hub.wake_fd);
	hub.epoll_fd = hub.wake_fd = -1;
}

int vh_relay_open(const struct vh_relay_options *o)
{
	struct relay *r = &hub.relay[o->port];
	int error;

	pthread_mutex_lock(&hub.lock);
	error = vh_relay_port_init(r, o, hub.epoll_fd, hub.descriptors);
	__atomic_store_n(&condemned[o->port].why, NULL, __ATOMIC_RELAXED);
	if (error == 0) {
		r->open = true;
		vh_relay_port_rearm(r);
	} else {
		close(r->listen_fd);
		close(r->library_fd);
	}
	pthread_mutex_unlock(&hub.lock);
	return error;
}

int vh_relay_listen(uint16_t port, int listen_fd)
{
	struct relay *r = &hub.relay[port];
	int error = -ENOENT;

	pthread_mutex_lock(&hub.lock);
	if (r->open)
		error = vh_relay_port_listen(r, listen_fd);
	pthread_mutex_unlock(&hub.lock);
	if (error != 0)
		close(listen_fd);
	return error;
}

bool vh_relay_close(uint16_t port)
{
	struct relay *r = &hub.relay[port];
	bool awaited = false;

	pthread_mutex_lock(&hub.lock);
	if (r->open) {
		/* A connection may have passed from the process that made it to another one. */
		awaited = r->state == OPEN || vh_peer_runs(r->peer);
		r->open = false;
		vh_relay_port_close(r);
	}
	pthread_mutex_unlock(&hub.lock);
	return awaited;
}

void vh_relay_own(uint16_t port, const struct vh_owner *owner)
{
	struct relay *r = &hub.relay[port];
	char why[VH_MAX_OWNER_WHY];

	pthread_mutex_lock(&hub.lock);
	if (r->open)
		r->owner = *owner;
	if (r->open && r->state == OPEN && !vh_owner_admits(owner, r->front, why, sizeof(why)))
		vh_relay_port_condemn(r, why, 0);
	pthread_mutex_unlock(&hub.lock);
}

bool vh_relay_attached(uint16_t port)
{
	struct relay *r = &hub.relay[port];
	bool ours;

	pthread_mutex_lock(&hub.lock);
	ours = r->open && r->state != IDLE && !r->attached;
	if (ours)
		r->attached = true;
	pthread_mutex_unlock(&hub.lock);
	return ours;
}

void vh_relay_detached(uint16_t port)
{
	struct relay *r = &hub.relay[port];

	pthread_mutex_lock(&hub.lock);
	if (r->open)
		vh_relay_port_detached(r);
	pthread_mutex_unlock(&hub.lock);
}

int vh_relay_take_log(uint16_t port)
{
	struct relay *r = &hub.relay[port];
	int fd = -1;

	pthread_mutex_lock(&hub.lock);
	if (r->open) {
		fd = r->log_fd;
		r->log_fd = -1;
	}
	pthread_mutex_unlock(&hub.lock);
	return fd;
}

void vh_relay_condemn(uint16_t port, const char *why, uint32_t shut_ms)
{
	__atomic_store_n(&condemned[port].shut_ms, shut_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&condemned[port].why, why, __ATOMIC_RELEASE);
	wake();
}

void vh_relay_ask(void)
{
	wake();
}

const char *vh_relay_shut(uint16_t port)
{
	struct relay *r = &hub.relay[port];
	const char *why = NULL;

	pthread_mutex_lock(&hub.lock);
	if (r->open && vh_now_ms() < r->shut_until)
		why = r->shut_why;
	pthread_mutex_unlock(&hub.lock);
	return why;
}
