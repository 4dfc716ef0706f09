/*
 * A switch that is killed at any store, and the one that takes its packed rings over.
 *
 * A child process runs rounds one instruction at a time on memory that it shares with the test. Whenever
 * something has changed there, that is what a kill at this moment leaves: another process takes it over, in
 * pages of its own, and must bring all frames to their receiver and all chains back to their driver, once.
 */
#include "../rig/restart_rig.h"
#include "../tests.h"

#include <stdlib.h>

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)

/*
 * Each is checked at every store; how many there are is a matter of time, for all of it passes a debugger. An
 * instruction takes several times as many under a sanitizer. `npm test -- --full` has more of them.
 */
#ifdef __SANITIZE_ADDRESS__
#define SCENARIOS (test_full() ? 3U : 1U)
#else
#define SCENARIOS (test_full() ? 6U : 3U)
#endif
#define SCENARIOS_IOMMU ((SCENARIOS + 2) / 3)
#define CRASHES_IOMMU (test_full() ? 2U : 1U)
/* A child may find nothing to do: then there are more, up to so many times as many. */
#define MOST 8
/* After so many all that scenarios differ by has come; where it begins follows from the seed. */
#define VARIETY 12

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
	uint32_t moments = 0, first = rng_below(&test_rng, VARIETY), wanted = SCENARIOS;

	restart_on_one_cpu();
	for (uint32_t n = 0; n < wanted || (moments < wanted && n < MOST * wanted); n++) {
		uint32_t i = first + n;

		moments += scenario(
			FEATURES | (i % 2 == 0 ? VH_F_MRG_RXBUF : 0) | (i % 3 != 1 ? VH_F_EVENT_IDX : 0),
			rng_between(&test_rng, 1, 3), i % 4 == 2 ? RESTART_HOLD : RESTART_PLAIN);
	}
	REQUIRE(moments >= wanted);
}

/* Guests behind an IOMMU: the new switch finds rings and frames by what it is told anew, and meanwhile the
 * guests take back what they like. */
void test_restart_behind_iommu(void)
{
	uint32_t moments = 0, first = rng_below(&test_rng, VARIETY), wanted = SCENARIOS_IOMMU;

	restart_on_one_cpu();
	for (uint32_t n = 0; n < wanted || (moments < wanted && n < MOST * wanted); n++)
		moments += scenario(FEATURES | ((first + n) % 2 == 0 ? VH_F_MRG_RXBUF : VH_F_EVENT_IDX),
			rng_between(&test_rng, 1, CRASHES_IOMMU), RESTART_IOMMU);
	REQUIRE(moments >= wanted);
}
