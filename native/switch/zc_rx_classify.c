#include "zc_rx_classify.h"

#include <string.h>

#define MACS 12U
#define TAG 4U

/* Reads as far as frames are looked at, and finds the tag. */
static void read_front(const struct vh_landed *f, struct vh_landing *l)
{
	uint32_t n = f->len < VH_LANDED_FRONT ? f->len : VH_LANDED_FRONT;

	memset(l->front, 0, sizeof(l->front));
	memcpy(l->front, f->data, n);
	l->has_tag = !f->stripped && n == VH_LANDED_FRONT && l->front[12] == 0x81 && l->front[13] == 0;
	l->tag = f->stripped ? f->tag : 0;
	if (l->has_tag)
		l->tag = (uint16_t)(l->front[14] << 8 | l->front[15]);
}

/* Whether there is a tag behind the one that names the guest, be that in the frame or beside it. */
static bool has_second_tag(const struct vh_landing *l)
{
	const uint8_t *type = l->front + MACS + (l->has_tag ? TAG : 0);

	return vh_is_tag((uint16_t)(type[0] << 8 | type[1]));
}

/*
 * Learns a source, unless it is a guest's: what stands in guest memory may be the guest's own words by now,
 * and shall take no address away from another guest. Return: the port that has the address.
 */
static uint16_t learn(struct vh_switch *sw, const struct vh_landed *f, uint64_t key)
{
	uint16_t id = vh_mac_lookup(&sw->macs, key, vh_mac_place(&sw->macs, key));

	if (id == VH_NO_PORT || id >= VH_MAX_PORTS)
		(void)vh_mac_learn(&sw->macs, key, f->from->id, f->now);
	return id;
}

struct vh_landing vh_landed_judge(struct vh_switch *sw, const struct vh_landed *f)
{
	struct vh_landing l = {.drop = VH_DROP_COUNT};
	uint64_t dst, src;
	uint16_t has, sender;

	read_front(f, &l);
	/* `auto` guests are in no VLAN (vlan.h). */
	dst = vh_mac_key(l.front, 0);
	src = vh_mac_key(l.front + 6, 0);
	if ((l.tag & 0xfff) != VH_VLAN_TAG_BASE + f->to->id) {
		l.copy = vh_mac_is_group(dst);
		l.drop = VH_DROP_TX_UNKNOWN_UNICAST;
		return l;
	}
	/* Behind it another one would be the first that the guest sees. */
	if (has_second_tag(&l)) {
		l.drop = VH_DROP_TX_UNKNOWN_UNICAST;
		return l;
	}
	l.drop = vh_misaddressed(f->from, dst, src);
	if (l.drop != VH_DROP_COUNT)
		return l;
	sender = learn(sw, f, src);
	has = vh_mac_is_group(dst) ? f->to->id : vh_mac_lookup(&sw->macs, dst, vh_mac_place(&sw->macs, dst));
	if (sender == f->to->id || has == f->from->id)
		l.drop = VH_DROP_TX_HAIRPIN;
	else if (has != f->to->id && (has != VH_NO_PORT || !f->from->flood_unknown_unicast))
		l.drop = VH_DROP_TX_UNKNOWN_UNICAST;
	/* What a card hands from guest to guest has a tag only for the card. */
	l.tagged = f->to->vlan.keep_tag &&
		   !(sender < VH_MAX_PORTS && f->from == __atomic_load_n(&sw->card, __ATOMIC_RELAXED));
	return l;
}

uint32_t vh_landed_shape(const struct vh_landed *f, const struct vh_landing *l, uint8_t *to)
{
	const uint8_t *rest = f->data + MACS + (l->has_tag ? TAG : 0);
	uint32_t n = f->len - (uint32_t)(rest - f->data), front = MACS + (l->tagged ? TAG : 0);
	const uint8_t tag[TAG] = {0x81, 0, (uint8_t)(l->tag >> 8), (uint8_t)l->tag};

	/* As the card wrote it: the common case. */
	if (f->data == to && l->has_tag == l->tagged)
		return f->len;
	memmove(to + front, rest, n);
	memcpy(to, l->front, MACS);
	if (l->tagged)
		memcpy(to + MACS, tag, TAG);
	return front + n;
}
