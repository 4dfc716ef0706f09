/* Several receive queues: a flow stays on one of them, in order, and many flows use them all. */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

#define FEATURES (VH_F_VERSION_1 | VH_F_INDIRECT_DESC)
enum { FLOWS = 256, LENGTH = 120 };

enum kind {
	TCP4,
	UDP4,
	OTHER4,
	OPTIONS4,
	FRAGMENTS4,
	TCP6,
	OTHER6,
	FRAGMENTS6,
	TAGGED4,
	TAGGED6,
	NO_IP,
	KINDS
};

/* What tells one flow from another: addresses, and ports where the kind has any. */
static void put_ip4(uint8_t *p, enum kind kind, uint32_t flow, uint32_t seq)
{
	uint32_t words = kind == OPTIONS4 ? 15 : 5;

	p[0] = (uint8_t)(0x40 | words);
	/* Identification: another one each time. */
	memcpy(p + 4, &seq, 2);
	p[9] = kind == UDP4 ? 17 : kind == OTHER4 ? 47 : 6;
	memcpy(p + 12, &flow, 4);
	memcpy(p + 16, (uint8_t[]){10, 0, 0, 1}, 4);
	if (kind == FRAGMENTS4) {
		/* First with ports, middle and last ones without: what lies there then changes. */
		p[6] = seq % 3 == 2 ? 0 : 0x20;
		p[7] = (uint8_t)(seq % 3 * 8);
	}
	p += words * 4;
	if (kind == OTHER4 || kind == FRAGMENTS4)
		memcpy(p, &seq, 4);
	else
		memcpy(p, (uint8_t[]){(uint8_t)flow, 1, 0, 80}, 4);
}

static void put_ip6(uint8_t *p, enum kind kind, uint32_t flow, uint32_t seq)
{
	p[0] = 0x60;
	p[6] = kind == FRAGMENTS6 ? 44 : kind == OTHER6 ? 58 : 17;
	memcpy(p + 8 + flow % 12, &flow, 4);
	p[24] = 0xfe;
	p += 40;
	if (kind == OTHER6 || kind == FRAGMENTS6)
		memcpy(p, &seq, 4);
	else
		memcpy(p, (uint8_t[]){(uint8_t)flow, 1, 0, 80}, 4);
}

/* Its end says what it is: flow and number. */
static void make(uint8_t f[LENGTH], enum kind kind, uint32_t flow, uint32_t seq)
{
	uint32_t at = 12;
	bool six = kind == TCP6 || kind == OTHER6 || kind == FRAGMENTS6 || kind == TAGGED6;

	memset(f, 0, LENGTH);
	frame_mac(f, 1);
	frame_mac(f + 6, 0);
	if (kind == TAGGED4 || kind == TAGGED6) {
		memcpy(f + at, (uint8_t[]){kind == TAGGED4 ? 0x81 : 0x88, kind == TAGGED4 ? 0 : 0xa8, 0, 0},
			4);
		at += 4;
	}
	memcpy(f + at,
		kind == NO_IP ? (uint8_t[]){0x88, 0xb5}
		: six	      ? (uint8_t[]){0x86, 0xdd}
			      : (uint8_t[]){8, 0},
		2);
	at += 2;
	if (kind == NO_IP)
		memcpy(f + 8, &flow, 2);
	else if (six)
		put_ip6(f + at, kind, flow, seq);
	else
		put_ip4(f + at, kind, flow, seq);
	memcpy(f + LENGTH - 8, &flow, 4);
	memcpy(f + LENGTH - 4, &seq, 4);
}

struct seen {
	uint32_t queue[FLOWS], next[FLOWS]; /* queue + 1, number of the next frame */
	uint32_t frames[VH_MAX_PAIRS];
};

static void receive(struct rig *r, uint32_t q, struct seen *s)
{
	uint8_t f[LENGTH];
	uint32_t flow, seq;
	int32_t n;

	while ((n = guest_receive(r->guest[1], q, f, sizeof(f))) != GUEST_NOTHING) {
		REQUIRE_EQ(n, LENGTH);
		memcpy(&flow, f + LENGTH - 8, 4);
		memcpy(&seq, f + LENGTH - 4, 4);
		REQUIRE(flow < FLOWS);
		REQUIRE_EQ(seq, s->next[flow]);
		s->next[flow]++;
		REQUIRE(s->queue[flow] == 0 || s->queue[flow] == q + 1);
		s->queue[flow] = q + 1;
		s->frames[q]++;
	}
}

/* The n-th frame's headers may be cut apart anywhere. */
static void send(struct rig *r, const uint8_t f[LENGTH], bool apart)
{
	struct guest_shape s;

	if (!apart) {
		REQUIRE(guest_send(r->guest[0], 0, f, LENGTH,
			(enum guest_layout)rng_below(&test_rng, LAYOUT_HEADER_APART + 1)));
		return;
	}
	s = (struct guest_shape){.n = 4, .edge = -1};
	s.len[0] = 12 + rng_between(&test_rng, 1, 70);
	s.len[1] = rng_between(&test_rng, 1, 12);
	s.len[2] = rng_between(&test_rng, 1, 12);
	s.len[3] = 12 + LENGTH - s.len[0] - s.len[1] - s.len[2];
	s.direct = s.n;
	REQUIRE(guest_send_shape(r->guest[0], 0, &s, f, LENGTH));
}

/* The second of two guests has many receive queues, of which the first `live` are in use. */
static struct rig *queues(uint16_t live)
{
	struct rig *r = rig_new();

