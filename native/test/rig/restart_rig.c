#include "restart_rig.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Rounds after which whatever can come has come. */
#define ENOUGH 60U
#define LONGEST 150U

/* Makes memory one that other processes share, or can have a copy of. */
static void share(struct restart *t, void *p, size_t len, size_t used)
{
	struct restart_memory *m = &t->memory[t->n_memory++];
	int fd = memfd_create("restart", MFD_CLOEXEC);

	REQUIRE(t->n_memory <= RESTART_MEMORY);
	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	REQUIRE_EQ(pwrite(fd, p, used, 0), used);
	REQUIRE(mmap(p, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == p);
	*m = (struct restart_memory){.p = p, .len = len, .fd = fd};
}

/* From here on this process has a copy of its own. */
static void keep_to_myself(const struct restart *t)
{
	for (uint32_t i = 0; i < t->n_memory; i++) {
		const struct restart_memory *m = &t->memory[i];

		REQUIRE(mmap(m->p, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, m->fd, 0) ==
			m->p);
	}
}

static void watch(struct restart *t, void *p, size_t len)
{
	struct restart_watched *w = &t->watched[t->n_watched++];

	REQUIRE(t->n_watched <= RESTART_WATCHED);
	*w = (struct restart_watched){.p = p, .len = len, .seen = malloc(len)};
	memcpy(w->seen, p, len);
}

static void share_queue(struct restart *t, struct guest_queue *q)
{
	size_t bytes = vh_ring_record_bytes(q->size);

	share(t, q->record, sizeof(*q->record), bytes);
	watch(t, q->record, bytes);
	watch(t, q->ring, q->size * sizeof(*q->ring));
	watch(t, q->device, sizeof(*q->device));
}

static void ask(void *context)
{
	(void)context;
}

static void put_behind_iommu(struct restart *t, uint32_t i)
{
	struct guest *g = t->r->guest[i];

	t->iotlb[i] = calloc(1, sizeof(*t->iotlb[i]));
	vh_iotlb_init(t->iotlb[i], ask, NULL);
	/* A process that is watched step by step is in no hurry. */
	t->iotlb[i]->patience_ms = UINT32_MAX;
	t->space[i].iotlb = t->iotlb[i];
	t->space[i].behind = &g->mem;
	g->space = &t->space[i];
}

void restart_on_one_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t one;

	REQUIRE(cpu >= 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
}

struct restart *restart_new(uint64_t features, enum restart_kind kind)
{
	struct restart *t = calloc(1, sizeof(*t));
	uint32_t start = rng_below(&test_rng, 100);

	t->r = rig_new();
	t->kind = kind;
	for (uint32_t i = 0; i < 2; i++) {
		rig_add(t->r, &(struct guest_config){.features = features,
				      .tx_size = rng_between(&test_rng, 4, 24),
				      .rx_size = rng_between(&test_rng, 4, 24),
				      .start = (uint16_t)start});
		for (int k = 0; k < GUEST_REGIONS; k++)
			/* Nothing but rings yet, at the beginning. */
			share(t, t->r->guest[i]->region[k], GUEST_REGION_SIZE, 64U << 10);
		share_queue(t, &t->r->guest[i]->tx[0]);
		share_queue(t, &t->r->guest[i]->rx[0]);
		if (kind == RESTART_IOMMU)
			put_behind_iommu(t, i);
	}
	rig_learn_all(t->r);
	rig_retry(t->r, 1000, 1);
	return t;
}

void restart_free(struct restart *t)
{
	for (uint32_t i = 0; i < t->n_watched; i++)
		free(t->watched[i].seen);
	for (uint32_t i = 0; i < t->n_memory; i++)
		close(t->memory[i].fd);
	rig_free(t->r);
	free(t->held.chain);
	for (uint32_t i = 0; i < 2; i++)
		free(t->iotlb[i]);
	free(t);
}

void restart_offer(struct restart *t)
{
	/* The shortest ring has room for two of them, and they for the longest frame. */
	static const enum guest_layout small[] = {LAYOUT_SINGLE, LAYOUT_HEADER_APART, LAYOUT_INDIRECT};
	bool mergeable = (t->r->guest[1]->config.features & VH_F_MRG_RXBUF) != 0;

	for (uint32_t n = rng_between(&test_rng, 1, 7); n > 0; n--)
		if (rig_send(t->r, 0, 1, t->sent, rng_between(&test_rng, FRAME_MIN, LONGEST),
			    rng_below(&test_rng, LAYOUT_COUNT)))
			t->sent++;
	for (uint32_t n = rng_below(&test_rng, 9); n > 0; n--)
		guest_post(t->r->guest[1], 0,
			mergeable ? rng_between(&test_rng, (LONGEST + 13) / 2, 100) : LONGEST + 12,
			mergeable ? small[rng_below(&test_rng, 3)] : rng_below(&test_rng, LAYOUT_EDGE));
}

void restart_collect(struct restart *t)
{
	int64_t seq;

	t->returned += guest_reap(t->r->guest[0], 0);
	REQUIRE(t->returned <= t->sent);
	while ((seq = rig_receive(t->r, 1, NULL)) != GUEST_NOTHING) {
		/* Once more only what its sender had not got back when the switch died. */
		if (seq != t->next) {
			REQUIRE(t->again > 0 && seq >= t->floor && seq < t->next);
			t->again--;
		}
		t->next = (uint32_t)seq + 1;
		if (t->next > t->received)
			t->received = t->next;
	}
}

/* The front end answers all that was asked, by page. Return: how many questions there were. */
static uint32_t answer(struct restart *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 2 && t->kind == RESTART_IOMMU; i++) {
		uint64_t iova;
		uint8_t access;

		for (; vh_iotlb_take_miss(t->iotlb[i], &iova, &access); n++)
			vh_iotlb_update(t->iotlb[i], iova, iova + VH_IOTLB_PAGE - 1,
				vh_guest_mem_at(&t->r->guest[i]->mem, iova, 1),
				VH_IOTLB_READ | VH_IOTLB_WRITE);
	}
	return n;
}

