#include "vlan_rules.h"
#include "egress_list.h"

#include <string.h>

#define MACS (VH_MIN_FRAME - 2)
/* No form: the port is no member. */
#define NOT_AT_ALL VH_FORMS

/* What a frame is inside of the switch, and where it stands in the table. */
struct verdict {
	uint64_t dst, src;
	struct vh_mac_place at;
	uint16_t vlan, tag;    /* tag: what it carries as VH_TAGGED, all 16 bits of it */
	uint16_t only;	       /* the one guest that it is meant for, or VH_NO_PORT */
	uint8_t plain, tagged; /* its forms where no tag is wanted, and where one is */
	uint8_t tags;	       /* how many it has, or VH_TAGS_ODD */
	uint8_t end;	       /* of its front, as far as that is told apart: behind the EtherType */
	bool is_tagged;
	enum vh_drop drop;	 /* VH_DROP_COUNT: it may be sent */
	bool asked, returned;	 /* whether it is back at its sender; told once it was asked for */
	bool looped;		 /* from one of our guests to another, by way of the card */
	uint8_t front[VH_FRONT]; /* read once */
};

/* One round of sorting. */
struct sorting {
	struct vh_switch *sw;
	struct vh_batch *batch;
	struct vh_port *from;
	const struct vh_port_list *list;
	const struct vh_port *card; /* vh_switch.card, while frames can go there */
	struct run run;
	uint16_t segs; /* where the next rest of a frame goes in batch->seg */
	/* As bits: frames that have this form; verdicts whose front in it is in the batch. */
	uint64_t reshaped[VH_FORMS], written[VH_FORMS];
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

/* The VLAN in the frame's first tag; 0 without one, and where it has none but a priority. */
static uint16_t own_vlan(const struct verdict *v)
{
	return v->is_tagged ? tag_of(v) & 0xfff : 0;
}

static void read_front(const struct vh_batch *b, const struct vh_frame *f, struct verdict *v)
{
	if (vh_likely(f->len >= VH_FRONT))
		memcpy(v->front, f->data, VH_FRONT);
	else
		gather(b, f, v->front, VH_FRONT);
	/* What is judged is what goes out: from here on the frame's own bytes are not looked at again. */
	__asm__ volatile("" : : : "memory");
	v->tags = (uint8_t)vh_tags_count(v->front, f->total);
	v->is_tagged = v->tags != 0 && f->total >= VH_MIN_FRAME + VH_TAG_BYTES;
	v->end = (uint8_t)(v->tags == VH_TAGS_ODD ? VH_FRONT : VH_MIN_FRAME + v->tags * VH_TAG_BYTES);
}

/* Whether the fronts of two frames are the same, as far as they are looked at. */
static bool is_like(const struct verdict *v, const struct verdict *other)
{
	return memcmp(v->front, other->front, VH_MIN_FRAME) == 0 && v->tags == other->tags &&
	       (vh_likely(v->tags == 0) ||
		       (v->is_tagged == other->is_tagged && memcmp(v->front, other->front, v->end) == 0));
}

/*
 * Whether a port of this mode may have the frame on its wire with the tags that stand behind its first one.
 */
static bool may_stack(const struct vh_vlan *mode, const struct verdict *v)
{
	if (vh_likely(v->tags <= 1))
		return true;
	return v->tags != VH_TAGS_ODD && mode->mode == VH_VLAN_TRUNK && own_vlan(v) != 0 &&
	       vh_vlan_allows(mode, (uint16_t)((v->front[18] << 8 | v->front[19]) & 0xfff));
}

/* As it came, wherever its own tag or the want of one is what is wanted. */
static void pass(struct verdict *v)
{
	v->vlan = own_vlan(v);
	v->tag = v->is_tagged ? tag_of(v) : 0;
	v->tagged = VH_AS_IT_CAME;
	v->plain = v->vlan == 0 ? VH_AS_IT_CAME : VH_UNTAGGED;
}

/* Puts it into a VLAN that the guest does not know of, under a tag of ours; without one it is ours too. */
static void put_into(struct verdict *v, uint16_t vlan, uint16_t tag)
{
	v->vlan = vlan;
	v->tag = (uint16_t)((v->is_tagged ? tag_of(v) & 0xf000 : 0) | tag);
	v->tagged = VH_TAGGED;
	v->plain = VH_UNTAGGED;
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
		return (own == 0 || own == device_tag) && may_stack(mode, v);
	case VH_VLAN_ACCESS:
		put_into(v, mode->id, mode->id);
		return own == 0 && may_stack(mode, v);
	case VH_VLAN_TRUNK:
		pass(v);
		/* Of our own making, so that the tag that was looked at is the one that goes out. */
		v->tagged = VH_TAGGED;
		v->plain = VH_UNTAGGED;
		return vh_vlan_allows(mode, own) && may_stack(mode, v);
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
static uint8_t wanted_form(const struct sorting *s, const struct verdict *v, const struct vh_port *to)
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

/*
 * The same with what holds for every mode: a frame of a guest's, which that may still change, is ours as far
 * as its EtherType where the receiver may not get every tag.
 */
static uint8_t form_for_guest(const struct sorting *s, const struct verdict *v, const struct vh_port *to)
{
	uint8_t form = wanted_form(s, v, to);

	if (to->vlan.mode == VH_VLAN_NONE || form == NOT_AT_ALL)
		return form;
	if (vh_unlikely(!may_stack(&to->vlan, v)))
		return NOT_AT_ALL;
	if (form == VH_AS_IT_CAME && s->from->uplink == NULL)
		return v->is_tagged && to->vlan.mode == VH_VLAN_TRUNK ? VH_TAGGED : VH_UNTAGGED;
	return form;
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

/* As keep_rest(), of a frame in several segments or one that ends with its front. */
static __attribute__((noinline)) uint16_t keep_rest_of_segments(
	struct sorting *s, const struct vh_frame *f, uint32_t skip)
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

/* Writes down what follows the front of a frame, where it is. Return: how many segments that are. */
static inline uint16_t keep_rest(struct sorting *s, const struct vh_frame *f, uint32_t skip)
{
	if (vh_unlikely(f->more != 0 || f->len <= skip))
		return keep_rest_of_segments(s, f, skip);
	s->batch->seg[s->segs] = (struct vh_seg){.p = f->data + skip, .len = f->len - skip};
	return 1;
}

/* Writes what a frame has in this form in place of its front. */
static __attribute__((noinline)) void write_front(const struct verdict *v, uint8_t form, uint8_t *to)
{
	/* Behind a tag that may go: further tags and the EtherType. */
	const uint8_t *rest = v->front + MACS + (v->is_tagged ? VH_TAG_BYTES : 0);
	uint32_t n = v->end - (uint32_t)(rest - v->front), at = MACS;

	memcpy(to, v->front, MACS);
	if (form == VH_TAGGED) {
		to[at] = v->is_tagged ? v->front[MACS] : 0x81;
		to[at + 1] = v->is_tagged ? v->front[MACS + 1] : 0;
		to[at + 2] = (uint8_t)(v->tag >> 8);
		to[at + 3] = (uint8_t)v->tag;
		at += VH_TAG_BYTES;
	}
	memcpy(to + at, rest, n);
}

/* What frames that share this verdict begin with in this form; written once. */
static inline uint8_t *front_of(struct sorting *s, uint16_t verdict, uint8_t form)
{
	uint8_t *front = s->batch->front[form - 1][verdict];

	if ((s->written[form] >> verdict & 1) == 0) {
		write_front(&s->of[verdict], form, front);
		s->written[form] |= 1ULL << verdict;
	}
	return front;
}

/* Gives frame `i` another form. */
static void reshape(struct sorting *s, uint16_t i, uint8_t form)
{
	struct vh_batch *b = s->batch;
	const struct vh_frame *f = &b->frame[i];
	const struct verdict *v = &s->of[s->first[i]];
	uint32_t at = (uint32_t)form * VH_BATCH + i, other = form == VH_TAGGED ? VH_UNTAGGED : VH_TAGGED;
	uint32_t len = v->end + (form == VH_TAGGED ? VH_TAG_BYTES : 0) - (v->is_tagged ? VH_TAG_BYTES : 0);
	uint32_t total = f->total - v->end + len;
	uint16_t first = s->segs, more;

	if (vh_unlikely((s->reshaped[other] >> i & 1) != 0)) {
		first = b->frame[other * VH_BATCH + i].first;
		more = b->frame[other * VH_BATCH + i].more;
	} else {
		more = keep_rest(s, f, v->end);
		s->segs = (uint16_t)(s->segs + more);
	}
	b->frame[at] = (struct vh_frame){.data = front_of(s, s->first[i], form),
		.len = len,
		.total = total,
		.more = more,
		.first = first,
		.offload = f->offload};
	/* It can be moved: can_reshape() has looked. */
	if (vh_unlikely(f->offload != 0))
		(void)vh_offload_move(&b->offload[i], (int32_t)len - (int32_t)v->end, total, &b->offload[at]);
	s->reshaped[form] |= 1ULL << i;
}

/*
 * Whether a frame stays one when a tag is put into it or taken out: it may become too long, and a checksum
 * over what we write would not be the guest's, wherever that comes to lie.
 */
static bool can_reshape(
	const struct vh_batch *b, uint16_t i, const struct verdict *v, struct vh_counters *own)
{
	const struct vh_frame *f = &b->frame[i];
	int32_t by = v->is_tagged ? -(int32_t)VH_TAG_BYTES : (int32_t)VH_TAG_BYTES;
	const struct vh_offload *o = &b->offload[i];
	struct vh_offload moved;

	if (f->total > VH_MAX_FRAME - VH_TAG_BYTES) {
		vh_count(&own->drops[VH_DROP_TX_TOO_LONG], 1);
		return false;
	}
	if (vh_likely(f->offload == 0) ||
		((!o->needs_csum || o->csum_start >= v->end) &&
			vh_offload_move(o, by, (uint32_t)((int32_t)f->total + by), &moved)))
		return true;
	vh_count(&own->drops[VH_DROP_TX_BAD_OFFLOAD], 1);
	return false;
}

static inline void put(struct sorting *s, uint16_t i, uint16_t to, uint8_t form)
{
	if (form != VH_AS_IT_CAME && (s->reshaped[form] >> i & 1) == 0)
		reshape(s, i, form);
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
		length_of(s->batch, i) + VH_TAG_BYTES > s->sw->card_longest)
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
	if (group || (from_network ? to == NULL && s->from->flood_unknown_unicast
				   : to == NULL || s->sw->isolate)) {
		if (give_all(s, i) > 0)
			return;
		vh_count(&own->drops[VH_DROP_TX_NO_DESTINATION], 1);
		return;
	}
	vh_count(&own->drops[from_network ? VH_DROP_TX_UNKNOWN_UNICAST : VH_DROP_TX_NO_DESTINATION], 1);
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
		if (!can_reshape(s->batch, i, first, own))
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
	memset(s.reshaped, 0, sizeof(s.reshaped));
	memset(s.written, 0, sizeof(s.written));
	s.sole = VH_NO_PORT;
	good = classify(&s, lane, vq);
	for (uint16_t i = 0; i < r->batch.frames; i++)
		if ((good >> i & 1) != 0)
			place_frame(&s, i, &port->counters[lane->worker]);
	run_end(&s.run);
}
