/* Checks of unfinished frames. Off the plain path: only queues with offloads come here. */
#include "offload.h"
#include "../base/vlan.h"

#include <string.h>

_Static_assert(sizeof(struct vh_virtio_header) == 10, "what guests write");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are read as they are");

/* Offset of the checksum in a TCP header. */
#define TCP_CSUM_OFFSET 16

void vh_virtio_header_load(const struct vh_seg *seg, uint32_t n, struct vh_virtio_header *out)
{
	uint8_t *to = (uint8_t *)out;
	uint32_t at = 0;

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < n && at < sizeof(*out); i++) {
		uint32_t take = seg[i].len < sizeof(*out) - at ? seg[i].len : (uint32_t)sizeof(*out) - at;

		memcpy(to + at, seg[i].p, take);
		at += take;
	}
}

uint32_t vh_frame_read(
	const struct vh_batch *b, const struct vh_frame *f, uint32_t from, void *to, uint32_t len)
{
	const struct vh_seg front = {.p = f->data, .len = f->len};
	uint32_t done = 0;

	for (uint32_t i = 0; i <= f->more && done < len; i++) {
		const struct vh_seg *s = i == 0 ? &front : &b->seg[f->first + i - 1];
		uint32_t take;

		if (from >= s->len) {
			from -= s->len;
			continue;
		}
		take = s->len - from < len - done ? s->len - from : len - done;
		memcpy((uint8_t *)to + done, s->p + from, take);
		done += take;
		from = 0;
	}
	return done;
}

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

/* Return: whether IPv4 at `ip`, `len` bytes of frame in all, is one unfragmented TCP packet with TCP at
 * `tcp`. */
static bool is_ipv4_tcp(const uint8_t *p, uint32_t len, uint32_t ip, uint32_t tcp)
{
	const uint8_t *h = p + ip;

	if (len < ip + 20 || h[0] >> 4 != 4 || (h[0] & 15) < 5)
		return false;
	/* Fragment offset, or more fragments to come. */
	if ((be16(h + 6) & 0x3fff) != 0)
		return false;
	return h[9] == 6 && ip + (h[0] & 15U) * 4 == tcp;
}

/* As above for IPv6: hop-by-hop options, routing and destination options may stand between. */
static bool is_ipv6_tcp(const uint8_t *p, uint32_t len, uint32_t ip, uint32_t tcp)
{
	uint32_t at = ip + 40;
	uint8_t next;

	if (len < at || p[ip] >> 4 != 6)
		return false;
	next = p[ip + 6];
	/* Every step moves on by at least 8 bytes. */
	while (at < tcp && at + 2 <= len && (next == 0 || next == 43 || next == 60)) {
		next = p[at];
		at += (p[at + 1] + 1U) * 8;
	}
	return next == 6 && at == tcp;
}

bool vh_tcp_headers_parse(const uint8_t *p, uint32_t len, uint32_t tcp, bool v6, struct vh_tcp_headers *out)
{
	uint32_t at = 12, type = 0, payload;

	for (uint32_t tags = 0; tags <= VH_MAX_TAGS && at + 2 <= len; tags++) {
		type = be16(p + at);
		at += 2;
		if (!vh_is_tag((uint16_t)type))
			break;
		/* The tag itself; the type of what follows stands behind it. */
		at += 2;
	}
	if (type != (v6 ? 0x86dd : 0x0800) || tcp > VH_MAX_TCP_START || tcp + VH_MIN_TCP_HEADER > len ||
		!(v6 ? is_ipv6_tcp(p, len, at, tcp) : is_ipv4_tcp(p, len, at, tcp)))
		return false;
	payload = tcp + (p[tcp + 12] >> 4) * 4U;
	if (payload < tcp + VH_MIN_TCP_HEADER || payload > len)
		return false;
	*out = (struct vh_tcp_headers){
		.v6 = v6, .ip = (uint16_t)at, .tcp = (uint16_t)tcp, .payload = (uint16_t)payload};
	return true;
}

