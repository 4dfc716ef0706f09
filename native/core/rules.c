#include "rules.h"
#include "sort.h"

#include <string.h>

#define TAG_BYTES 4U
/* Addresses, tag, EtherType: as far as a frame is read. */
#define FRONT (VH_MIN_FRAME + TAG_BYTES)
/* No form: the port is no member. */
#define NOT_AT_ALL VH_FORMS

/* What a frame is inside of the switch, and where it stands in the table. */
struct verdict {
	uint64_t dst, src;
	struct vh_mac_place at;
	uint16_t vlan, tag;    /* tag: what it carries as VH_TAGGED, all 16 bits of it */
	uint16_t only;	       /* the one guest that it is meant for, or VH_NO_PORT */
	uint8_t plain, tagged; /* its forms where no tag is wanted, and where one is */
	bool is_tagged;
	enum vh_drop drop;    /* VH_DROP_COUNT: it may be sent */
	bool asked, returned; /* whether it is back at its sender; told once it was asked for */
	bool looped;	      /* from one of our guests to another, by way of the card */
	uint8_t front[FRONT]; /* read once */
};

/* One round of sorting. */
struct sorting {
	struct vh_switch *sw;
	struct vh_batch *batch;
	struct vh_port *from;
	const struct vh_port_list *list;
	const struct vh_port *card; /* vh_switch.card, while frames can go there */
	struct run run;
	uint16_t segs;	   /* where the next rest of a frame goes in batch->seg */
	uint64_t reshaped; /* frames that have their other forms, as bits */
	/*
	 * Frames follow each other with the same front, because that is how senders send. They share the
	 * verdict of the first of them, and go where it went if that was one place.
	 */
	uint8_t first[VH_BATCH];
	uint8_t sole_first, sole_form;
	uint16_t sole; /* where frame `sole_first` went, and in which form; or VH_NO_PORT */
	struct verdict of[VH_BATCH];
};

static uint16_t tag_of(const struct verdict *v)
{
	return (uint16_t)(v->front[14] << 8 | v->front[15]);
}

/* The VLAN in the frame's own tag; 0 without one, and where it has none but a priority. */
static uint16_t own_vlan(const struct verdict *v)
{
	return v->is_tagged ? tag_of(v) & 0xfff : 0;
}

static void read_front(const struct vh_batch *b, const struct vh_frame *f, struct verdict *v)
{
	uint16_t type;

	if (vh_likely(f->len >= FRONT))
		memcpy(v->front, f->data, FRONT);
	else
		gather(b, f, v->front, FRONT);
	type = (uint16_t)(v->front[12] << 8 | v->front[13]);
	/* 802.1Q and 802.1ad; with less behind it, it is no tag. */
	v->is_tagged = (type == 0x8100 || type == 0x88a8) && f->total >= FRONT;
}

/* Whether the fronts of two frames are the same, as far as they are looked at. */
static bool is_like(const struct verdict *v, const struct verdict *other)
{
	return memcmp(v->front, other->front, VH_MIN_FRAME) == 0 && v->is_tagged == other->is_tagged &&
	       (!v->is_tagged ||
		       memcmp(v->front + VH_MIN_FRAME, other->front + VH_MIN_FRAME, TAG_BYTES) == 0);
}

/* As it came, wherever its own tag or the want of one is what is wanted. */
static void pass(struct verdict *v)
{
	v->vlan = own_vlan(v);
	v->tag = v->is_tagged ? tag_of(v) : 0;
	v->tagged = VH_AS_IT_CAME;
	v->plain = v->vlan == 0 ? VH_AS_IT_CAME : VH_UNTAGGED;
}

/* Puts it into a VLAN that the guest does not know of, under a tag of ours. */
static void put_into(struct verdict *v, uint16_t vlan, uint16_t tag)
{
	v->vlan = vlan;
	v->tag = (uint16_t)((v->is_tagged ? tag_of(v) & 0xf000 : 0) | tag);
	v->tagged = VH_TAGGED;
	v->plain = v->is_tagged ? VH_UNTAGGED : VH_AS_IT_CAME;
}

/* Return: whether the guest may send this. */
static bool from_guest(const struct vh_port *port, struct verdict *v)
{
	const struct vh_vlan *mode = &port->vlan;
	uint16_t own = own_vlan(v), device_tag = (uint16_t)(VH_VLAN_TAG_BASE + port->id);

	switch (mode->mode) {
	case VH_VLAN_AUTO:
		put_into(v, 0, device_tag);
		/* Its own tag is the one that it gets to see with --vlan-strip 0. */
		return own == 0 || own == device_tag;
	case VH_VLAN_ACCESS:
		put_into(v, mode->id, mode->id);
		return own == 0;
	case VH_VLAN_TRUNK:
		pass(v);
		/* Of our own making, so that the tag that was looked at is the one that goes out. */
		v->tagged = VH_TAGGED;
		v->plain = VH_UNTAGGED;
		return vh_vlan_allows(mode, own);
	default:
		pass(v);
		return true;
	}
}

