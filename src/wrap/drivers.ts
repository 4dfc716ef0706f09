/** QEMU's device models that matter here, each under every name that it has. */

/** What a virtio-net device sits on: only that of PCI has MSI-X. */
export type Bus = 'pci' | 'ccw' | 'mmio';

const VIRTIO_NET = new Map<string, Bus>([
  ['virtio-net-pci', 'pci'],
  ['virtio-net-pci-transitional', 'pci'],
  ['virtio-net-pci-non-transitional', 'pci'],
  ['virtio-net-ccw', 'ccw'],
  ['virtio-net-device', 'mmio'],
]);

/** Short names are the same for all architectures, what they stand for is not (qdev_alias_table in QEMU). */
export const ALIAS = 'virtio-net';
const ALIASED = new Map([
  ['s390x', 'virtio-net-ccw'],
  ['m68k', 'virtio-net-device'],
]);
const ALIASED_ELSEWHERE = 'virtio-net-pci';

/** Every name of a virtio-net device. */
export const VIRTIO_NET_NAMES: readonly string[] = [ALIAS, ...VIRTIO_NET.keys()];

/** The bus of a virtio-net device; undefined for any other driver. */
export function virtioNetBus(driver: string, architecture: string): Bus | undefined {
  const name = driver === ALIAS ? (ALIASED.get(architecture) ?? ALIASED_ELSEWHERE) : driver;
  return VIRTIO_NET.get(name);
}

/** Names that `model=` of `-nic` and `-net nic` takes for a virtio card, by the bus that the machine has for it. */
const MODELS: Readonly<Record<Bus, readonly string[]>> = {
  pci: ['virtio', 'virtio-net-pci', 'virtio-net-pci-transitional', 'virtio-net-pci-non-transitional'],
  ccw: ['virtio'],
  mmio: [],
};
const OWN_NAMES: Readonly<Record<Bus, string>> = {
  pci: 'virtio-net-pci',
  ccw: 'virtio-net-ccw',
  mmio: 'virtio-net-device',
};

/** The `-device` that is the same card as that model; undefined where it is none of virtio's. */
export function driverOfModel(model: string, bus: Bus): string | undefined {
  if (!MODELS[bus].includes(model)) return undefined;
  return model === 'virtio' ? OWN_NAMES[bus] : model;
}

/** Objects behind these devices are disks that look like memory: making them shared would write through to a file. */
const STORAGE = /^(nvdimm|virtio-pmem(-pci|-device)?|cxl-type3)$/;
/** These give a guest its memory bit by bit, so what they may give must not be there from the start. */
const SPARSE = /^virtio-mem(-pci|-ccw|-device)?$/;

export function isStorage(driver: string): boolean {
  return STORAGE.test(driver);
}

export function isSparse(driver: string): boolean {
  return SPARSE.test(driver);
}
