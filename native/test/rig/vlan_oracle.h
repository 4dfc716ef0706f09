/*
 * What a VLAN's members may see, said once more from the documentation and from nothing but the bytes that
 * are delivered; shares no code with native/switch/vlan_rules.c.
 *
 * Whoever gets a frame may take any number of tags off it, and whoever sends it fills it up with zeroes to
 * the shortest Ethernet frame. So every tag that can be found counts, one behind the end included.
 */
#ifndef VH_TEST_RIG_VLAN_ORACLE_H
#define VH_TEST_RIG_VLAN_ORACLE_H

#include "rig.h"

/* A port: a guest's with its mode, or an uplink. */
struct oracle_port {
	bool uplink, keep_tag;
	enum vh_vlan_mode mode;
	uint16_t id; /* device number */
	uint32_t n;  /* VLANs of an access port or a trunk; 0 of a trunk: all */
	uint16_t vlans[4];
};

/* Guests of every mode, and behind them an uplink. */
#define ORACLE_GUESTS 8U
extern const struct oracle_port oracle_modes[ORACLE_GUESTS + 1];

/* Gives a port of a rig this mode. */
void oracle_set(struct rig *r, uint32_t i, const struct oracle_port *mode);

/*
 * Does what is left to the receiver: puts the checksum where a virtio header says, in a frame of `len` bytes.
 */
void oracle_finish(uint8_t *frame, uint32_t len, const struct vh_virtio_header *h);

/* Finds every tag. Return: how many; their VLANs in vlans[0, 16). */
uint32_t oracle_tags(const uint8_t *frame, uint32_t len, uint16_t *vlans);

/* Requires that `from` may send and `to` may get what was delivered. */
void oracle_require(
	const struct oracle_port *from, const struct oracle_port *to, const uint8_t *frame, uint32_t len);

#endif
