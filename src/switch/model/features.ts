/** Virtio feature bits by the names that QEMU's and DPDK's options use. */
const NAMES: Readonly<Record<number, string>> = {
  0: 'csum',
  1: 'guest_csum',
  2: 'ctrl_guest_offloads',
  3: 'mtu',
  5: 'mac',
  7: 'guest_tso4',
  8: 'guest_tso6',
  9: 'guest_ecn',
  10: 'guest_ufo',
  11: 'host_tso4',
  12: 'host_tso6',
  13: 'host_ecn',
  14: 'host_ufo',
  15: 'mrg_rxbuf',
  16: 'status',
  17: 'ctrl_vq',
  18: 'ctrl_rx',
  19: 'ctrl_vlan',
  20: 'ctrl_rx_extra',
  21: 'guest_announce',
  22: 'mq',
  23: 'ctrl_mac_addr',
  24: 'notify_on_empty',
  26: 'log_all',
  27: 'any_layout',
  28: 'indirect_desc',
  29: 'event_idx',
  30: 'protocol_features',
  32: 'version_1',
  33: 'iommu_platform',
  34: 'packed_vq',
  35: 'in_order',
  36: 'order_platform',
  38: 'notification_data',
  40: 'ring_reset',
};

export function featureNames(bits: bigint): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((bits >> BigInt(bit)) & 1n) names.push(NAMES[bit] ?? `bit_${bit}`);
  }
  return names;
}
