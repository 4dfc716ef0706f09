/**
 * Why frames are not delivered: the one table of all reasons, for the command, the API and the documentation. Their
 * names and order are those of VH_DROP_REASONS in native/base/defs.h. `tx_*` are counted at the sender's port (or the
 * uplink that a frame came by), `rx_*` at the receiver's.
 */
export interface DropReason {
  readonly name: string;
  /** What it means: ends a sentence that begins with "The frame". */
  readonly meaning: string;
  /** What to do about it, in whole sentences. */
  readonly fix: string;
}

const BAD_DRIVER =
  "The guest's driver is faulty or hostile; other guests are safe. Update the guest's kernel or its DPDK, and restart the guest.";
const OUT_OF_USE = `${BAD_DRIVER} Until then the queue stays out of use.`;
const NOT_SHARED =
  "Check that all of the guest's memory is shared (share=on in QEMU, <access mode='shared'/> in libvirt: vhost-host check). Otherwise its driver is faulty or hostile: update and restart the guest.";

export const DROP_REASONS: readonly DropReason[] = [
  {
    name: 'tx_runt',
    meaning: 'is shorter than an Ethernet header (14 bytes)',
    fix: 'Some program in the guest sends raw frames that are cut off, or its driver is faulty. Correct that program or update the driver.',
  },
  {
    name: 'tx_too_long',
    meaning: 'is longer than 64 KiB and its headers, or, on an uplink, than the MTU of the uplink',
    fix: 'On an uplink, give it the MTU of its network: vhost-host uplinks add --mtu. On a port, the driver of the guest is faulty: update it.',
  },
  { name: 'tx_bad_address', meaning: "has a buffer outside the guest's memory", fix: NOT_SHARED },
  { name: 'tx_bad_chain', meaning: 'has a descriptor chain that loops or leaves its table', fix: BAD_DRIVER },
  { name: 'tx_bad_indirect', meaning: 'has a malformed or nested indirect descriptor table', fix: BAD_DRIVER },
  {
    name: 'tx_bad_direction',
    meaning: 'is in a buffer that the driver has offered for writing, not for reading',
    fix: BAD_DRIVER,
  },
  { name: 'tx_bad_ring', meaning: 'was announced with an index outside its ring', fix: OUT_OF_USE },
  {
    name: 'tx_bad_offload',
    meaning: 'asks for a checksum or for segmentation that does not fit its contents',
    fix: 'Update the driver of the guest, or turn its offloads off: ethtool -K DEV tx off tso off in the guest.',
  },
  {
    name: 'tx_hairpin',
    meaning: "is for an address on the sender's own side",
    fix: 'Normal where a guest bridges or runs containers. Otherwise two guests may have the same address: vhost-host status names it.',
  },
  {
    name: 'tx_no_destination',
    meaning: 'has no other port to go to',
    fix: 'Normal while a guest is alone. Otherwise see whether the other guest is ready (vhost-host ports), whether both are in the same VLAN, and whether the switch has an uplink (vhost-host uplinks).',
  },
  {
    name: 'tx_bad_vlan',
    meaning: 'belongs to a VLAN that the port is not a member of',
    fix: 'Add the VLAN to the port (vhost-host ports add --vlan trunk:LIST, or "vlan" in the configuration), or correct the VLAN interface in the guest.',
  },
  {
    name: 'tx_disabled',
    meaning: 'was sent on a queue that the driver has disabled',
    fix: 'Normal for a moment after the guest changes its number of queues. If it goes on, update the driver of the guest.',
  },
  {
    name: 'tx_bad_source',
    meaning: 'has a source address that is a group address or all zeroes',
    fix: 'Correct the address of the interface that sends it, or the program that sends raw frames there.',
  },
  {
    name: 'tx_reserved',
    meaning: 'is for 01:80:c2:00:00:00 to 0f, which bridges do not forward (IEEE 802.1Q, 8.6.3)',
    fix: 'Normal for STP, LACP and LLDP. If they are to pass: vhost-host ports add --forward-reserved, and the same for uplinks.',
  },
  {
    name: 'tx_unknown_unicast',
    meaning: 'came by an uplink and is for an address that no guest is known to have',
    fix: 'Normal in a network that floods. For guests that never send first: vhost-host uplinks add --unknown-unicast flood.',
  },
  {
    name: 'rx_not_ready',
    meaning: 'is for a guest whose driver is not up',
    fix: 'Normal while the guest boots. Otherwise vhost-host ports says what is missing; often it is: ip link set DEV up in the guest.',
  },
  {
    name: 'rx_ring_full',
    meaning: 'is for a guest that has no receive buffer left',
    fix: 'The guest is slower than its senders. Give it a larger ring (rx_queue_size=1024), more queue pairs or CPUs, or let the switch try longer: vhost-host start --rx-retry-num and --rx-retry-delay.',
  },
  {
    name: 'rx_too_long',
    meaning: "does not fit into the receiver's buffers",
    fix: 'Use mergeable receive buffers (vhost-host start --mergeable 1, and not mrg_rxbuf=off in QEMU), or the same MTU in all guests.',
  },
  { name: 'rx_bad_address', meaning: "is for a receive buffer outside the guest's memory", fix: NOT_SHARED },
  {
    name: 'rx_bad_chain',
    meaning: 'is for a receive buffer whose descriptor chain loops or leaves its table',
    fix: BAD_DRIVER,
  },
  {
    name: 'rx_bad_indirect',
    meaning: 'is for a receive buffer with a malformed or nested indirect descriptor table',
    fix: BAD_DRIVER,
  },
  { name: 'rx_bad_direction', meaning: 'is for a receive buffer that the switch may not write', fix: BAD_DRIVER },
  { name: 'rx_bad_ring', meaning: 'is for a receive ring with an index outside of it', fix: OUT_OF_USE },
];
