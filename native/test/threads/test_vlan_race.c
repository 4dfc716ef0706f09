/* A guest that rewrites a frame's tags all the time while the switch forwards it: what is delivered counts.
 */
#include "../tests.h"
#include "../rig/uplink_rig.h"
#include "../rig/vlan_oracle.h"

#include <pthread.h>
#include <string.h>

/* So many of each: forwarded, and refused because the tags were other ones when they were judged. */
#define ENOUGH 300U
#define BURST 32U

static const struct oracle_port modes[] = {
	{.id = 0, .mode = VH_VLAN_NONE},
	{.id = 1, .mode = VH_VLAN_ACCESS, .n = 1, .vlans = {10}},
	{.id = 2, .mode = VH_VLAN_ACCESS, .n = 1, .vlans = {10}},
	{.id = 3, .mode = VH_VLAN_TRUNK, .n = 2, .vlans = {0, 10}},
	{.id = 4, .mode = VH_VLAN_TRUNK, .n = 2, .vlans = {0, 10}},
	{.id = 5, .mode = VH_VLAN_AUTO},
	{.id = 6, .mode = VH_VLAN_AUTO},
	{.id = 7, .uplink = true},
};
#define GUESTS 7U

/* EtherTypes and tags of the sender's frames, wherever they lie, in turn: untagged, VLAN 10, 20, both. */
static struct {
	uint8_t *at[BURST];
	uint32_t n; /* atomic */
	uint32_t stop;
} target;

static void *hammer(void *context)
{
	static const uint8_t fronts[4][10] = {{0x88, 0xb5}, {0x81, 0, 0, 10, 0x88, 0xb5},
		{0x81, 0, 0, 20, 0x88, 0xb5}, {0x81, 0, 0, 10, 0x91, 0, 0, 20, 0x88, 0xb5}};

	for (uint32_t turn = 0; __atomic_load_n(&target.stop, __ATOMIC_RELAXED) == 0; turn++)
		for (uint32_t i = 0, n = __atomic_load_n(&target.n, __ATOMIC_ACQUIRE); i < n; i++)
			memcpy(target.at[i], fronts[turn % 4], sizeof(fronts[0]));
	return context;
}

static uint8_t *front_of(const struct guest *g, int32_t head)
{
	const struct guest_chain *chain = &g->tx[0].chain[head];

	return guest_at(g, chain->buf[0].gpa) + g->hdr_len + 12;
}

static void look(struct rig *r, struct uplink_rig *u, uint32_t from, uint64_t *got)
{
	uint8_t f[UPLINK_ROOM];
	int32_t len;

	for (uint32_t to = 0; to < GUESTS; to++) {
		while ((len = guest_receive(r->guest[to], 0, f, sizeof(f))) > 0) {
			oracle_require(&modes[from], &modes[to], f, (uint32_t)len);
			++*got;
		}
		guest_post_all(r->guest[to], 0, 256, LAYOUT_SINGLE);
	}
	while ((len = uplink_sent(u, f)) > 0)
		oracle_require(&modes[from], &modes[GUESTS], f, (uint32_t)len);
	u->n_out = u->read = 0;
}

/* The chains stay the same, so that the hammer may go on meanwhile. */
static void attack(struct rig *r, struct uplink_rig *u, uint32_t from)
{
	struct guest *g = r->guest[from];
	uint8_t f[100], src[6], all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint16_t head[BURST];
	struct guest_shape shape;
	struct vh_used_elem e;
	uint64_t got = 0;

	frame_mac(src, from);
	frame_make(f, all, src, 1, sizeof(f));
	guest_shape(&shape, LAYOUT_SINGLE, g->hdr_len + sizeof(f), g->hdr_len, &test_rng);
	for (uint32_t i = 0; i < BURST; i++) {
		head[i] = (uint16_t)guest_build_frame(g, &g->tx[0], &shape, f, sizeof(f));
		target.at[i] = front_of(g, head[i]);
	}
	__atomic_store_n(&target.n, BURST, __ATOMIC_RELEASE);
	while (got < ENOUGH || (from != 0 && rig_drops(r, from, VH_DROP_TX_BAD_VLAN) < ENOUGH)) {
		for (uint32_t i = 0; i < BURST; i++)
			guest_stage(&g->tx[0], head[i]);
		guest_publish(&g->tx[0]);
		REQUIRE_EQ(rig_poll(r, from, 1), BURST);
		while (guest_used(&g->tx[0], &e))
			;
		look(r, u, from, &got);
	}
	__atomic_store_n(&target.n, 0, __ATOMIC_RELEASE);
}

void test_vlan_rewritten_by_a_thread(void)
{
	struct rig *r = rig_new();
	struct uplink_rig *u = uplink_new(r, 0);
	pthread_t thread;

	for (uint32_t i = 0; i < GUESTS; i++) {
		rig_add(r, &(struct guest_config){.features = VH_F_VERSION_1});
		oracle_set(r, i, &modes[i]);
		guest_post_all(r->guest[i], 0, 256, LAYOUT_SINGLE);
	}
	REQUIRE_EQ(pthread_create(&thread, NULL, hammer, NULL), 0);
	for (uint32_t from = 0; from < GUESTS; from++)
		attack(r, u, from);
	__atomic_store_n(&target.stop, 1, __ATOMIC_RELAXED);
	REQUIRE_EQ(pthread_join(thread, NULL), 0);
	uplink_free(u);
	rig_free(r);
}
