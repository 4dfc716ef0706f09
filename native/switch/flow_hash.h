/*
 * Which receive queue a frame goes to: a hash of its flow, so that a flow stays on one queue, in order.
 * Used only where the receiver has more than one queue.
 */
#ifndef VH_SWITCH_FLOW_HASH_H
#define VH_SWITCH_FLOW_HASH_H

#include "../base/vlan.h"

static inline uint32_t vh_flow_mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 32;
	x *= 0xbf58476d1ce4e5b9ULL;
	return (uint32_t)(x >> 32);
}

static inline uint64_t vh_flow_word(const uint8_t *p, uint32_t bytes)
{
	uint64_t word = 0;

	__builtin_memcpy(&word, p, bytes);
	return word;
}

/* Ports of TCP and UDP, which lie at the same place in both; nothing for other protocols. */
static inline uint64_t vh_flow_ports(uint8_t protocol, const uint8_t *p, const uint8_t *end)
{
	if ((protocol != 6 && protocol != 17) || end - p < 4)
		return 0;
	return vh_flow_word(p, 4);
}

/* As far as the hash looks: Ethernet, one tag, the longest IPv4 header, ports. */
#define VH_FLOW_BYTES 82U

/*
 * Hash over addresses and ports of IPv4 and IPv6, over the MAC addresses of everything else. Needs the
 * frame's first bytes in one piece, VH_FLOW_BYTES or all there are: a driver may cut each frame of a flow
 * elsewhere.
 */
static inline uint32_t vh_flow_hash(const uint8_t *frame, uint32_t len)
{
	const uint8_t *p = frame, *end = p + len;
	uint16_t type;

	if (len < VH_MIN_FRAME)
		return 0;
	type = (uint16_t)(p[12] << 8 | p[13]);
	p += 14;
	if (vh_is_tag(type) && end - p >= 4) {
		type = (uint16_t)(p[2] << 8 | p[3]);
		p += 4;
	}
	if (type == 0x0800 && end - p >= 20) {
		uint64_t addresses = vh_flow_word(p + 12, 8), ports = 0;

		/* Later fragments have no ports: then none of the packet's fragments may count them. */
		if (((p[6] & 0x3f) | p[7]) == 0)
			ports = vh_flow_ports(p[9], p + (p[0] & 15) * 4, end);
		return vh_flow_mix(addresses ^ ports << 13);
	}
	if (type == 0x86dd && end - p >= 40) {
		uint64_t x = vh_flow_word(p + 8, 8) ^ vh_flow_word(p + 16, 8) * 3;

		x ^= vh_flow_word(p + 24, 8) * 5 ^ vh_flow_word(p + 32, 8) * 7;
		return vh_flow_mix(x ^ vh_flow_ports(p[6], p + 40, end) << 13);
	}
	return vh_flow_mix(vh_flow_word(frame, 8) ^ vh_flow_word(frame + 6, 6) << 7);
}

#endif
