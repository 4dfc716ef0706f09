/* Two real threads that both sleep whenever there is nothing to do: a lost wake-up is a timeout. */
#include "../rig/rig.h"
#include "../tests.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FRAMES 12000

static struct rig *shared;
static int kick_fd;

static void wait_for(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n;

	if (poll(&p, 1, 20000) != 1)
		check_failed(__FILE__, __LINE__, "a wake-up was lost");
	REQUIRE_EQ(read(fd, &n, sizeof(n)), sizeof(n));
}

static void *device(void *arg)
{
	struct vh_port *port = shared->port[0];
	uint32_t taken = 0;

	while (taken < FRAMES) {
		uint32_t n = rig_poll(shared, 0, 1);

		taken += n;
		if (n > 0 || taken == FRAMES)
			continue;
		if (!vh_vq_want_kicks(&port->tx[0], true))
			wait_for(kick_fd);
		vh_vq_want_kicks(&port->tx[0], false);
	}
	return arg;
}

/* Sends to itself through guest 1's queue: one thread plays both guests, and waits for what it sent. */
static void play_guests(void)
{
	struct guest_queue *tx = &shared->guest[0]->tx[0], *rx = &shared->guest[1]->rx[0];
	struct rng rng = rng_of(5);

	for (uint32_t sent = 0, got = 0; got < FRAMES;) {
		uint32_t burst = rng_between(&rng, 1, 3);

		for (uint32_t i = 0; i < burst && sent < FRAMES; i++, sent++)
			REQUIRE(rig_send(shared, 0, 1, sent, 64, LAYOUT_SINGLE));
		if (guest_should_kick(tx))
			REQUIRE_EQ(eventfd_write(kick_fd, 1), 0);
		while (got < sent) {
			int64_t seq;

			guest_want_interrupts(rx, false);
			while ((seq = rig_receive(shared, 1, NULL)) >= 0)
				REQUIRE_EQ(seq, got++);
			guest_want_interrupts(rx, true);
			if (got < sent && !guest_has_used(rx))
				wait_for(rx->call_fd);
		}
		guest_reap(shared->guest[0], 0);
		guest_post_all(shared->guest[1], 0, 200, LAYOUT_SINGLE);
	}
}

static void two_sleepers(uint64_t features)
{
	pthread_t thread;

	shared = rig_new();
	for (uint32_t i = 0; i < 2; i++)
		rig_add(shared, &(struct guest_config){.features = features,
					.tx_size = odd_size(256),
					.start = 65530,
					.exact = true});
	rig_learn_all(shared);
	guest_post_all(shared->guest[1], 0, 200, LAYOUT_SINGLE);
	kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	REQUIRE(kick_fd >= 0);
	REQUIRE_EQ(pthread_create(&thread, NULL, device, NULL), 0);
	play_guests();
	pthread_join(thread, NULL);
	close(kick_fd);
	rig_require_balance(shared);
	rig_free(shared);
}

void test_notify_two_sleepers(void)
{
	two_sleepers(VH_F_VERSION_1);
	two_sleepers(VH_F_VERSION_1 | VH_F_EVENT_IDX);
}
