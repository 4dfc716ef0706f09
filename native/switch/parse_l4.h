/*
 * What network cards see in a frame: at most one VLAN tag, IP in one piece, TCP or UDP right behind it.
 *
 * Cards that compute checksums or cut segments are told where each header ends; what is not as plain as this
 * they know in different ways, and it is better finished in software.
 */
#ifndef VH_SWITCH_PARSE_L4_H
#define VH_SWITCH_PARSE_L4_H

#include "../base/defs.h"

/* As many bytes as vh_layers_find() ever looks at: Ethernet, a tag, IP and TCP with all options. */
#define VH_LAYERS_BYTES (14U + 4U + 60U + 60U)

struct vh_layers {
	bool tagged, v6, tcp; /* not tcp: udp */
	uint8_t l2, l3, l4;   /* bytes of each header, the tag being part of the first */
};

/* Reads the headers in the first `len` bytes of a frame. Return: whether they are of this kind, and whole. */
bool vh_layers_find(const uint8_t *p, uint32_t len, struct vh_layers *out);

#endif
