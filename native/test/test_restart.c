/*
 * A switch that is killed at any store, and the one that takes its packed rings over.
 *
 * A child process runs rounds one instruction at a time on memory that it shares with the test. Whenever
 * something has changed there, that is what a kill at this moment leaves: another process takes it over, in
 * pages of its own, and must bring all frames to their receiver and all chains back to their driver, once.
 */
#include "restart_rig.h"
#include "tests.h"

#include <stdlib.h>

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)

/* An instruction takes several times as many under a sanitizer, and the test's time is limited. */
#ifdef __SANITIZE_ADDRESS__
#define SCENARIOS 3
#else
#define SCENARIOS 6
#endif
/* A child may find nothing to do: then there are more, up to so many. */
#define MOST (8 * SCENARIOS)

/* Guest 0 sends to guest 1. */
static uint32_t scenario(uint64_t features, uint32_t crashes, enum restart_kind kind)
{
	struct restart *t = restart_new(features, kind);
	uint32_t rounds = rng_between(&test_rng, 0, 5), moments = 0;

	/* A past: rings somewhere in some lap, served by the switch that will die. */
	for (uint32_t i = 0; i < rounds; i++) {
		restart_offer(t);
		restart_serve(t);
		restart_collect(t);
	}
	for (uint32_t i = 0; i < crashes; i++) {
		restart_offer(t);
		/* Checked at every store; then killed at one of them, for good. */
		moments += restart_kill_anywhere(t);
	}
	restart_finish(t);
	restart_free(t);
	return moments;
}

void test_restart_at_every_store(void)
{
	uint32_t moments = 0;

	for (uint32_t i = 0; i < SCENARIOS || (moments < SCENARIOS && i < MOST); i++)
		moments += scenario(
			FEATURES | (i % 2 == 0 ? VH_F_MRG_RXBUF : 0) | (i % 3 != 1 ? VH_F_EVENT_IDX : 0),
			rng_between(&test_rng, 1, 3), i % 4 == 2 ? RESTART_HOLD : RESTART_PLAIN);
	REQUIRE(moments >= SCENARIOS);
}

/* Guests behind an IOMMU: the new switch finds rings and frames by what it is told anew, and meanwhile the
 * guests take back what they like. */
void test_restart_behind_iommu(void)
{
	uint32_t moments = 0;

	for (uint32_t i = 0; i < SCENARIOS / 3 || (moments < SCENARIOS / 3 && i < MOST); i++)
		moments += scenario(FEATURES | (i % 2 == 0 ? VH_F_MRG_RXBUF : VH_F_EVENT_IDX),
			rng_between(&test_rng, 1, 2), RESTART_IOMMU);
	REQUIRE(moments >= SCENARIOS / 3);
}