/* A part of a ring by what the front end says of it, as soon as it does. */
static void *find_part(struct restart *t, uint32_t i, const void *part, uint32_t len)
{
	uint8_t *p = NULL;
	uint64_t iova;

	REQUIRE(vh_guest_mem_address(&t->r->guest[i]->mem, part, &iova));
	while (vh_iotlb_whole(t->iotlb[i], iova, len, VH_IOTLB_READ | VH_IOTLB_WRITE, &p) == VH_IOTLB_MISS)
		REQUIRE(answer(t) > 0);
	REQUIRE(p == part);
	return p;
}

static void set_up(
	struct restart *t, uint32_t i, const struct guest_queue *q, struct vh_vq *vq, struct vh_vq_config *c)
{
	uint64_t ring;

	if (t->kind == RESTART_IOMMU) {
		c->desc = find_part(t, i, q->ring, q->size * (uint32_t)sizeof(*q->ring));
		c->avail = find_part(t, i, q->driver, sizeof(*q->driver));
		c->used = find_part(t, i, q->device, sizeof(*q->device));
	}
	REQUIRE(vh_vq_setup(vq, c) == NULL);
	REQUIRE(vh_guest_mem_address(&t->r->guest[i]->mem, q->ring, &ring) && q->record->area[0] == ring);
	vh_vq_start(vq);
}

static void take_over_queue(struct restart *t, uint32_t i, struct guest_queue *q, struct vh_vq *vq)
{
	struct guest *g = t->r->guest[i];
	/* The front end says where it said that the ring began. */
	struct vh_vq_config c = guest_queue_config(g, q, g->config.start);

	c.rejoin = true;
	set_up(t, i, q, vq, &c);
}

/* The ring lies in what the guest has taken back, and gives anew: as dpdk/vhost/session_rings_iommu.c does
 * it. */
static void go_on(struct restart *t, uint32_t i, struct guest_queue *q, struct vh_vq *vq)
{
	struct vh_vq_config c = guest_queue_config(t->r->guest[i], q, 0);

	vh_vq_positions(vq, &c.last_avail, &c.last_used);
	set_up(t, i, q, vq, &c);
}

/* A guest flushes its IOMMU: all of it, or a page. */
static void invalidate(struct restart *t)
{
	bool all = rng_below(&test_rng, 2) == 0;

	/* Its frames would be lost, as they may be, and the count with them. */
	if (t->r->port[0]->tx[0].parked != NULL)
		return;
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t page = rng_below(&test_rng, 64) * VH_IOTLB_PAGE;

		vh_iotlb_remove(t->iotlb[i], all ? 0 : page, all ? UINT64_MAX : page + VH_IOTLB_PAGE - 1);
	}
	for (uint32_t i = 0; i < 2; i++) {
		vh_vq_stop(&t->r->port[i]->tx[0]);
		vh_vq_stop(&t->r->port[i]->rx[0]);
	}
	for (uint32_t i = 0; i < 2; i++) {
		go_on(t, i, &t->r->guest[i]->tx[0], &t->r->port[i]->tx[0]);
		go_on(t, i, &t->r->guest[i]->rx[0], &t->r->port[i]->rx[0]);
	}
}

/* Polls the sender, as often as it has to wait for answers. Return: chains that it got back. */
static uint32_t serve(struct restart *t, uint32_t rounds)
{
	uint32_t done = 0;

	do {
		rig_tick(t->r, 1);
		done += rig_poll(t->r, 0, rounds);
	} while (answer(t) > 0);
	return done;
}

static void no_tidy(void *context)
{
	(void)context;
}

