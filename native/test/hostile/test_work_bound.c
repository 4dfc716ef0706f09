/*
 * What the worst guest can cost the others. Its descriptors lie in indirect tables in memory that is not
 * accessible; every page that the core reads is opened by the fault handler and counted, so the test sees how
 * much was read, whatever the core says about it.
 */
#include "../rig/rig.h"
#include "../tests.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF)
#define PAGE 4096U
#define PER_PAGE (PAGE / 16)
/* One table of the longest length to each chain. */
#define TABLE_SIZE (VH_MAX_CHAIN * 16U)
#define TABLES 256U
/* In the second region, which holds no ring. */
#define TABLES_AT (GUEST_REGION_SIZE + 0x200000U)
#define DATA_AT GUEST_REGION_SIZE
/* A round may notice only at the end of a chain that it has had its share. */
#define MOST_PAGES(descs) (((descs) + VH_MAX_CHAIN) / PER_PAGE + 1)

static uint8_t *tables;
static volatile uint32_t pages;

static void on_fault(int number, siginfo_t *info, void *context)
{
	uint8_t *p = (uint8_t *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));

	(void)number, (void)context;
	if (p < tables || p >= tables + (size_t)TABLES * TABLE_SIZE)
		_exit(99);
	mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	pages++;
}

static void close_tables(void)
{
	pages = 0;
	REQUIRE_EQ(mprotect(tables, (size_t)TABLES * TABLE_SIZE, PROT_NONE), 0);
}

/* Guest 0 has the worst chains, 1 and 2 behave. Each table: `first`, then entries of `len` bytes, then
 * `last`. */
static struct rig *open_rig(uint32_t first, uint32_t len, uint32_t last, bool write)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct rig *r = rig_new();
	struct guest *g;

	rig_add(r, &(struct guest_config){.features = FEATURES, .tx_size = TABLES, .rx_size = TABLES});
	for (uint32_t i = 0; i < 2; i++) {
		rig_add(r, &(struct guest_config){.features = FEATURES});
		guest_post_all(r->guest[i + 1], 0, 2000, LAYOUT_SINGLE);
	}
	rig_learn_all(r);
	g = r->guest[0];
	tables = guest_at(g, TABLES_AT);
	for (uint32_t i = 0; i < TABLES * VH_MAX_CHAIN; i++) {
		uint32_t k = i % VH_MAX_CHAIN;

		guest_put_desc(&g->tx[0], tables + (size_t)i * 16,
			(struct vh_desc){.addr = DATA_AT,
				.len = k == 0		       ? first
				       : k + 1 == VH_MAX_CHAIN ? last
							       : len,
				.flags = (uint16_t)((write ? VH_DESC_WRITE : 0) |
						    (k + 1 < VH_MAX_CHAIN ? VH_DESC_NEXT : 0)),
				.next = (uint16_t)(k + 1)});
	}
	sigemptyset(&action.sa_mask);
	REQUIRE_EQ(sigaction(SIGSEGV, &action, NULL), 0);
	close_tables();
	return r;
}

static void offer_all(struct guest_queue *q)
{
	for (uint32_t i = 0; i < TABLES; i++)
		guest_stage_raw(q,
			&(struct vh_desc){.addr = TABLES_AT + i * TABLE_SIZE,
				.len = TABLE_SIZE,
				.flags = VH_DESC_INDIRECT},
			1, (uint16_t)i);
	guest_publish(q);
}

static void finish(struct rig *r)
{
	REQUIRE_EQ(mprotect(tables, (size_t)TABLES * TABLE_SIZE, PROT_READ | PROT_WRITE), 0);
	rig_free(r);
}

/* Frames of nothing: each chain costs the most, none fills the round. */
void test_work_bound_tx(void)
{
	static const uint32_t last[] = {0, VH_MAX_FRAME + 13, UINT32_MAX};

	for (uint32_t k = 0; k < 3; k++) {
		struct rig *r = open_rig(0, 0, last[k], false);
		uint32_t taken = 0, rounds = 0, resting = 0, rested = 0;

		offer_all(&r->guest[0]->tx[0]);
		while (taken < TABLES) {
			uint32_t n = rig_poll(r, 0, 1);

			/* A turn of the worker's takes one tick. */
			r->lane[0]->ticks++;
			if (n == 0) {
				/* The round before is paid for: nothing is looked at meanwhile. */
				REQUIRE_EQ(pages, 0);
				REQUIRE(++resting <= VH_REST_FACTOR);
				rested++;
				continue;
			}
			resting = 0;
			REQUIRE(pages <= MOST_PAGES(VH_ROUND_DESCS));
			REQUIRE(r->lane[0]->work->batch.walked <= VH_ROUND_DESCS + 2 * VH_MAX_CHAIN);
			close_tables();
			taken += n;
			rounds++;
		}
		REQUIRE_EQ(taken, TABLES);
		REQUIRE_EQ(rested, (rounds - 1) * VH_REST_FACTOR);
		REQUIRE(rounds >= TABLES * VH_MAX_CHAIN / (VH_ROUND_DESCS + 2 * VH_MAX_CHAIN));
		REQUIRE_EQ(rig_all_drops(r, 0), TABLES);
		finish(r);
	}
}

/* A burst of another guest into rings of such chains. Return: pages read. */
static uint32_t burst(struct rig *r, uint32_t n, uint32_t len)
{
	close_tables();
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(rig_send(r, 1, 0, i, len, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 1, 1), n);
	REQUIRE_EQ(guest_reap(r->guest[1], 0), n);
	return pages;
}

void test_work_bound_rx(void)
{
	static const struct {
		uint32_t first, len, last;
	} worst[] = {
		{0, 0, 0},	    /* no room for a header: every frame gets a chain back empty */
		{12, 0, 0},	    /* a header and no more: one frame would look at the whole ring */
		{12, 0, UINT32_MAX} /* found bad at its end */
	};

	for (uint32_t k = 0; k < 3; k++) {
		struct rig *r = open_rig(worst[k].first, worst[k].len, worst[k].last, true);

		offer_all(&r->guest[0]->rx[0]);
		for (uint32_t i = 0; i < 8; i++)
			REQUIRE(burst(r, VH_BATCH, 1500) <= MOST_PAGES(VH_ROUND_RX_DESCS));
		REQUIRE_EQ(rig_counters(r, 0).rx_packets, 0);
		REQUIRE_EQ(rig_all_drops(r, 0), 8 * VH_BATCH);
		rig_require_balance(r);
		finish(r);
	}
}
