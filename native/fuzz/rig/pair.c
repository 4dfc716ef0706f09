#include "pair.h"

void flush_hostile(void)
{
	vh_vq_stop(&r->port[0]->tx[0]);
	vh_switch_flush(r->sw, r->port[0], 0);
	vh_vq_start(&r->port[0]->tx[0]);
}

void settle(uint32_t i)
{
	for (uint32_t tries = 0; r->port[i]->tx[0].parked != NULL; tries++) {
		REQUIRE(tries < r->sw->retry.times);
		rig_tick(r, r->sw->retry.delay_ticks);
		rig_poll(r, i, 1);
	}
	guest_reap(r->guest[i], 0);
}

void require_offload(const struct vh_offload *o, uint32_t total)
{
	uint8_t type = o->gso_type & (uint8_t)~VH_GSO_ECN;

	REQUIRE(o->needs_csum && !o->checked);
	REQUIRE((uint32_t)o->csum_start + o->csum_offset + 2 <= total);
	if (type == VH_GSO_NONE) {
		REQUIRE(o->gso_type == VH_GSO_NONE && o->gso_size == 0 && o->hdr_len == 0);
		return;
	}
	REQUIRE(type == VH_GSO_TCPV4 || type == VH_GSO_TCPV6);
	REQUIRE(o->csum_offset == 16 && o->csum_start <= VH_MAX_TCP_START);
	REQUIRE(o->hdr_len >= o->csum_start + VH_MIN_TCP_HEADER &&
		o->hdr_len <= o->csum_start + VH_MAX_TCP_HEADER && o->hdr_len < total);
	REQUIRE(o->gso_size > 0 && (total - o->hdr_len + o->gso_size - 1) / o->gso_size <= VH_MAX_SEGMENTS);
}

void require_header(const struct guest *g, const struct vh_virtio_header *h, uint32_t len)
{
	struct vh_offload o = {.needs_csum = h->flags == VH_HDR_NEEDS_CSUM,
		.gso_type = h->gso_type,
		.hdr_len = h->hdr_len,
		.gso_size = h->gso_size,
		.csum_start = h->csum_start,
		.csum_offset = h->csum_offset};

	REQUIRE(h->flags == 0 || (o.needs_csum && (g->config.features & VH_F_RECEIVER_OFFLOADS) != 0));
	if (h->flags == 0)
		REQUIRE(h->gso_type == 0 && h->hdr_len == 0 && h->gso_size == 0 && h->csum_start == 0 &&
			h->csum_offset == 0);
	else
		require_offload(&o, len);
}

void drain(uint32_t i)
{
	static uint8_t out[VH_MAX_FRAME];
	struct vh_virtio_header h;
	int32_t got;

	while ((got = guest_receive_header(r->guest[i], 0, &h, out, sizeof(out))) != GUEST_NOTHING)
		if (got >= 0)
			require_header(r->guest[i], &h, (uint32_t)got);
	guest_post_all(r->guest[i], 0, 2048, LAYOUT_SINGLE);
}