/* The guest whose own tag this is, or VH_NO_PORT. */
static uint16_t guest_of_tag(const struct vh_switch *sw, uint16_t vlan)
{
	const struct vh_port *p;
	uint16_t id = (uint16_t)(vlan - VH_VLAN_TAG_BASE);

	if (id >= VH_MAX_PORTS)
		return VH_NO_PORT;
	p = __atomic_load_n(&sw->port[id], __ATOMIC_ACQUIRE);
	return p != NULL && p->vlan.mode == VH_VLAN_AUTO ? id : VH_NO_PORT;
}

static void from_uplink(const struct vh_switch *sw, struct verdict *v)
{
	pass(v);
	v->only = guest_of_tag(sw, v->vlan);
	if (v->only != VH_NO_PORT)
		v->vlan = 0;
}

/*
 * Whether a frame from an uplink has the tag of the very guest that sent it. To be asked when its source was
 * learned: an address that has moved away is no guest's any more.
 */
static bool is_returned(const struct sorting *s, struct verdict *v)
{
	uint16_t id;

	if (s->from->uplink == NULL || v->only == VH_NO_PORT)
		return false;
	if (!v->asked) {
		id = vh_mac_lookup(&s->sw->macs, v->src, vh_mac_place(&s->sw->macs, v->src));
		v->looped = s->from == s->card && id < VH_MAX_PORTS;
		v->returned = id == v->only;
		v->asked = true;
	}
	return v->returned;
}

/* The form in which a guest takes the frame, or NOT_AT_ALL. */
static uint8_t form_for_guest(const struct sorting *s, const struct verdict *v, const struct vh_port *to)
{
	uint8_t as_is = v->vlan == 0 ? v->plain : v->tagged;

	if (vh_unlikely(v->only != VH_NO_PORT)) {
		if (v->only != to->id)
			return NOT_AT_ALL;
		return to->vlan.keep_tag && !v->looped ? v->tagged : v->plain;
	}
	switch (to->vlan.mode) {
	case VH_VLAN_AUTO:
		return v->vlan == 0 && s->from->uplink == NULL ? v->plain : NOT_AT_ALL;
	case VH_VLAN_ACCESS:
		return v->vlan == to->vlan.id ? v->plain : NOT_AT_ALL;
	case VH_VLAN_TRUNK:
		return vh_vlan_allows(&to->vlan, v->vlan) ? as_is : NOT_AT_ALL;
	default:
		return as_is;
	}
}

/* The form in which a port takes the frame, or NOT_AT_ALL. */
static uint8_t form_for(const struct sorting *s, const struct verdict *v, const struct vh_port *to)
{
	bool from_network = s->from->uplink != NULL;

	if (to->uplink == NULL)
		return !from_network && s->sw->isolate ? NOT_AT_ALL : form_for_guest(s, v, to);
	if (from_network)
		return NOT_AT_ALL;
	/* Frames of `auto` guests are in no VLAN, and have a tag all the same. */
	return v->vlan != 0 || s->from->vlan.mode == VH_VLAN_AUTO ? v->tagged : v->plain;
}

/* Writes down what follows the front of a frame, where it is. Return: how many segments that are. */
static uint16_t keep_rest(struct sorting *s, const struct vh_frame *f, uint32_t skip)
{
	const struct vh_seg front = {.p = f->data, .len = f->len};
	uint16_t n = 0;

	for (uint32_t i = 0; i <= f->more; i++) {
		const struct vh_seg *from = i == 0 ? &front : &s->batch->seg[f->first + i - 1];

		if (from->len <= skip) {
			skip -= from->len;
			continue;
		}
		s->batch->seg[s->segs + n++] = (struct vh_seg){.p = from->p + skip, .len = from->len - skip};
		skip = 0;
	}
	return n;
}

