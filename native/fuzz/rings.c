/*
 * libFuzzer target over the switch's core: one guest does what the input says, two others are a pair that
 * must not notice.
 *
 * The input is a small program. Its head chooses ring type, features, offloads, sizes and retrying, then each
 * step writes a descriptor, an entry of an indirect table, any bytes anywhere in guest memory, ring indexes
 * or flags, lets time pass, or calls into the core: poll, deliver, flush, ask for kicks, set a queue up with
 * odd values. Every input ends with frames between the other two guests, which must arrive, and with a proper
 * set-up of the hostile guest, after which it must be served again.
 */
#include "rig/offloads.h"
#include "rig/pair.h"
#include "rig/steps.h"

#include <string.h>
#include <sys/mman.h>

#define MAX_STEPS 200

struct rig *r;

void note_drops(const struct vh_counters *c)
{
	(void)c;
}

/* A frame from one to the other of the pair. The hostile guest may have taken an address: it is learned back
 * first. */
static void pass(uint32_t from, uint32_t to)
{
	uint8_t mac[6];

	drain(to);
	frame_mac(mac, to);
	vh_mac_learn(&r->sw->macs, vh_mac_key(mac, 0), (uint16_t)to, r->lane[0]->now);
	REQUIRE(rig_send(r, from, to, 7, 100, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, from, 1), 1);
	REQUIRE_EQ(guest_reap(r->guest[from], 0), 1);
	REQUIRE_EQ(rig_receive(r, to, NULL), 7);
}

static void restart_hostile(void)
{
	flush_hostile();
	for (uint32_t k = 0; k < GUEST_REGIONS; k++)
		REQUIRE_EQ(madvise(r->guest[0]->region[k], GUEST_REGION_SIZE, MADV_DONTNEED), 0);
	guest_reset_queue(r->guest[0], &r->guest[0]->tx[0]);
	guest_reset_queue(r->guest[0], &r->guest[0]->rx[0]);
	rig_attach(r, 0);
}

static uint32_t ring_size(struct input *in, bool packed)
{
	uint8_t size = in_u8(in);

	return packed ? size + 1U : 1U << size % 9;
}

/* Everything that an input may have changed, so that each input means the same whatever ran before. */
static void start_over(struct input *in)
{
	struct guest *g = r->guest[0];
	uint8_t features = in_u8(in);
	uint8_t times = (features & 64) != 0 ? in_u8(in) : 0, more = in_u8(in);

	/* Chains of the last input go back while the rings still have their sizes. */
	restart_hostile();
	rig_retry(r, times % 6, more % 8);
	/* Near the end of the clock, which may wrap. */
	r->lane[0]->ticks = (uint64_t)-4;
	for (uint32_t i = 1; i <= 2; i++) {
		drain(i);
		r->port[i]->rx[0].stalled = 0;
	}
	vh_mac_init(&r->sw->macs, 42);
	r->lane[0]->now = 1;
	for (uint32_t i = 0; i < r->n; i++)
		memset(r->port[i]->counters, 0, sizeof(r->port[i]->counters));
	g->config.features =
		((features & 1) != 0 ? VH_F_MRG_RXBUF : 0) | ((features & 2) != 0 ? VH_F_VERSION_1 : 0) |
		((features & 4) != 0 ? VH_F_EVENT_IDX : 0) | ((features & 8) == 0 ? VH_F_INDIRECT_DESC : 0) |
		((features & 16) != 0 ? VH_F_RING_PACKED : 0) | ((features & 32) != 0 ? VH_F_IN_ORDER : 0) |
		((features & 128) != 0 ? VH_F_SENDER_OFFLOADS : 0) | ((more & 8) != 0 ? VH_F_GUEST_CSUM : 0) |
		((more & 16) != 0 ? VH_F_GUEST_TSO4 | VH_F_GUEST_TSO6 : 0) |
		((more & 32) != 0 ? VH_F_GUEST_ECN : 0);
	g->hdr_len = (features & 3) != 0 ? 12 : 10;
	g->tx[0].size = ring_size(in, (features & 16) != 0);
	g->rx[0].size = ring_size(in, (features & 16) != 0);
	g->config.start = in_u16(in);
	restart_hostile();
	/* A zero would lie ahead of this clock, and no round would wait before it has wrapped. */
	for (uint32_t i = 0; i < r->n; i++)
		r->port[i]->tx[0].no_wait = r->lane[0]->ticks;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	r = rig_new();
	rig_add(r, &(struct guest_config){0});
	/* The second one takes and sends unfinished frames, for the first they are finished. */
	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = VH_F_VERSION_1 | VH_F_MRG_RXBUF |
							      VH_F_INDIRECT_DESC |
							      (i == 1 ? VH_F_RING_PACKED | ALL_OFFLOADS : 0),
				   .exact = true});
	finish_frames();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.p = data, .left = size};

	test_rng = rng_of(1);
	start_over(&in);
	for (uint32_t i = 0; i < MAX_STEPS && in.left > 0; i++)
		step(&in);
	settle(1);
	settle(2);
	pass(1, 2);
	pass(2, 1);
	restart_hostile();
	REQUIRE(guest_post(r->guest[0], 0, 2048, LAYOUT_SINGLE));
	pass(1, 0);
	pass(0, 1);
	return 0;
}
