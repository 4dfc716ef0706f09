/* The builds of the data path for newer CPUs: each of them that runs here does the same as the plain one. */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC | VH_F_MRG_RXBUF | VH_F_EVENT_IDX)

/* Every layout on both sides, receivers that are full, and all of it counted. */
static void exercise(vh_poll_function poll)
{
	struct rig *r = rig_new();
	uint32_t next = 0, waited = 0, polls = 0;

	r->poll = poll;
	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = FEATURES, .start = 65000, .exact = true});
	rig_learn_all(r);
	rig_retry(r, 1000, 1);
	for (uint32_t seq = 0; next < 3000; polls++) {
		for (uint32_t n = rng_below(&test_rng, 30); n > 0 && seq < 3000; n--, seq++)
			if (!rig_send(r, 0, 1, seq, rng_between(&test_rng, FRAME_MIN, 3000),
				    (enum guest_layout)rng_below(&test_rng, LAYOUT_COUNT)))
				break;
		/* By turns too few buffers and more than enough, whatever the seed. */
		for (uint32_t n = polls % 16 < 8 ? 0 : rng_below(&test_rng, 120); n > 0; n--)
			guest_post(r->guest[1], 0, rng_between(&test_rng, 100, 2000),
				(enum guest_layout)rng_below(&test_rng, LAYOUT_HEADER_SPLIT));
		rig_poll(r, 0, 1);
		waited += r->lane[0]->parked;
		rig_tick(r, 1);
		guest_reap(r->guest[0], 0);
		for (int64_t got; (got = rig_receive(r, 1, NULL)) >= 0; next++)
			REQUIRE_EQ(got, next);
	}
	REQUIRE(waited > 10 && waited < polls);
	REQUIRE_EQ(rig_all_drops(r, 1), 0);
	rig_require_balance(r);
	rig_free(r);
}

void test_hot_builds(void)
{
#if defined(__x86_64__)
	static const char *const names[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
#else
	static const char *const names[] = {"generic"};
#endif
	uint32_t n = sizeof(names) / sizeof(names[0]), newest = 0;

	REQUIRE(vh_hot_pick("x86-64-v1").poll == NULL);
	for (uint32_t i = 0; i < n; i++) {
		struct vh_hot hot = vh_hot_pick(names[i]);

		/* Where this one does not run, an older one does. */
		REQUIRE(hot.poll != NULL);
		exercise(hot.poll);
		if (strcmp(hot.name, names[i]) == 0)
			newest = i;
	}
	REQUIRE(strcmp(vh_hot_pick(NULL).name, names[newest]) == 0);
	REQUIRE(vh_hot_pick(names[0]).poll == vh_switch_poll);
}
