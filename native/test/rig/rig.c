#include "rig.h"

#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t size)
{
	void *p = aligned_alloc(VH_CACHE_LINE, (size + VH_CACHE_LINE - 1) & ~(size_t)(VH_CACHE_LINE - 1));

	REQUIRE(p != NULL);
	memset(p, 0, size);
	return p;
}

struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->poll = vh_switch_poll;
	r->sw = zeroed(sizeof(*r->sw));
	vh_switch_init(r->sw, rng_next(&test_rng));
	r->list = zeroed(sizeof(*r->list));
	__atomic_store_n(&r->sw->list, r->list, __ATOMIC_RELEASE);
	for (uint16_t i = 0; i < RIG_LANES; i++) {
		r->lane[i] = zeroed(sizeof(*r->lane[i]));
		vh_lane_init(r->lane[i], (uint16_t)i);
	}
	return r;
}

void rig_free(struct rig *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		struct vh_counters c = rig_counters(r, i);

		note_drops(&c);
		guest_free(r->guest[i]);
		free(r->port[i]);
	}
	for (uint32_t i = 0; i < RIG_LANES; i++)
		free(r->lane[i]);
	free(r->list);
	free(r->sw);
	free(r);
}

struct rig *rig_guests(uint64_t features, uint32_t n)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < n; i++) {
		rig_add(r, &(struct guest_config){.features = features, .exact = true});
		guest_post_all(r->guest[i], 0, 2000, LAYOUT_SINGLE);
	}
	return r;
}

void rig_steer(struct vh_port *port, uint16_t live)
{
	uint8_t in_turn[VH_MAX_PAIRS];

	for (uint16_t q = 0; q < live; q++)
		in_turn[q] = (uint8_t)q;
	vh_port_steer(port, in_turn, live);
}

void rig_attach(struct rig *r, uint32_t i)
{
	struct guest *g = r->guest[i];
	struct vh_port *p = r->port[i];

	for (uint32_t k = 0; k < g->config.pairs; k++) {
		REQUIRE(guest_attach(g, &g->tx[k], &p->tx[k]) == NULL);
		REQUIRE(guest_attach(g, &g->rx[k], &p->rx[k]) == NULL);
		vh_vq_start(&p->tx[k]);
		vh_vq_start(&p->rx[k]);
	}
	rig_steer(p, (uint16_t)g->config.pairs);
}

uint32_t rig_add(struct rig *r, const struct guest_config *config)
{
	uint32_t i = r->n++;

	REQUIRE(i < RIG_GUESTS);
	r->guest[i] = guest_new(config);
	r->port[i] = vh_port_new((uint16_t)i, (uint16_t)r->guest[i]->config.pairs);
	REQUIRE(r->port[i] != NULL);
	rig_attach(r, i);
	r->list->port[r->list->n++] = r->port[i];
	__atomic_store_n(&r->sw->port[i], r->port[i], __ATOMIC_RELEASE);
	return i;
}

uint32_t rig_poll(struct rig *r, uint32_t i, uint32_t rounds)
{
	uint32_t total = 0, n = 1;

	for (; rounds > 0 && n > 0; rounds--) {
		n = r->poll(r->sw, r->lane[0], r->port[i], 0);
		total += n;
	}
	return total;
}

uint32_t rig_poll_pair(struct rig *r, uint32_t i, uint32_t pair)
{
	return r->poll(r->sw, r->lane[0], r->port[i], (uint16_t)pair);
}

void rig_retry(struct rig *r, uint32_t times, uint64_t delay)
{
	r->sw->retry = (struct vh_retry){.times = times, .delay_ticks = delay};
}

void rig_tick(struct rig *r, uint64_t ticks)
{
	for (uint32_t i = 0; i < RIG_LANES; i++)
		r->lane[i]->ticks += ticks;
}

struct vh_counters rig_counters(const struct rig *r, uint32_t i)
{
	struct vh_counters c;

	vh_port_counters(r->port[i], &c);
	return c;
}

