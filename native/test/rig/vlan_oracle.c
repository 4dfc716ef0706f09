#include "vlan_oracle.h"

#include <string.h>

const struct oracle_port oracle_modes[ORACLE_GUESTS + 1] = {
	{.id = 0, .mode = VH_VLAN_NONE},
	{.id = 1, .mode = VH_VLAN_AUTO},
	{.id = 2, .mode = VH_VLAN_AUTO, .keep_tag = true},
	{.id = 3, .mode = VH_VLAN_ACCESS, .n = 1, .vlans = {10}},
	{.id = 4, .mode = VH_VLAN_ACCESS, .n = 1, .vlans = {20}},
	{.id = 5, .mode = VH_VLAN_TRUNK, .n = 2, .vlans = {0, 10}},
	{.id = 6, .mode = VH_VLAN_TRUNK, .n = 2, .vlans = {10, 20}},
	{.id = 7, .mode = VH_VLAN_TRUNK},
	{.id = ORACLE_GUESTS, .uplink = true},
};

#define MOST 16U
#define SHORTEST 60U

void oracle_set(struct rig *r, uint32_t i, const struct oracle_port *mode)
{
	struct vh_vlan *v = &r->port[i]->vlan;

	memset(v, 0, sizeof(*v));
	v->mode = mode->mode;
	v->keep_tag = mode->keep_tag;
	v->id = mode->vlans[0];
	for (uint32_t k = 0; k < mode->n; k++)
		vh_vlan_allow(v, mode->vlans[k]);
	if (mode->mode == VH_VLAN_TRUNK && mode->n == 0)
		memset(v->allowed, 0xff, sizeof(v->allowed));
	r->sw->rules = 1;
}

void oracle_finish(uint8_t *frame, uint32_t len, const struct vh_virtio_header *h)
{
	uint32_t at = (uint32_t)h->csum_start + h->csum_offset, sum = 0;

	if ((h->flags & VH_HDR_NEEDS_CSUM) == 0 || at + 2 > len)
		return;
	for (uint32_t i = h->csum_start; i < len; i++)
		sum += (i - h->csum_start) % 2 == 0 ? (uint32_t)frame[i] << 8 : frame[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[at] = (uint8_t)(~sum >> 8);
	frame[at + 1] = (uint8_t)~sum;
}

static uint32_t byte(const uint8_t *frame, uint32_t len, uint32_t at)
{
	return at < len ? frame[at] : 0;
}

static uint32_t word(const uint8_t *frame, uint32_t len, uint32_t at)
{
	return byte(frame, len, at) << 8 | byte(frame, len, at + 1);
}

uint32_t oracle_tags(const uint8_t *frame, uint32_t len, uint16_t *vlans)
{
	uint32_t n = 0;

	for (uint32_t at = 12; n < MOST && (at + 2 <= len || at + 2 <= SHORTEST); at += 4) {
		switch (word(frame, len, at)) {
		case 0x8100:
		case 0x88a8:
		case 0x9100:
		case 0x9200:
			vlans[n++] = (uint16_t)(word(frame, len, at + 2) & 0xfff);
			continue;
		default:
			return n;
		}
	}
	return n;
}

static bool lists(const struct oracle_port *p, uint16_t vlan)
{
	for (uint32_t k = 0; k < p->n; k++)
		if (p->vlans[k] == vlan)
			return true;
	return p->n == 0;
}

/* Whether the port may have a frame with this tag on its wire. */
static bool may_get(const struct oracle_port *from, const struct oracle_port *to, uint16_t tag)
{
	if (to->uplink || to->mode == VH_VLAN_NONE)
		return true;
	if (to->mode == VH_VLAN_AUTO)
		return to->keep_tag && from->uplink && tag == 1000 + to->id;
	return to->mode == VH_VLAN_TRUNK && lists(to, tag);
}

/* Whether the port's guest may have something in this VLAN, where 0 stands for none. */
static bool may_send(const struct oracle_port *from, const struct oracle_port *to, uint16_t vlan)
{
	if (from->uplink || from->mode == VH_VLAN_NONE)
		return true;
	if (from->mode == VH_VLAN_AUTO)
		return vlan == (to->uplink ? 1000 + from->id : 0);
	return lists(from, vlan);
}

void oracle_require(
	const struct oracle_port *from, const struct oracle_port *to, const uint8_t *frame, uint32_t len)
{
	uint16_t vlans[MOST], seen = to->mode == VH_VLAN_ACCESS ? to->vlans[0] : 0;
	uint32_t n = oracle_tags(frame, len, vlans);

	for (uint32_t i = 0; i < n; i++)
		if (!may_get(from, to, vlans[i]) || !may_send(from, to, vlans[i]))
			check_failed(__FILE__, __LINE__,
				"port %u (mode %u) got tag %u of VLAN %u from %u (mode %u)", to->id, to->mode,
				i, vlans[i], from->id, from->mode);
	if (n > 0)
		return;
	if (to->mode == VH_VLAN_AUTO && from->uplink && !to->uplink)
		return;
	if (!may_send(from, to, seen) || (to->mode == VH_VLAN_TRUNK && !to->uplink && !lists(to, 0)))
		check_failed(__FILE__, __LINE__, "port %u (mode %u) got an untagged frame from %u (mode %u)",
			to->id, to->mode, from->id, from->mode);
}
