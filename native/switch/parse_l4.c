#include "parse_l4.h"

#define TYPE_VLAN 0x8100U
#define TYPE_IPV4 0x0800U
#define TYPE_IPV6 0x86ddU
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define UDP_HEADER 8U
#define MIN_TCP_HEADER 20U

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

/* Return: bytes of the IPv4 header, or 0 where it is none, or one of a fragment. */
static uint32_t ipv4_length(const uint8_t *h, uint32_t len)
{
	if (len < 20 || h[0] >> 4 != 4 || (h[0] & 15) < 5 || (be16(h + 6) & 0x3fff) != 0)
		return 0;
	return (h[0] & 15U) * 4;
}

static uint32_t ipv6_length(const uint8_t *h, uint32_t len)
{
	return len >= 40 && h[0] >> 4 == 6 ? 40 : 0;
}

/* Return: bytes of the transport header, or 0. */
static uint32_t transport_length(const uint8_t *h, uint32_t len, uint8_t protocol)
{
	uint32_t n;

	if (protocol == PROTOCOL_UDP)
		return len >= UDP_HEADER ? UDP_HEADER : 0;
	if (protocol != PROTOCOL_TCP || len < MIN_TCP_HEADER)
		return 0;
	n = (h[12] >> 4) * 4U;
	return n >= MIN_TCP_HEADER && n <= len ? n : 0;
}

bool vh_layers_find(const uint8_t *p, uint32_t len, struct vh_layers *out)
{
	uint32_t at = VH_MIN_FRAME, ip, transport, type;
	uint8_t protocol;
	bool tagged;

	if (len < at + 4)
		return false;
	type = be16(p + 12);
	tagged = type == TYPE_VLAN;
	if (tagged) {
		type = be16(p + 16);
		at += 4;
	}
	if (type != TYPE_IPV4 && type != TYPE_IPV6)
		return false;
	ip = type == TYPE_IPV4 ? ipv4_length(p + at, len - at) : ipv6_length(p + at, len - at);
	if (ip == 0 || at + ip > len)
		return false;
	protocol = p[at + (type == TYPE_IPV4 ? 9 : 6)];
	transport = transport_length(p + at + ip, len - at - ip, protocol);
	*out = (struct vh_layers){.tagged = tagged,
		.v6 = type == TYPE_IPV6,
		.tcp = protocol == PROTOCOL_TCP,
		.l2 = (uint8_t)at,
		.l3 = (uint8_t)ip,
		.l4 = (uint8_t)transport};
	return transport != 0;
}
