/* Ports that come, go, have no driver, or several queues. */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

#define MODERN (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)

void test_switch_drops_without_receiver(void)
{
	struct rig *r = rig_new();

	rig_add(r, &(struct guest_config){.features = MODERN});
	REQUIRE(rig_send(r, 0, 1, 0, 60, LAYOUT_SINGLE));
	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_NO_DESTINATION), 1);

	rig_add(r, &(struct guest_config){.features = MODERN});
	rig_learn_all(r);
	guest_post_all(r->guest[1], 0, 200, LAYOUT_SINGLE);
	/* Driver gone, and queue stopped: counted at the receiver; a flood does not even try the first. */
	rig_steer(r->port[1], 0);
	REQUIRE(rig_send(r, 0, 1, 1, 60, LAYOUT_SINGLE));
	REQUIRE(rig_send(r, 0, 7, 2, 60, LAYOUT_SINGLE));
	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_NOT_READY), 1);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_NO_DESTINATION), 2);
	rig_steer(r->port[1], 1);
	vh_vq_stop(&r->port[1]->rx[0]);
	REQUIRE(rig_send(r, 0, 1, 3, 60, LAYOUT_SINGLE));
	REQUIRE(rig_send(r, 0, 7, 4, 60, LAYOUT_SINGLE));
	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_drops(r, 1, VH_DROP_RX_NOT_READY), 3);
	vh_vq_start(&r->port[1]->rx[0]);
	REQUIRE(rig_send(r, 0, 1, 5, 60, LAYOUT_SINGLE));
	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_receive(r, 1, NULL), 5);
	rig_require_balance(r);
	rig_free(r);
}

/* A port that was withdrawn while its address is still known, and while a flood list still names it. */
void test_switch_removed_port(void)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < 3; i++) {
		rig_add(r, &(struct guest_config){.features = MODERN});
		guest_post_all(r->guest[i], 0, 200, LAYOUT_SINGLE);
	}
	rig_learn_all(r);
	__atomic_store_n(&r->sw->port[1], NULL, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < 20; i++)
		REQUIRE(rig_send(r, 0, i % 2 + 1, i, 60, LAYOUT_SINGLE));
	REQUIRE_EQ(rig_poll(r, 0, 1), 20);
	REQUIRE_EQ(rig_drops(r, 0, VH_DROP_TX_NO_DESTINATION), 10);
	for (uint32_t i = 1; i < 20; i += 2)
		REQUIRE_EQ(rig_receive(r, 2, NULL), i);
	rig_require_balance(r);
	REQUIRE(rig_send(r, 0, 9, 50, 60, LAYOUT_SINGLE));
	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_receive(r, 2, NULL), 50);
	REQUIRE_EQ(rig_receive(r, 1, NULL), GUEST_NOTHING);
	/* The list that follows has no such port any more; its addresses are forgotten. */
	r->list->port[1] = r->list->port[2];
	r->list->n = 2;
	REQUIRE_EQ(vh_mac_forget_port(&r->sw->macs, 1), 1);
	REQUIRE(rig_send(r, 0, 1, 51, 60, LAYOUT_SINGLE));
	rig_poll(r, 0, 1);
	REQUIRE_EQ(rig_receive(r, 2, NULL), 51);
	rig_free(r);
}

struct seen {
	uint32_t learned, moved;
	uint16_t port;
	uint64_t key;
};

static void note(void *context, uint16_t port, uint64_t key, bool moved)
{
	struct seen *s = context;

	s->learned += !moved;
	s->moved += moved;
	s->port = port;
	s->key = key;
}

void test_switch_learn_hook(void)
{
	struct rig *r = rig_new();
	struct seen seen = {0};
	uint8_t f[60], dst[6], mac[6];

	for (uint32_t i = 0; i < 2; i++)
		rig_add(r, &(struct guest_config){.features = MODERN});
	r->sw->on_learn = note;
	r->sw->hook_context = &seen;
	frame_mac(mac, 0);
	frame_mac(dst, 5);
	for (uint32_t i = 0; i < 6; i++) {
		/* A second later each time: seen again is not learned again. */
		r->lane[0]->now = 1 + i / 2;
		frame_make(f, dst, mac, i, sizeof(f));
		REQUIRE(guest_send(r->guest[i / 3], 0, f, sizeof(f), LAYOUT_SINGLE));
		rig_poll(r, i / 3, 1);
		REQUIRE_EQ(seen.learned, 1);
		REQUIRE_EQ(seen.moved, i >= 3);
		REQUIRE_EQ(seen.port, i / 3);
		REQUIRE(seen.key == vh_mac_key(mac, 0));
	}
	/* A group address as source is forwarded but never learned. */
	mac[0] |= 1;
	frame_make(f, dst, mac, 9, sizeof(f));
	REQUIRE(guest_send(r->guest[0], 0, f, sizeof(f), LAYOUT_SINGLE));
	rig_poll(r, 0, 1);
	REQUIRE_EQ(seen.learned + seen.moved, 2);
	REQUIRE_EQ(mac_lookup(&r->sw->macs, vh_mac_key(mac, 0)), VH_NO_PORT);
	rig_free(r);
}
