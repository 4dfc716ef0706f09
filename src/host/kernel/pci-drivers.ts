/** Drivers of network cards, by what they leave to DPDK. */

/** The kernel's, which hand a card to a program in user space. */
export const USER_SPACE_DRIVERS: ReadonlySet<string> = new Set(['vfio-pci', 'uio_pci_generic', 'igb_uio']);
/** Those that share the card with DPDK: it stays bound to them. */
export const SHARING_DRIVERS: ReadonlySet<string> = new Set(['mlx4_core', 'mlx5_core', 'mana', 'hv_netvsc']);
