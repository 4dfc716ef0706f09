/* An uplink's queue waits for a full guest now and then, but not at the cost of the others. */
#include "../tests.h"
#include "../rig/uplink_rig.h"

/* Guest 0 always has room; guest 1 has what it is given. */
#define FAST 0
#define SLOW 1
#define OUTSIDE 100
#define TRIES 4
#define DELAY 15

static void arrive(struct uplink_rig *u, uint32_t dst, uint32_t seq)
{
	uint8_t d[6], s[6], f[60];

	frame_mac(d, dst);
	frame_mac(s, OUTSIDE);
	frame_make(f, d, s, seq, sizeof(f));
	uplink_arrive(u, f, sizeof(f));
}

static struct rig *rig_of_two(void)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = VH_F_VERSION_1, .exact = true});
	rig_learn_all(r);
	rig_retry(r, TRIES, DELAY);
	return r;
}

/* One buffer for guest 1 each so many rounds: too few, but never so long without that it is given up. */
static uint32_t rounds_with(uint32_t frames, uint32_t slow_every, bool shared)
{
	struct rig *r = rig_of_two();
	struct uplink_rig *u = uplink_new(r, 0);
	uint32_t rounds = 0, got = 0;

	for (uint32_t i = 0; i < frames; i++) {
		if (shared)
			arrive(u, FAST, i);
		arrive(u, SLOW, i);
		if (shared)
			REQUIRE(guest_post(r->guest[FAST], 0, 2000, LAYOUT_SINGLE));
		while (u->taken < u->n_in || uplink_lent(u) > 0) {
			if (rounds++ % slow_every == 0)
				REQUIRE(guest_post(r->guest[SLOW], 0, 2000, LAYOUT_SINGLE));
			uplink_poll(u, 1);
			rig_tick(r, 1);
			while (rig_receive(r, FAST, NULL) != GUEST_NOTHING)
				got++;
			(void)rig_receive(r, SLOW, NULL);
		}
	}
	REQUIRE_EQ(got, shared ? frames : 0);
	uplink_free(u);
	rig_free(r);
	return rounds;
}

void test_uplink_waits_in_bounds(void)
{
	const uint32_t frames = UPLINK_FRAMES / 2;

	/* A round for each pair of frames, and a tenth of them for waiting; the last wait may be whole. */
	uint32_t shared = rounds_with(frames, 20, true), alone = rounds_with(frames, 20, false);

	REQUIRE(shared > frames);
	REQUIRE(shared <= frames + frames / 9 + TRIES * DELAY);
	/* A queue that had frames for one guest alone waits for it as long as the rules say. */
	REQUIRE(alone > 2 * shared);
}

void test_uplink_waits_again(void)
{
	struct rig *r = rig_of_two();
	struct uplink_rig *u = uplink_new(r, 0);

	/* Before there is anybody else, any number of waits may follow each other. */
	for (uint32_t i = 0; i < 2; i++) {
		arrive(u, SLOW, 0);
		REQUIRE_EQ(uplink_poll(u, 1), 0);
		rig_tick(r, DELAY);
		REQUIRE(guest_post(r->guest[SLOW], 0, 2000, LAYOUT_SINGLE));
		REQUIRE_EQ(uplink_poll(u, 1), 1);
		REQUIRE_EQ(rig_receive(r, SLOW, NULL), 0);
	}
	/* A short wait, in which the guest makes room. */
	REQUIRE(guest_post(r->guest[FAST], 0, 2000, LAYOUT_SINGLE));
	arrive(u, FAST, 0);
	arrive(u, SLOW, 0);
	REQUIRE_EQ(uplink_poll(u, 1), 0);
	REQUIRE_EQ(rig_receive(r, FAST, NULL), 0);
	rig_tick(r, DELAY);
	REQUIRE(guest_post(r->guest[SLOW], 0, 2000, LAYOUT_SINGLE));
	REQUIRE_EQ(uplink_poll(u, 1), 2);
	REQUIRE_EQ(rig_receive(r, SLOW, NULL), 0);
	/* Right behind it nobody is waited for, and the others get theirs. */
	REQUIRE(guest_post(r->guest[FAST], 0, 2000, LAYOUT_SINGLE));
	arrive(u, SLOW, 1);
	arrive(u, FAST, 2);
	REQUIRE_EQ(uplink_poll(u, 1), 2);
	REQUIRE_EQ(rig_receive(r, FAST, NULL), 2);
	REQUIRE_EQ(rig_drops(r, SLOW, VH_DROP_RX_RING_FULL), 1);
	/* One tick before it may, and then. */
	rig_tick(r, VH_UPLINK_PATIENCE * DELAY - 1);
	arrive(u, SLOW, 3);
	REQUIRE_EQ(uplink_poll(u, 1), 1);
	rig_tick(r, 1);
	arrive(u, SLOW, 4);
	REQUIRE_EQ(uplink_poll(u, 1), 0);
	REQUIRE_EQ(uplink_lent(u), 1);
	REQUIRE_EQ(rig_drops(r, SLOW, VH_DROP_RX_RING_FULL), 2);
	vh_uplink_stop(&u->port);
	vh_switch_flush(r->sw, &u->port, 0);
	uplink_free(u);
	rig_free(r);
}
