#include "steps.h"
#include "offloads.h"
#include "pair.h"

/* Where indirect tables and buffers lie by default: near the end of the third region. */
#define TABLE (GUEST_HIGH + GUEST_REGION_SIZE - 0x4000)

/* Addresses of interest, with a byte or two of offset; now and then any address. */
static uint64_t address(struct input *in)
{
	static const uint64_t bases[] = {TABLE, TABLE + 0x1000, 0, GUEST_REGION_SIZE, 2 * GUEST_REGION_SIZE,
		GUEST_HIGH, GUEST_HIGH + GUEST_REGION_SIZE, GUEST_REGION_SIZE / 2};
	uint8_t how = in_u8(in);
	uint64_t base = bases[how % 8];

	switch (how / 8 % 8) {
	case 0:
	case 1:
	case 2:
		return base + in_u8(in) * 16U;
	case 3:
		return base + in_u16(in);
	case 4:
	case 5:
		return base - in_u8(in);
	case 6:
		return base - in_u16(in);
	default:
		return in_u64(in);
	}
}

static uint32_t length(struct input *in)
{
	static const uint32_t lengths[] = {0, 12, 16, 32, 64, 2048, VH_MAX_FRAME + 12, UINT32_MAX};
	uint8_t how = in_u8(in);

	if (how < 128)
		return how;
	return how < 192 ? lengths[how % 8] : in_u16(in) * (how % 2 + 1U);
}

static struct vh_desc descriptor(struct input *in)
{
	struct vh_desc d = {.addr = address(in), .len = length(in)};
	uint8_t flags = in_u8(in);

	d.flags = flags < 248 ? flags % 8 : in_u16(in);
	/* Of a packed ring: offered or not, in this lap or another. */
	if (r->guest[0]->tx[0].packed)
		d.flags |= (uint16_t)((flags & 8) / 8 * VH_DESC_AVAIL | (flags & 16) / 16 * VH_DESC_USED);
	d.next = in_u8(in);
	return d;
}

static struct guest_queue *ring(struct input *in)
{
	return (in_u8(in) & 1) != 0 ? &r->guest[0]->rx[0] : &r->guest[0]->tx[0];
}

static struct vh_vq *device(const struct guest_queue *q)
{
	return q == &r->guest[0]->rx[0] ? &r->port[0]->rx[0] : &r->port[0]->tx[0];
}

/* Bytes of the input anywhere in guest memory, as far as the region goes. */
static void poke(struct input *in)
{
	uint64_t to = address(in);
	uint32_t n = in_u8(in) % 64;

	for (; n > 0; n--, to++) {
		uint8_t *p = vh_guest_mem_at(&r->guest[0]->mem, to, 1);

		if (p != NULL)
			*p = in_u8(in);
	}
}

/* Sets a queue up with whatever the input says; a refusal leaves it as it is. */
static void odd_setup(struct input *in)
{
	struct guest *g = r->guest[0];
	struct guest_queue *q = ring(in);
	uint64_t offloads = g->config.features & ALL_OFFLOADS;
	uint32_t size = in_u8(in) < 200 ? 1U << in_u8(in) % 17 : in_u32(in);
	struct vh_vq_config c = {.desc = q->desc,
		.avail = q->avail,
		.used = q->used,
		.size = size,
		.features = (uint64_t)(in_u8(in) & 0xf0) << 25 | (uint64_t)(in_u8(in) & 13) << 32 | offloads |
			    VH_F_MRG_RXBUF,
		.mem = &g->mem,
		.record = q->record,
		.last_avail = in_u16(in),
		.last_used = in_u16(in),
		.line = &q->line};

	c.rejoin = (c.last_used & 2) != 0;
	switch (in_u8(in) % 8) {
	case 0:
		c.desc = g->region[0] + GUEST_REGION_SIZE - in_u16(in);
		break;
	case 1:
		c.avail = g->region[2] + GUEST_REGION_SIZE - in_u16(in);
		break;
	case 2:
		c.used = g->region[1] + GUEST_REGION_SIZE - in_u16(in);
		break;
	case 3:
		/* All of them in one place: what we write is what we read. */
		c.desc = c.avail = c.used = g->region[1] + in_u8(in) * 2;
		break;
	default:
		break;
	}
	flush_hostile();
	if (vh_vq_setup(device(q), &c) == NULL)
		vh_vq_start(device(q));
}

/* A frame to the hostile guest. Return: whether the sender had room for it. */
static bool send(struct input *in)
{
	uint32_t len = FRAME_MIN + (in_u8(in) < 200 ? in_u8(in) : in_u16(in));
	uint8_t mac[6];

	frame_mac(mac, 0);
	vh_mac_learn(&r->sw->macs, vh_mac_key(mac, 0), 0, r->lane[0]->now);
	return rig_send(r, 1, 0, 1, len, (enum guest_layout)(in_u8(in) % LAYOUT_COUNT));
}

/* Several of them; they may wait until a later step lets time pass. */
static void burst(struct input *in)
{
	settle(1);
	/* Only one buffer at a time can lie across the border of two regions. */
	for (uint32_t n = in_u8(in) % 8; n > 0 && send(in); n--)
		continue;
	rig_poll(r, 1, 1);
	guest_reap(r->guest[1], 0);
}