uint64_t rig_drops(const struct rig *r, uint32_t i, enum vh_drop reason)
{
	return rig_counters(r, i).drops[reason];
}

uint64_t rig_all_drops(const struct rig *r, uint32_t i)
{
	struct vh_counters c = rig_counters(r, i);
	uint64_t sum = 0;

	for (uint32_t k = 0; k < VH_DROP_COUNT; k++)
		sum += c.drops[k];
	return sum;
}

void rig_require_balance(const struct rig *r)
{
	uint64_t tx = 0, out = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		struct vh_counters c = rig_counters(r, i);

		tx += c.tx_packets;
		out += c.rx_packets + c.drops[VH_DROP_TX_HAIRPIN] + c.drops[VH_DROP_TX_NO_DESTINATION] +
		       c.drops[VH_DROP_TX_DISABLED];
		for (uint32_t k = VH_DROP_RX_NOT_READY; k < VH_DROP_COUNT; k++)
			out += c.drops[k];
	}
	REQUIRE_EQ(out, tx);
}

uint32_t odd_size(uint32_t n)
{
	return on_packed() && n > 2 ? n - 1 : n;
}

void frame_mac(uint8_t mac[6], uint32_t i)
{
	memcpy(mac, (uint8_t[]){0x02, 0, 0, 0, 0, (uint8_t)(i + 1)}, 6);
}

static uint8_t pattern(uint32_t seq, uint32_t i)
{
	return (uint8_t)(seq * 31 + i * 7 + (i >> 8));
}

void frame_make(uint8_t *f, const uint8_t dst[6], const uint8_t src[6], uint32_t seq, uint32_t len)
{
	REQUIRE(len >= FRAME_MIN);
	memcpy(f, dst, 6);
	memcpy(f + 6, src, 6);
	/* EtherType for local experiments. */
	f[12] = 0x88;
	f[13] = 0xb5;
	memcpy(f + 14, &seq, 4);
	memcpy(f + 18, &len, 4);
	for (uint32_t i = FRAME_MIN; i < len; i++)
		f[i] = pattern(seq, i);
}

uint32_t frame_check(const uint8_t *f, uint32_t len)
{
	uint32_t seq, said;

	REQUIRE(len >= FRAME_MIN);
	memcpy(&seq, f + 14, 4);
	memcpy(&said, f + 18, 4);
	REQUIRE_EQ(len, said);
	REQUIRE(f[12] == 0x88 && f[13] == 0xb5);
	for (uint32_t i = FRAME_MIN; i < len; i++)
		REQUIRE_EQ(f[i], pattern(seq, i));
	return seq;
}

void frame_tag(uint8_t *f, uint16_t type, uint16_t tci)
{
	f[12] = (uint8_t)(type >> 8);
	f[13] = (uint8_t)type;
	f[14] = (uint8_t)(tci >> 8);
	f[15] = (uint8_t)tci;
}

bool rig_send(struct rig *r, uint32_t from, uint32_t to, uint32_t seq, uint32_t len, enum guest_layout layout)
{
	static _Thread_local uint8_t f[VH_MAX_FRAME];
	uint8_t dst[6], src[6];

	frame_mac(dst, to);
	frame_mac(src, from);
	frame_make(f, dst, src, seq, len);
	return guest_send(r->guest[from], 0, f, len, layout);
}

int64_t rig_receive(struct rig *r, uint32_t i, uint32_t *len)
{
	static _Thread_local uint8_t f[VH_MAX_FRAME];
	int32_t n = guest_receive(r->guest[i], 0, f, sizeof(f));

	if (n < 0)
		return n;
	if (len != NULL)
		*len = (uint32_t)n;
	return frame_check(f, (uint32_t)n);
}

void rig_learn_all(struct rig *r)
{
	uint8_t mac[6];

	for (uint32_t i = 0; i < r->n; i++) {
		frame_mac(mac, i);
		REQUIRE(vh_mac_learn(&r->sw->macs, vh_mac_key(mac, 0), (uint16_t)i, 1) <= VH_MAC_NEW);
	}
}
