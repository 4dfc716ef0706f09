/* What cards do of themselves: checked frames, unfinished ones that they finish, several queues. */
#include "../rig/offload_rig.h"
#include "../tests.h"
#include "../rig/uplink_rig.h"

#include <string.h>

#define OUTSIDE 100

static void arrive(struct uplink_rig *u, uint32_t dst, uint16_t vlan, uint32_t seq)
{
	uint8_t f[64], d[6], s[6];

	frame_mac(d, dst);
	frame_mac(s, OUTSIDE);
	frame_make(f, d, s, seq, sizeof(f));
	if (vlan != 0)
		frame_tag(f, 0x8100, vlan);
	uplink_arrive(u, f, sizeof(f));
	REQUIRE_EQ(uplink_poll(u, 1), 1);
}

/* The header is told to who asked for it, and to nobody else. */
static void require_header(struct rig *r, uint32_t i, bool told, uint32_t len)
{
	static const struct vh_virtio_header none;
	struct vh_virtio_header h;
	uint8_t got[UPLINK_ROOM];

	REQUIRE_EQ(guest_receive_header(r->guest[i], 0, &h, got, sizeof(got)), len);
	REQUIRE_EQ(h.flags, told ? VH_HDR_DATA_VALID : 0);
	h.flags = 0;
	REQUIRE(memcmp(&h, &none, sizeof(h)) == 0);
}

void test_uplink_checked_frames(void)
{
	struct rig *r = rig_new();
	struct uplink_rig *u;

	for (uint32_t i = 0; i < 3; i++) {
		rig_add(r, &(struct guest_config){
				   .features = i == 1 ? OFFLOAD_PLAIN : OFFLOAD_ON, .exact = true});
		guest_post_all(r->guest[i], 0, 2000, LAYOUT_SINGLE);
	}
	r->port[2]->vlan = (struct vh_vlan){.mode = VH_VLAN_ACCESS, .id = 10};
	u = uplink_new(r, 0);
	rig_learn_all(r);
	r->sw->rules = 1;
	u->checks = true;
	/* Nobody is there who could finish a frame, and nobody is needed. */
	for (uint32_t seq = 0; seq < 3; seq++)
		for (uint32_t i = 0; i < 2; i++) {
			arrive(u, i, 0, seq);
			require_header(r, i, i == 0, 64);
		}
	/* Its tag taken off. */
	u->port.flood_unknown_unicast = true;
	arrive(u, 50, 10, 9);
	require_header(r, 2, true, 60);
	uplink_free(u);
	rig_free(r);
}

void test_uplink_unfinished_frames(void)
{
	static struct offload_frame frame;
	static uint8_t got[VH_MAX_FRAME];
	struct rig *r = rig_new();
	struct uplink_rig *u;

	rig_add(r, &(struct guest_config){.features = OFFLOAD_ON, .exact = true});
	u = uplink_new(r, 0);
	offload_hook(r, UINT32_MAX);
	u->port.rx[0].rx_offloads = VH_F_GUEST_CSUM | VH_F_GUEST_TSO4;
	for (uint32_t refuses = 0; refuses <= 1; refuses++) {
		for (uint32_t v6 = 0; v6 <= 1; v6++) {
			/* IPv6 is none of what this card does. */
			bool finished = refuses != 0 || v6 != 0;

			u->refuses = refuses != 0;
			u->n_out = u->read = 0;
			offload_make(&frame, OUTSIDE, v6 != 0, 1, 1000, 7, 100);
			offload_send(r, 0, &frame, LAYOUT_SINGLE);
			REQUIRE_EQ(rig_poll(r, 0, 1), 1);
			guest_reap(r->guest[0], 0);
			REQUIRE_EQ(u->n_out, finished ? 10 : 1);
			REQUIRE_EQ(u->out[0].unfinished != 0, !finished);
			if (!finished) {
				REQUIRE_EQ(uplink_sent(u, got), frame.len);
				REQUIRE(memcmp(got, frame.data, frame.len) == 0);
			}
		}
	}
	uplink_free(u);
	rig_free(r);
}

/* UDP from guest 0, `flow` being its port. */
static void send_flow(struct rig *r, uint16_t flow, uint32_t seq)
{
	uint8_t f[64] = {0};

	frame_mac(f, OUTSIDE);
	frame_mac(f + 6, 0);
	memcpy(f + 12, (uint8_t[]){8, 0, 0x45}, 3);
	f[23] = 17;
	memcpy(f + 34, &flow, sizeof(flow));
	memcpy(f + 42, &seq, sizeof(seq));
	REQUIRE(guest_send(r->guest[0], 0, f, sizeof(f), LAYOUT_SINGLE));
}

void test_uplink_several_queues(void)
{
	enum { FLOWS = 32, LENGTH = 6, QUEUES = 3 };
	struct rig *r = rig_guests(VH_F_VERSION_1, 1);
	struct uplink_rig *u = uplink_new(r, 0);
	uint16_t queue_of[FLOWS];
	uint32_t next[FLOWS] = {0}, used = 0;

	vh_uplink_stop(&u->port);
	u->port.outs = QUEUES;
	vh_uplink_start(&u->port);
	for (uint32_t i = 0; i < FLOWS * LENGTH; i++) {
		send_flow(r, (uint16_t)(i % FLOWS), i / FLOWS);
		if (i % 10 == 0)
			rig_poll(r, 0, 1);
		guest_reap(r->guest[0], 0);
	}
	rig_poll(r, 0, 10);
	REQUIRE_EQ(u->n_out, FLOWS * LENGTH);
	for (uint32_t i = 0; i < u->n_out; i++) {
		uint16_t flow;
		uint32_t seq;

		memcpy(&flow, u->out[i].data + 34, sizeof(flow));
		memcpy(&seq, u->out[i].data + 42, sizeof(seq));
		REQUIRE_EQ(seq, next[flow]++);
		if (seq == 0)
			queue_of[flow] = u->out[i].queue;
		REQUIRE_EQ(u->out[i].queue, queue_of[flow]);
		used |= 1U << u->out[i].queue;
	}
	REQUIRE_EQ(used, (1U << QUEUES) - 1);
	vh_uplink_stop(&u->port);
	send_flow(r, 0, 0);
	REQUIRE_EQ(rig_poll(r, 0, 1), 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_NO_DESTINATION), 1);
	uplink_free(u);
	rig_free(r);
}