/* Makes the two other forms of frame `i`. */
static __attribute__((noinline)) void reshape(struct sorting *s, uint16_t i)
{
	struct vh_batch *b = s->batch;
	const struct verdict *v = &s->of[s->first[i]];
	uint8_t *tagged = b->front[0][i], *plain = b->front[1][i];
	uint32_t skip = v->is_tagged ? FRONT : VH_MIN_FRAME;
	const uint8_t *type = v->front + skip - 2;
	uint16_t more = keep_rest(s, &b->frame[i], skip);

	memcpy(tagged, v->front, 12);
	memcpy(tagged + 12, v->is_tagged ? v->front + 12 : (const uint8_t[]){0x81, 0}, 2);
	tagged[14] = (uint8_t)(v->tag >> 8);
	tagged[15] = (uint8_t)v->tag;
	memcpy(tagged + 16, type, 2);
	memcpy(plain, v->front, 12);
	memcpy(plain + 12, type, 2);
	for (uint32_t form = VH_TAGGED; form <= VH_UNTAGGED; form++) {
		uint32_t at = form * VH_BATCH + i, len = form == VH_TAGGED ? FRONT : VH_MIN_FRAME;

		b->frame[at] = (struct vh_frame){.data = form == VH_TAGGED ? tagged : plain,
			.len = len,
			.total = b->frame[i].total - skip + len,
			.more = more,
			.first = s->segs,
			.offload = b->frame[i].offload};
		if (b->frame[i].offload == 0)
			continue;
		b->offload[at] = b->offload[i];
		if (b->offload[i].needs_csum)
			b->offload[at].csum_start = (uint16_t)(b->offload[i].csum_start - skip + len);
		if (b->offload[i].hdr_len != 0)
			b->offload[at].hdr_len = (uint16_t)(b->offload[i].hdr_len - skip + len);
	}
	s->segs = (uint16_t)(s->segs + more);
	s->reshaped |= 1ULL << i;
}

/*
 * Whether a frame stays one when a tag is put into it: it may become too long, and a checksum over what we
 * write would not be the guest's.
 */
static bool can_reshape(const struct vh_batch *b, uint16_t i, struct vh_counters *own)
{
	const struct vh_frame *f = &b->frame[i];

	if (f->total > VH_MAX_FRAME - TAG_BYTES) {
		vh_count(&own->drops[VH_DROP_TX_TOO_LONG], 1);
		return false;
	}
	if (f->offload != 0 && b->offload[i].needs_csum && b->offload[i].csum_start < FRONT) {
		vh_count(&own->drops[VH_DROP_TX_BAD_OFFLOAD], 1);
		return false;
	}
	return true;
}

static inline void put(struct sorting *s, uint16_t i, uint16_t to, uint8_t form)
{
	if (form != VH_AS_IT_CAME && (s->reshaped >> i & 1) == 0)
		reshape(s, i);
	enlist(&s->run, to, (uint16_t)(form * VH_BATCH + i));
}

/* Return: whether it is on the list of `to` now. */
static bool give(struct sorting *s, uint16_t i, const struct vh_port *to)
{
	uint8_t form = form_for(s, &s->of[s->first[i]], to);

	if (form == NOT_AT_ALL)
		return false;
	put(s, i, to->id, form);
	s->sole = to->id;
	s->sole_form = form;
	return true;
}

/* How long the frame is, or the longest of the segments that it stands for. */
static uint32_t length_of(const struct vh_batch *b, uint16_t i)
{
	uint32_t whole = b->frame[i].total, segment;

	if (b->frame[i].offload == 0 || b->offload[i].hdr_len == 0)
		return whole;
	segment = (uint32_t)b->offload[i].hdr_len + b->offload[i].gso_size;
	return segment < whole ? segment : whole;
}

/* Lets the card hand it over, where that can. Return: whether it does. */
static bool give_to_card(struct sorting *s, uint16_t i, const struct vh_port *to)
{
	struct verdict *v = &s->of[s->first[i]];

	if (vh_likely(s->card == NULL) || s->from->vlan.mode != VH_VLAN_AUTO ||
		__atomic_load_n(&to->at_card, __ATOMIC_RELAXED) != v->dst ||
		length_of(s->batch, i) + TAG_BYTES > s->sw->card_longest)
		return false;
	/* For all that are alike, which go nowhere else with a tag. */
	v->tag = (uint16_t)((v->tag & 0xf000) | (VH_VLAN_TAG_BASE + to->id));
	put(s, i, s->card->id, VH_TAGGED);
	return true;
}

/* To every port that takes it. Return: how many those were. */
static uint32_t give_all(struct sorting *s, uint16_t i)
{
	uint32_t n = 0;

	for (uint32_t k = 0; s->list != NULL && k < s->list->n; k++) {
		const struct vh_port *p = s->list->port[k];

		if (p != s->from && __atomic_load_n(&p->rx_live, __ATOMIC_RELAXED) != 0)
			n += give(s, i, p);
	}
	if (n != 1)
		s->sole = VH_NO_PORT;
	return n;
}