/* One frame to the hostile guest: received or counted, nothing else. */
static void deliver(struct input *in)
{
	struct vh_counters before, after;
	uint64_t drops;

	settle(1);
	before = rig_counters(r, 0);
	drops = rig_all_drops(r, 0);
	REQUIRE(send(in));
	if (rig_poll(r, 1, 1) == 0)
		settle(1);
	else
		REQUIRE_EQ(guest_reap(r->guest[1], 0), 1);
	after = rig_counters(r, 0);
	REQUIRE_EQ(after.rx_packets - before.rx_packets + rig_all_drops(r, 0) - drops, 1);
}

/* Any head; or an entry at the driver's own place in a packed ring. */
static void offer(struct input *in, struct guest_queue *q)
{
	uint8_t id = in_u8(in);
	struct vh_desc d;

	if (q->packed) {
		d = descriptor(in);
		guest_stage_raw(q, &d, 1, id);
	} else {
		guest_stage(q, id);
	}
	guest_publish(q);
}

static void poll_hostile(struct input *in)
{
	if (vh_vq_is_live(&r->port[0]->tx[0]))
		rig_poll(r, 0, 1 + in_u8(in) % 4);
	drain(1);
	drain(2);
}

/*
 * An indirect table, or a buffer, that ends where its region does: who goes on behind what was said of its
 * length leaves the guest's memory. Entries are good and linked in order, but for the last one's link and,
 * now and then, any of them.
 */
static void offer_end(struct input *in)
{
	struct guest *g = r->guest[0];
	struct guest_queue *q = ring(in);
	static const uint64_t ends[GUEST_REGIONS] = {
		GUEST_REGION_SIZE, 2 * GUEST_REGION_SIZE, GUEST_HIGH + GUEST_REGION_SIZE};
	bool to_guest = q == &g->rx[0];
	uint8_t how = in_u8(in);
	uint64_t end = ends[how % GUEST_REGIONS];
	uint32_t n = 1 + in_u8(in) % 8;
	struct vh_desc head = {.len = n * (uint32_t)sizeof(struct vh_desc), .flags = VH_DESC_INDIRECT};

	for (uint32_t i = 0; i < n; i++) {
		struct vh_desc d = {.addr = TABLE + 0x1000 + 0x100 * i,
			.len = 0x80,
			.flags = (uint16_t)((i + 1 < n || (how & 8) != 0 ? VH_DESC_NEXT : 0) |
					    (to_guest ? VH_DESC_WRITE : 0)),
			.next = (uint16_t)(i + 1 < n ? i + 1 : in_u8(in) % (2 * n + 1))};

		guest_put_desc(
			q, guest_at(g, end - (n - i) * sizeof(d)), in_u8(in) < 224 ? d : descriptor(in));
	}
	if ((how & 16) != 0) {
		head.len = length(in);
		head.flags = to_guest ? VH_DESC_WRITE : 0;
	}
	/* Some are a little longer than what is left of the region. */
	head.addr = end - (head.len < 4096 ? head.len : 4096) + ((how & 32) != 0 ? in_u8(in) % 16 * 8U : 0);
	/* Or begin where no entry may. */
	if ((how & 64) != 0)
		head.addr -= in_u8(in) % 16;
	guest_stage_raw(q, &head, 1, in_u8(in));
	guest_publish(q);
	if (to_guest)
		deliver(in);
	else
		poll_hostile(in);
}

void step(struct input *in)
{
	struct guest_queue *q;
	uint8_t which = in_u8(in);

	/* The last ones by themselves, so that older inputs still mean the same. */
	if (which >= 240) {
		send_unfinished(in);
		return;
	}
	if (which >= 220) {
		offer_end(in);
		return;
	}
	switch (which % 20) {
	case 0:
	case 1:
	case 2:
		q = ring(in);
		guest_put_desc(q, &q->desc[in_u8(in) % q->size], descriptor(in));
		break;
	case 3:
	case 4: {
		uint64_t at = TABLE + in_u8(in) % 64 * sizeof(struct vh_desc);

		guest_put_desc(&r->guest[0]->tx[0], guest_at(r->guest[0], at), descriptor(in));
		break;
	}
	case 5:
	case 6:
		q = ring(in);
		offer(in, q);
		break;
	case 7:
		q = ring(in);
		if (q->packed)
			q->ring[in_u8(in) % q->size].flags = in_u16(in);
		else
			q->avail->idx = (uint16_t)(q->avail->idx + in_u16(in));
		break;
	case 8:
		poke(in);
		break;
	case 9:
	case 10:
		poll_hostile(in);
		break;
	case 11:
	case 12:
		deliver(in);
		break;
	case 13:
		vh_vq_want_kicks(device(ring(in)), (in_u8(in) & 1) != 0);
		break;
	case 14:
		odd_setup(in);
		break;
	case 15:
		burst(in);
		break;
	case 16:
	case 17:
		rig_tick(r, in_u8(in) % 16);
		rig_poll(r, in_u8(in) % 3, 1);
		guest_reap(r->guest[1], 0);
		break;
	case 18:
		flush_hostile();
		break;
	default:
		r->lane[0]->now += in_u8(in);
		/* Seldom: a sweep over the whole table costs more than all other steps of an input. */
		if (in_u8(in) < 8)
			vh_mac_age(&r->sw->macs, r->lane[0]->now, in_u8(in));
	}
}