static void take_over(struct restart *t)
{
	for (uint32_t i = 0; i < 2; i++) {
		if (t->kind == RESTART_IOMMU)
			vh_iotlb_clear(t->iotlb[i]);
		take_over_queue(t, i, &t->r->guest[i]->tx[0], &t->r->port[i]->tx[0]);
		take_over_queue(t, i, &t->r->guest[i]->rx[0], &t->r->port[i]->rx[0]);
	}
	if (t->kind != RESTART_HOLD)
		return;
	free(t->held.chain);
	t->held = (struct vh_hold){.mask = vh_hold_places(t->r->guest[0]->tx[0].size) - 1, .tidy = no_tidy};
	t->held.chain = calloc(t->held.mask + 1, sizeof(*t->held.chain));
	t->r->port[0]->tx[0].hold = &t->held;
}

/* The switch, in a process of its own: until there is nothing to do any more. It leaves nothing tidy behind.
 */
static _Noreturn void be_switch(struct restart *t, bool traced)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0))
		_exit(1);
	take_over(t);
	for (uint32_t i = 0; i < 3; i++) {
		serve(t, 3);
		if (t->kind == RESTART_IOMMU && rng_below(&test_rng, 3) == 0)
			invalidate(t);
	}
	_exit(0);
}

static pid_t start_switch(struct restart *t, bool traced)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0)
		be_switch(t, traced);
	/* Whoever comes after it may see frames again that were not completed. */
	t->again++;
	t->floor = t->returned;
	return pid;
}

void restart_serve(struct restart *t)
{
	pid_t pid = start_switch(t, false);
	int status;

	REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Kicks and interrupts work after it: nobody sleeps on something that was said before. */
static void require_wake_ups(struct restart *t)
{
	struct guest_queue *tx = &t->r->guest[0]->tx[0], *rx = &t->r->guest[1]->rx[0];
	struct vh_vq *vq = &t->r->port[0]->tx[0];

	restart_collect(t);
	(void)guest_should_kick(tx);
	REQUIRE(!vh_vq_want_kicks(vq, true));
	guest_want_interrupts(rx, true);
	(void)guest_interrupts(rx);
	REQUIRE(rig_send(t->r, 0, 1, t->sent++, 100, LAYOUT_SINGLE));
	REQUIRE(guest_should_kick(tx));
	vh_vq_want_kicks(vq, false);
	REQUIRE_EQ(serve(t, 1), 1);
	REQUIRE(guest_interrupts(rx) > 0);
	restart_collect(t);
}

void restart_finish(struct restart *t)
{
	struct guest *g = t->r->guest[1];
	uint32_t lap;

	t->again++;
	t->floor = t->returned;
	take_over(t);
	for (lap = 0; lap < ENOUGH; lap++) {
		serve(t, 3);
		restart_collect(t);
		if (lap < 10 && t->kind == RESTART_IOMMU && rng_below(&test_rng, 2) == 0)
			invalidate(t);
		if (lap < 10)
			restart_offer(t);
		else
			guest_post(g, 0, LONGEST + 12, LAYOUT_SINGLE);
	}
	REQUIRE_EQ(t->received, t->sent);
	REQUIRE_EQ(t->returned, t->sent);
	/* No chain of either ring is missing. */
	REQUIRE_EQ(t->r->guest[0]->tx[0].n_free, t->r->guest[0]->tx[0].size);
	guest_post_all(g, 0, LONGEST + 12, LAYOUT_SINGLE);
	require_wake_ups(t);
	for (lap = 0; lap < ENOUGH && g->rx[0].n_free < g->rx[0].size; lap++) {
		REQUIRE(rig_send(t->r, 0, 1, t->sent++, 100, LAYOUT_SINGLE));
		serve(t, 1);
		restart_collect(t);
	}
	REQUIRE_EQ(g->rx[0].n_free, g->rx[0].size);
	REQUIRE_EQ(t->received, t->sent);
}

/* What the switch leaves, if it is killed now, is good. */
static void check_here(struct restart *t)
{
	pid_t pid = fork();
	int status;

	REQUIRE(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		keep_to_myself(t);
		/* The guests go on meanwhile, or wait. */
		if (rng_below(&test_rng, 2) == 0) {
			restart_collect(t);
			restart_offer(t);
		}
		restart_finish(t);
		_exit(0);
	}
	(void)rng_next(&test_rng);
	REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool has_changed(struct restart *t)
{
	bool changed = false;

	for (uint32_t i = 0; i < t->n_watched; i++) {
		struct restart_watched *w = &t->watched[i];

		if (memcmp(w->seen, w->p, w->len) == 0)
			continue;
		memcpy(w->seen, w->p, w->len);
		changed = true;
	}
	return changed;
}

uint32_t restart_kill_anywhere(struct restart *t)
{
	uint32_t moments = 0,
		 last = rng_below(&test_rng, 2) == 0 ? UINT32_MAX : rng_between(&test_rng, 4, 60);
	pid_t pid;
	int status;

	(void)has_changed(t);
	pid = start_switch(t, true);
	REQUIRE(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	while (moments < last) {
		REQUIRE_EQ(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		REQUIRE_EQ(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			REQUIRE_EQ(WEXITSTATUS(status), 0);
			return moments;
		}
		REQUIRE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		if (!has_changed(t))
			continue;
		moments++;
		check_here(t);
	}
	kill(pid, SIGKILL);
	REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	return moments;
}
