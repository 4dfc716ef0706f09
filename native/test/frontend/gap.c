/*
 * gap refused|itself|paused|killed SOCKET_A SOCKET_B
 *
 * Two guests with packed rings whose connections end while their drivers run, by the switch (refused) or by
 * the front end. Says "gap" and waits for a line, while the switch may be another one's turn. Then they come
 * back as QEMU does, which knows only where the rings were started, and send to each other again. paused: the
 * front end ends them, and pauses its guests once more before the rings that it names again are served.
 * killed: another process's guests come, from an image in which the rings are where they were started; they
 * only ask.
 */
#include "vu/flow.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 40

static struct guest guests[2];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "gap: %s\n", what);
	exit(1);
}

static void flow(void)
{
	for (int i = 0; i < 2; i++)
		guests[i].received = 0;
	must(flow_both(&guests[0], &guests[1], TURNS), "the switch does not take frames");
	for (int i = 0; i < 2; i++)
		must(flow_settle(&guests[i], &guests[!i]), "the switch does not take frames any more");
	for (int i = 0; i < 2; i++) {
		must(guests[i].wrong == NULL, guests[i].wrong);
		must(guests[i].received > 0, "no frame arrived");
	}
}

static void end(struct guest *g, bool refused)
{
	static const struct vu_msg unknown = {.request = 99, .flags = VU_VERSION};

	if (refused)
		must(vu_send(g->sock, &unknown, NULL, 0) && vu_closed(g->sock, 5000), "it is not refused");
	guest_down(g);
}

/* The front end wants to know where a ring is before that is served. Return: what it is told. */
static uint32_t pause_and_ask(struct guest *g, uint32_t i, uint32_t base)
{
	uint32_t told, right;

	must(guest_place_ring(g, i, base), "the switch does not take a ring");
	/* That of the second guest is not even started: nobody can know. */
	if (g == &guests[0])
		must(vu_fd(g->sock, VU_SET_VRING_KICK, i, g->kick[i]), "the switch does not take a ring");
	if (g == &guests[0] && i == GUEST_RX)
		must(vu_state_ack(g->sock, VU_SET_VRING_ENABLE, i, 0), "the switch does not take a ring");
	must(vu_get_base(g->sock, i, &told), "the switch does not tell where a ring is");
	right = g == &guests[0] ? ring_base(&g->ring[i], g->ring[i].reaped) : base;
	must((uint16_t)told == (uint16_t)right, "the switch tells a wrong place");
	return told;
}

static void come_back(struct guest *g, bool pauses)
{
	must(guest_negotiate(g) && guest_share(g, 1), "the switch does not take it again");
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t base = ring_base(&g->ring[i], 0);

		must(guest_start_ring(g, i, pauses ? pause_and_ask(g, i, base) : base),
			"a ring does not start again");
	}
	must(guest_begun(g), "the rings are not served again");
}

/* Runs a part of it in a process of its own. */
static void apart(void (*part)(void))
{
	pid_t pid = fork();
	int status;

	must(pid >= 0, "no process");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		part();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ends");
}

static void up_and_flow(void)
{
	for (int i = 0; i < 2; i++)
		must(guest_up(&guests[i]), "the switch does not take a guest");
	flow();
}

/* What is in memory may be anything: the rings are where the new process says. */
static void ask_as_another(void)
{
	for (int i = 0; i < 2; i++) {
		must(guest_negotiate(&guests[i]) && guest_share(&guests[i], 1),
			"the switch does not take another guest");
		for (uint32_t k = 0; k < 2; k++) {
			uint32_t base = ring_base(&guests[i].ring[k], 0), told = 0;

			must(guest_place_ring(&guests[i], k, base) &&
					vu_fd(guests[i].sock, VU_SET_VRING_KICK, k, guests[i].kick[k]) &&
					vu_get_base(guests[i].sock, k, &told),
				"the switch does not tell where a ring is");
			must((uint16_t)told == (uint16_t)base,
				"the switch takes it for the one that was killed");
		}
	}
}

/* Until the clock by which processes begin has moved on. */
static void wait_a_tick(void)
{
	uint64_t end = vu_now() + 2 * 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);

	while (vu_now() < end)
		sched_yield();
}

static void take_turns(void)
{
	apart(up_and_flow);
	wait_a_tick();
	printf("gap\n");
	fflush(stdout);
	must(getchar() != EOF, "nobody says that it goes on");
	apart(ask_as_another);
}

int main(int argc, char **argv)
{
	char line[16];

	if (argc != 4) {
		fprintf(stderr, "usage: gap refused|itself|paused|killed SOCKET_A SOCKET_B\n");
		return 2;
	}
	/* A size that the turns above do not end a lap of. */
	for (uint8_t i = 0; i < 2; i++)
		must(guest_make(&guests[i], argv[2 + i], (uint8_t)(i + 1), true, 250), "no guest");
	if (strcmp(argv[1], "killed") == 0) {
		take_turns();
		return 0;
	}
	up_and_flow();
	for (int i = 0; i < 2; i++)
		end(&guests[i], strcmp(argv[1], "refused") == 0);
	printf("gap\n");
	fflush(stdout);
	must(fgets(line, sizeof(line), stdin) != NULL, "nobody says that it goes on");
	for (int i = 0; i < 2; i++)
		come_back(&guests[i], strcmp(argv[1], "paused") == 0);
	flow();
	for (int i = 0; i < 2; i++)
		guest_free(&guests[i]);
	return 0;
}