	rig_add(r, &(struct guest_config){.features = FEATURES, .exact = true});
	rig_add(r, &(struct guest_config){.features = FEATURES, .pairs = VH_MAX_PAIRS, .rx_size = 128});
	rig_steer(r->port[1], live);
	rig_learn_all(r);
	return r;
}

/* All flows in random order, some frames of each; receivers without buffers now and then. */
static void run(struct rig *r, enum kind kind, uint16_t live, bool apart, bool scarce, struct seen *s)
{
	uint32_t sent[FLOWS] = {0}, polled = 0;
	uint8_t f[LENGTH];

	memset(s, 0, sizeof(*s));
	rig_steer(r->port[1], live);
	if (scarce)
		rig_retry(r, 1000000, 1);
	for (uint32_t round = 0; round < 60; round++) {
		for (uint32_t i = 0; i < 32; i++) {
			uint32_t flow = rng_below(&test_rng, FLOWS);

			make(f, kind, flow, sent[flow]++);
			send(r, f, apart);
		}
		for (uint32_t done = 0; done < 32; polled++) {
			for (uint32_t q = 0; q < live; q++) {
				receive(r, q, s);
				if (!scarce || rng_below(&test_rng, 2) == 0)
					for (uint32_t n = scarce ? rng_below(&test_rng, 4) : 40; n > 0; n--)
						guest_post(r->guest[1], q, 200, LAYOUT_SINGLE);
			}
			done += rig_poll_pair(r, 0, 0);
			rig_tick(r, 1);
		}
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 32);
	}
	for (uint32_t q = 0; q < live; q++)
		receive(r, q, s);
	REQUIRE(memcmp(sent, s->next, sizeof(sent)) == 0);
	REQUIRE(!scarce || polled > 100);
	rig_require_balance(r);
}

/* No queue idle, none with much more than its share. */
static void require_spread(const struct seen *s, uint16_t live)
{
	for (uint32_t q = 0; q < live; q++) {
		uint32_t flows = 0;

		for (uint32_t i = 0; i < FLOWS; i++)
			flows += s->queue[i] == q + 1;
		REQUIRE(flows >= FLOWS / live / 4);
		REQUIRE(flows <= FLOWS / live * 3);
	}
}

void test_flow_keeps_its_queue(void)
{
	static const uint16_t live[] = {1, 2, 3, 8};
	static struct seen s;

	for (uint32_t k = 0; k < KINDS; k++) {
		struct rig *r = queues(1);

		for (uint32_t i = 0; i < 4; i++) {
			run(r, (enum kind)k, live[i], false, false, &s);
			require_spread(&s, live[i]);
		}
		rig_free(r);
	}
}

/*
 * The queues in use are any of those that there are, and others after each change: every frame comes by one
 * of them, and none is lost. A change is known to all workers before a queue stops, as vh_rings_pause() has
 * it.
 */
void test_flow_any_queues(void)
{
	struct rig *r = queues(1);
	uint32_t total = 0, posted[VH_MAX_PAIRS] = {0};
	static struct seen s;
	uint8_t f[LENGTH];

	for (uint32_t q = 0; q < VH_MAX_PAIRS; q++)
		vh_vq_stop(&r->port[1]->rx[q]);
	for (uint32_t round = 0; round < 200; round++) {
		uint8_t in_use[VH_MAX_PAIRS];
		uint16_t n = 0;

		memset(&s, 0, sizeof(s));
		while (n == 0)
			for (uint8_t q = 3; q < VH_MAX_PAIRS; q = (uint8_t)(q + 4))
				if (rng_below(&test_rng, round % 2 == 0 ? 2 : 16) == 0)
					in_use[n++] = q;
		for (uint16_t i = 0; i < n; i++)
			vh_vq_start(&r->port[1]->rx[in_use[i]]);
		vh_port_steer(r->port[1], in_use, n);
		for (uint16_t i = 0; i < n; i++)
			for (; posted[in_use[i]] < VH_BATCH; posted[in_use[i]]++)
				REQUIRE(guest_post(r->guest[1], in_use[i], 200, LAYOUT_SINGLE));
		for (uint32_t flow = 0; flow < VH_BATCH; flow++) {
			make(f, (enum kind)rng_below(&test_rng, KINDS), flow, 0);
			send(r, f, false);
		}
		REQUIRE_EQ(rig_poll_pair(r, 0, 0), VH_BATCH);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), VH_BATCH);
		for (uint16_t i = 0; i < n; i++) {
			receive(r, in_use[i], &s);
			total += s.frames[in_use[i]];
			posted[in_use[i]] -= s.frames[in_use[i]];
			vh_vq_stop(&r->port[1]->rx[in_use[i]]);
		}
		REQUIRE_EQ(total, (round + 1) * VH_BATCH);
	}
	REQUIRE_EQ(rig_all_drops(r, 1), 0);
	rig_free(r);
}

void test_flow_order_with_full_queues(void)
{
	struct rig *r = queues(1);
	static struct seen s;

	for (uint32_t k = 0; k < KINDS; k += 2)
		run(r, (enum kind)k, 5, false, true, &s);
	rig_free(r);
}

/* A driver may cut its headers wherever it likes, and differently for each frame of one flow. */
void test_flow_headers_apart(void)
{
	struct rig *r = queues(1);
	static struct seen s;

	for (uint32_t k = 0; k < KINDS; k++) {
		run(r, (enum kind)k, 4, true, false, &s);
		require_spread(&s, 4);
	}
	run(r, TCP4, 4, true, true, &s);
	rig_free(r);
}
