/*
 * Telling everybody where a guest is that has come from another host (vhost-user, SEND_RARP).
 *
 * A guest that announces itself (VIRTIO_NET_F_GUEST_ANNOUNCE) needs none of this; for others the front end
 * asks us to. The request goes by the way of any broadcast of that guest, so that what counts for those,
 * VLANs and uplinks, counts for it: the switch learns the address, switches outside and other guests hear it.
 */
#ifndef VH_DPDK_VHOST_RARP_H
#define VH_DPDK_VHOST_RARP_H

#include "../../switch/switch.h"

/*
 * Sends a RARP request as if the port's guest had. address: first byte lowest, as in the message. Only by
 * librte_vhost's thread, with the port's queues stopped and out of use.
 */
void vh_announce(struct vh_switch *sw, struct vh_port *port, uint64_t address);

#endif
