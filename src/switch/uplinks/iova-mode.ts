import { basename } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import type { UplinkSpec } from '../config/settings.js';
import { asRoot, lacking } from '../rights.js';
import type { Capability } from '../rights.js';
import { deviceName, pciAddress } from './device.js';
import type { Host } from '../../host/host.js';

/**
 * Which addresses cards are told to read and write at: DPDK's "IOVA mode", one for the whole switch, for as long as it
 * runs. Virtual ones need an IOMMU between card and memory; a card without one would write wherever they happen to point.
 */
export type DmaAddresses = 'virtual' | 'physical';

export interface DmaChoice {
  readonly addresses: DmaAddresses;
  /** Which card asks for it; undefined: none, it is the usual one. */
  readonly reason: string | undefined;
}

/** Drivers that hand a card over as it is, whatever IOMMU there may be. */
const WITHOUT_IOMMU = ['uio_pci_generic', 'igb_uio'];
/** How the kernel calls the group of a card that vfio-pci has without an IOMMU. */
const NO_IOMMU_GROUP = 'vfio-noiommu';

/** A card that has to be told physical addresses. */
interface Unheld {
  readonly address: string;
  /** It is handed over as it is, whatever IOMMU there may be. */
  readonly byUio: boolean;
  readonly reason: string;
}

/** undefined where virtual ones will do. `device`: as of `deviceName`. */
async function unheldCard(host: Host, device: string): Promise<Unheld | undefined> {
  const address = pciAddress(device);
  if (address === undefined) return undefined;
  const dir = `/sys/bus/pci/devices/${address}`;
  const driver = basename((await host.realpath(`${dir}/driver`)) ?? '');
  const bound = `${address} is bound to ${driver}`;
  if (WITHOUT_IOMMU.includes(driver)) return { address, byUio: true, reason: bound };
  const group = (await host.readOptional(`${dir}/iommu_group/name`))?.trim();
  return group === NO_IOMMU_GROUP ? { address, byUio: false, reason: `${bound} without an IOMMU` } : undefined;
}

/** pagemap(5) tells physical addresses by CAP_SYS_ADMIN; ioperm(2) and vfio without an IOMMU take CAP_SYS_RAWIO. */
const NEEDED: readonly Capability[] = ['CAP_SYS_ADMIN', 'CAP_SYS_RAWIO'];

/** The service has no right to such a card unless set-up was told of one. */
async function refuseUnheld(host: Host, { address, byUio, reason }: Unheld): Promise<void> {
  const missing = await lacking(host, NEEDED);
  if (missing.length === 0) return;
  const option = byUio ? ' --nic-driver uio_pci_generic' : '';
  throw new VhostHostError('UPLINK_FAILED', `${reason}, which takes ${missing.join(' and ')}`, {
    hint:
      host.uid() === 0
        ? `for the service: sudo vhost-host setup --nic ${address}${option} --boot`
        : asRoot(host, ` --nic ${address}${option}`),
    details: { address, missing },
  });
}

/** The mode that the uplinks at start ask for. */
export async function chooseAddresses(host: Host, uplinks: readonly UplinkSpec[]): Promise<DmaChoice> {
  for (const { device } of uplinks) {
    const card = await unheldCard(host, deviceName(device));
    if (card === undefined) continue;
    await refuseUnheld(host, card);
    return { addresses: 'physical', reason: card.reason };
  }
  return { addresses: 'virtual', reason: undefined };
}

/** Throws where an uplink's device cannot work with the mode in use. `device`: as of `deviceName`. */
export async function checkAddresses(
  host: Host,
  addresses: DmaAddresses,
  { name, device }: Pick<UplinkSpec, 'name' | 'device'>,
): Promise<void> {
  if (addresses === 'physical') return;
  const card = await unheldCard(host, device);
  if (card === undefined) return;
  throw new VhostHostError('UPLINK_FAILED', `${card.reason}, which works only in a switch that is started with it`, {
    hint: `vhost-host stop && vhost-host start --uplink ${name}=${device}`,
  });
}