/* By the table. */
static void place_anew(struct sorting *s, uint16_t i, struct vh_counters *own)
{
	const struct verdict *v = &s->of[s->first[i]];
	bool group = vh_mac_is_group(v->dst), from_network = s->from->uplink != NULL;
	uint16_t dst = group ? VH_NO_PORT : vh_mac_lookup(&s->sw->macs, v->dst, v->at);
	const struct vh_port *to;

	s->sole_first = s->first[i];
	s->sole = VH_NO_PORT;
	if (dst == s->from->id) {
		vh_count(&own->drops[VH_DROP_TX_HAIRPIN], 1);
		return;
	}
	to = dst == VH_NO_PORT ? NULL : __atomic_load_n(&s->sw->port[dst], __ATOMIC_ACQUIRE);
	if (to != NULL && give_to_card(s, i, to))
		return;
	if (to != NULL && give(s, i, to)) {
		/* The next one, alike but shorter, may be one for the card. */
		if (vh_unlikely(s->card != NULL))
			s->sole = VH_NO_PORT;
		return;
	}
	/* A guest that has the address, but may not be talked to from here, is not there. */
	if (group || (from_network ? to == NULL && s->from->flood_strays : to == NULL || s->sw->isolate)) {
		if (give_all(s, i) > 0)
			return;
		vh_count(&own->drops[VH_DROP_TX_NO_DESTINATION], 1);
		return;
	}
	vh_count(&own->drops[from_network ? VH_DROP_TX_STRAY : VH_DROP_TX_NO_DESTINATION], 1);
}

static void place_frame(struct sorting *s, uint16_t i, struct vh_counters *own)
{
	if (s->sole != VH_NO_PORT && s->sole_first == s->first[i])
		put(s, i, s->sole, s->sole_form);
	else
		place_anew(s, i, own);
}

/* What the first of several frames that are alike says for all of them. */
static void judge(const struct sorting *s, struct verdict *v)
{
	v->only = VH_NO_PORT;
	v->drop = VH_DROP_COUNT;
	v->asked = v->looped = false;
	if (s->from->uplink != NULL)
		from_uplink(s->sw, v);
	else if (!from_guest(s->from, v))
		v->drop = VH_DROP_TX_BAD_VLAN;
	v->src = vh_mac_key(v->front + 6, v->vlan);
	v->dst = vh_mac_key(v->front, v->vlan);
	if (v->drop == VH_DROP_COUNT)
		v->drop = vh_misaddressed(s->from, v->dst, v->src);
	v->at = vh_mac_place(&s->sw->macs, v->dst);
	vh_prefetch(&s->sw->macs.bucket[v->at.first]);
}

/* Classifies the frames and learns who sent them. Return: which of them have a place to go to, as bits. */
static uint64_t classify(struct sorting *s, const struct vh_lane *lane, struct vh_vq *vq)
{
	struct vh_counters *own = &s->from->counters[lane->worker];
	struct verdict *first = NULL;
	uint64_t good = 0;

	for (uint16_t i = 0; i < s->batch->frames; i++) {
		struct verdict *v = &s->of[i];

		read_front(s->batch, &s->batch->frame[i], v);
		if (first == NULL || !is_like(v, first)) {
			judge(s, v);
			first = v;
		}
		s->first[i] = (uint8_t)(first - s->of);
		if (vh_unlikely(first->drop != VH_DROP_COUNT)) {
			vh_count(&own->drops[first->drop], 1);
			continue;
		}
		if (!can_reshape(s->batch, i, own))
			continue;
		(void)learn(s->sw, lane, s->from, vq, first->src);
		if (vh_unlikely(is_returned(s, first))) {
			vh_count(&own->drops[VH_DROP_TX_HAIRPIN], 1);
			continue;
		}
		good |= 1ULL << i;
	}
	return good;
}

void vh_sort_by_rules(struct vh_switch *sw, struct vh_lane *lane, struct vh_round *r, struct vh_port *port,
	struct vh_vq *vq)
{
	struct sorting s; /* not initialised as a whole: the verdicts are some kilobytes */
	uint64_t good;

	s.sw = sw;
	s.batch = &r->batch;
	s.from = port;
	s.list = __atomic_load_n(&sw->list, __ATOMIC_ACQUIRE);
	s.card = __atomic_load_n(&sw->card, __ATOMIC_ACQUIRE);
	if (s.card != NULL && __atomic_load_n(&s.card->rx_live, __ATOMIC_RELAXED) == 0)
		s.card = NULL;
	s.run = (struct run){.r = r, .dst = VH_NO_PORT};
	s.segs = VH_BATCH_SEGS;
	s.reshaped = 0;
	s.sole = VH_NO_PORT;
	good = classify(&s, lane, vq);
	for (uint16_t i = 0; i < r->batch.frames; i++)
		if ((good >> i & 1) != 0)
			place_frame(&s, i, &port->counters[lane->worker]);
	run_end(&s.run);
}