/* Checks a frame that stands for many. Return: whether it does. */
static bool take_gso(uint16_t negotiated, const struct vh_virtio_header *raw, const struct vh_batch *b,
	const struct vh_frame *f, struct vh_offload *out)
{
	uint8_t type = raw->gso_type & (uint8_t)~VH_GSO_ECN, front[VH_MAX_HEADERS];
	bool v6 = type == VH_GSO_TCPV6;
	struct vh_tcp_headers h;
	uint32_t len, payload, segment;

	if ((type != VH_GSO_TCPV4 && type != VH_GSO_TCPV6) ||
		(negotiated & (v6 ? VH_F_HOST_TSO6 : VH_F_HOST_TSO4)) == 0)
		return false;
	if ((raw->gso_type & VH_GSO_ECN) != 0 && (negotiated & VH_F_HOST_ECN) == 0)
		return false;
	/* The checksum is part of the agreement (virtio 1.2, 5.1.6.2.2). */
	if (!out->needs_csum || raw->csum_offset != TCP_CSUM_OFFSET || raw->gso_size == 0)
		return false;
	len = vh_frame_read(b, f, 0, front, sizeof(front));
	if (!vh_tcp_headers_parse(front, len, raw->csum_start, v6, &h) || h.payload >= f->total)
		return false;
	payload = f->total - h.payload;
	segment = payload < raw->gso_size ? payload : raw->gso_size;
	/* A segment's length stands in 16 bits, its IP header counted. */
	if ((payload + raw->gso_size - 1) / raw->gso_size > VH_MAX_SEGMENTS ||
		h.payload - (uint32_t)h.ip + segment > UINT16_MAX)
		return false;
	out->gso_type = raw->gso_type;
	out->gso_size = raw->gso_size;
	/* As it is: what the sender says is only a hint, and the receiver would have to check it. */
	out->hdr_len = h.payload;
	return true;
}

bool vh_offload_take(uint16_t negotiated, const struct vh_virtio_header *raw, const struct vh_batch *b,
	const struct vh_frame *f, struct vh_offload *out)
{
	*out = (struct vh_offload){.needs_csum = (raw->flags & VH_HDR_NEEDS_CSUM) != 0};
	if (out->needs_csum) {
		if ((uint32_t)raw->csum_start + raw->csum_offset + 2 > f->total)
			return false;
		out->csum_start = raw->csum_start;
		out->csum_offset = raw->csum_offset;
	}
	return raw->gso_type == VH_GSO_NONE || take_gso(negotiated, raw, b, f, out);
}

bool vh_offload_move(const struct vh_offload *from, int32_t by, uint32_t total, struct vh_offload *to)
{
	int32_t csum_start = from->needs_csum ? from->csum_start + by : 0;
	int32_t hdr_len = from->hdr_len != 0 ? from->hdr_len + by : 0;

	if (csum_start < 0 || csum_start > UINT16_MAX || hdr_len < 0 || hdr_len > UINT16_MAX ||
		(uint32_t)hdr_len > total ||
		(from->needs_csum && (uint32_t)csum_start + from->csum_offset + 2 > total))
		return false;
	*to = *from;
	to->csum_start = (uint16_t)csum_start;
	to->hdr_len = (uint16_t)hdr_len;
	return true;
}

uint32_t vh_offload_needs(const struct vh_offload *o)
{
	uint8_t type = o->gso_type & (uint8_t)~VH_GSO_ECN;
	uint32_t needs = o->needs_csum ? VH_F_GUEST_CSUM : 0;

	if (type != VH_GSO_NONE)
		needs |= type == VH_GSO_TCPV6 ? VH_F_GUEST_TSO6 : VH_F_GUEST_TSO4;
	if ((o->gso_type & VH_GSO_ECN) != 0)
		needs |= VH_F_GUEST_ECN;
	return needs;
}

void vh_offload_put(const struct vh_offload *o, uint8_t *header)
{
	struct vh_virtio_header h = {.flags = (uint8_t)((o->needs_csum ? VH_HDR_NEEDS_CSUM : 0) |
							(o->checked ? VH_HDR_DATA_VALID : 0)),
		.gso_type = o->gso_type,
		.hdr_len = o->hdr_len,
		.gso_size = o->gso_size,
		.csum_start = o->csum_start,
		.csum_offset = o->csum_offset};

	memcpy(header, &h, sizeof(h));
}
