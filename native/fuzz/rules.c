/*
 * libFuzzer target over VLAN rules, offloads and the switch's own softener
 * (native/dpdk/runtime/sw_offload.c): whatever a guest or the network sends, what is delivered has only tags
 * that its sender may send and its receiver may get (native/test/rig/vlan_oracle.h), and what is finished
 * keeps its length.
 *
 * An input is a few frames. Each says who sends it, its tags, what is left to be done, and which of its bytes
 * are other ones, before it is sent and while it is forwarded.
 */
#include "../dpdk/runtime/sw_offload.h"
#include "../test/rig/offload_rig.h"
#include "../test/rig/uplink_rig.h"
#include "../test/rig/vlan_oracle.h"
#include "rig/eal.h"
#include "rig/input.h"

#include <stdlib.h>
#include <string.h>

#define GUESTS ORACLE_GUESTS
#define UPLINK GUESTS
#define MAX_FRAMES 6

static struct rig *r;
static struct uplink_rig *u;
static struct offload_frame frame;
static uint32_t from;

/* Bytes that the sender writes over its frame when it was judged. */
static struct {
	uint32_t n;
	uint8_t at[8], value[8];
} later;

void note_drops(const struct vh_counters *c)
{
	(void)c;
}

static void put_tags(struct input *in, uint32_t n)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100, 0x9200},
			      vlans[] = {0, 10, 20, 30, 1001, 1002, 4095, 1};

	memmove(frame.data + 12 + 4 * n, frame.data + 12, frame.len - 12);
	frame.len += 4 * n;
	frame.header.csum_start = (uint16_t)(frame.header.csum_start + 4 * n);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t how = in_u8(in);

		frame_tag(frame.data + 4 * i, types[how % 4],
			(uint16_t)(vlans[how / 4 % 8] | (how & 128) << 6));
	}
}

/* Anywhere, and mostly where the front is that is written anew with a tag more or less. */
static uint16_t checksum_start(struct input *in)
{
	uint8_t how = in_u8(in);

	return how < 200 ? how % 40 : in_u16(in);
}

static void make(struct input *in)
{
	uint8_t how = in_u8(in), odd = in_u8(in), dst = in_u8(in) % (2 * GUESTS);
	uint32_t tags = how / 4 % 8 < 5 ? how / 4 % 8 : 0, payload = 1 + in_u16(in) % 3000;

	if ((odd & 65) != 0)
		payload = VH_MAX_FRAME - 4 * tags - 80 - payload % 32;
	offload_make(&frame, dst < GUESTS ? dst : UINT32_MAX, (how & 1) != 0, 0, payload, 1,
		(how & 2) != 0 ? payload / (1U + in_u8(in) / 2) + 1 : 0);
	frame_mac(frame.data + 6, from == UPLINK ? 100 : from);
	put_tags(in, tags);
	/* Where a tag more or less makes a difference, for one. */
	if ((odd & 64) != 0)
		frame.header.csum_start = (uint16_t)(65535 - in_u8(in) % 16);
	else if ((odd & 2) != 0)
		frame.header.csum_start = checksum_start(in);
	if ((odd & 4) != 0)
		frame.header.csum_offset = in_u8(in) % 32;
	if ((odd & 8) != 0)
		frame.header.gso_size = in_u16(in);
	if ((odd & 16) != 0)
		frame.header.hdr_len = in_u16(in);
	if ((odd & 32) != 0)
		frame.len = VH_MIN_FRAME + in_u8(in) % 40;
	for (uint32_t n = in_u8(in) % 4; n > 0; n--) {
		uint32_t at = 12 + in_u8(in) % 80U;

		frame.data[at] = in_u8(in);
	}
	for (later.n = 0; later.n < (how >> 5) % 8; later.n++) {
		later.at[later.n] = 12 + in_u8(in) % 80;
		later.value[later.n] = in_u8(in);
	}
}

static void change(void *context)
{
	const struct guest *g = from == UPLINK ? NULL : r->guest[from];
	uint32_t at = 0;

	(void)context;
	for (uint32_t id = 0; g != NULL && id < g->tx[0].size; id++)
		for (uint32_t i = 0; g->tx[0].chain[id].n_descs > 0 && i < g->tx[0].chain[id].n_bufs; i++) {
			const struct guest_buf *b = &g->tx[0].chain[id].buf[i];

			for (uint32_t n = 0; n < later.n; n++)
				if (later.at[n] + g->hdr_len >= at && later.at[n] + g->hdr_len < at + b->len)
					*guest_at(g, b->gpa + later.at[n] + g->hdr_len - at) = later.value[n];
			at += b->len;
		}
}

static void look(uint32_t to, uint8_t *f, uint32_t len, const struct vh_virtio_header *h)
{
	oracle_finish(f, len, h);
	oracle_require(&oracle_modes[from], &oracle_modes[to], f, len);
}

static void look_everywhere(void)
{
	static uint8_t f[VH_MAX_FRAME + 64];
	struct vh_virtio_header h;
	int32_t len;

	for (uint32_t to = 0; to < GUESTS; to++) {
		while ((len = guest_receive_header(r->guest[to], 0, &h, f, sizeof(f))) != GUEST_NOTHING)
			if (len > 0)
				look(to, f, (uint32_t)len, &h);
		guest_post_all(r->guest[to], 0, 2000, LAYOUT_SINGLE);
	}
	for (; u->read < u->n_out; u->read++) {
		vh_offload_put(&u->out[u->read].offload, (uint8_t *)&h);
		look(UPLINK, u->out[u->read].data, u->out[u->read].len, &h);
	}
	u->n_out = u->read = 0;
}

static void one(struct input *in)
{
	from = in_u8(in) % (GUESTS + 1);
	make(in);
	if (from != UPLINK) {
		offload_send(r, from, &frame, (enum guest_layout)(in_u8(in) % LAYOUT_COUNT));
		REQUIRE_EQ(rig_poll(r, from, 1), 1);
		REQUIRE_EQ(guest_reap(r->guest[from], 0), 1);
	} else {
		uplink_arrive(u, frame.data, frame.len < UPLINK_ROOM ? frame.len : UPLINK_ROOM);
		REQUIRE_EQ(uplink_poll(u, 1), 1);
		free(u->in[0]);
		u->n_in = u->taken = 0;
		u->given_back[0] = false;
	}
	look_everywhere();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char error[256];

	(void)argc, (void)argv;
	fuzz_eal(NULL);
	test_rng = rng_of(1);
	r = rig_new();
	u = uplink_new(r, 0);
	u->meanwhile = change;
	u->port.flood_unknown_unicast = true;
	REQUIRE_EQ(vh_soften_start(1, &r->sw->soften, error, sizeof(error)), 0);
	for (uint32_t i = 0; i < GUESTS; i++) {
		/* All send unfinished frames; half of them take such. */
		rig_add(r, &(struct guest_config){.features = i % 2 == 0 ? OFFLOAD_ON : OFFLOAD_PLAIN});
		r->port[i]->tx[0].tx_offloads = VH_F_SENDER_OFFLOADS;
		oracle_set(r, i, &oracle_modes[i]);
		guest_post_all(r->guest[i], 0, 2000, LAYOUT_SINGLE);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.p = data, .left = size};

	test_rng = rng_of(1);
	vh_mac_init(&r->sw->macs, 42);
	u->port.rx[0].rx_offloads = (in_u8(&in) & 1) != 0 ? VH_F_GUEST_CSUM : 0;
	for (uint32_t i = 0; i < MAX_FRAMES && in.left > 0; i++)
		one(&in);
	return 0;
}
