import type { WriteFile } from '../../changes/steps.js';
import { Look } from '../../host/tolerant-reader.js';
import { iommuGroupOf, noIommuMode } from '../nic/in-use.js';
import { SHIPPED_UNIT_PATHS, UNIT_NAME, UNIT_PATH } from './unit.js';
import type { Host } from '../../host/host.js';
import { WRITTEN_BY_SETUP } from '../system/written-by-setup.js';

/**
 * What the service needs besides for a card that no IOMMU holds back (uio, or vfio without one): physical addresses of
 * memory (pagemap(5), CAP_SYS_ADMIN), and ports and registers of the card (ioperm(2), /sys/bus/pci for writing). Such a
 * card reads and writes all of the machine's memory for whoever drives it, so the sandbox has not much left to protect;
 * without such a card nobody needs this file.
 */

/** systemd.unit(5): settings of all files of this directory are added to the unit's. */
export const CARDS_PATH = `/etc/systemd/system/${UNIT_NAME}.d/cards-without-iommu.conf`;

export const CARDS_CAPABILITIES = ['CAP_SYS_ADMIN', 'CAP_SYS_RAWIO'];

const TEXT = `${WRITTEN_BY_SETUP}# A network card without an IOMMU: its ports and registers, and physical addresses of memory.
[Service]
CapabilityBoundingSet=${CARDS_CAPABILITIES.join(' ')}
DeviceAllow=char-uio rw
ProtectKernelTunables=no
ReadOnlyPaths=
SystemCallFilter=@raw-io
`;

export const cardsFile: WriteFile = { kind: 'write', path: CARDS_PATH, text: TEXT, mode: 0o644, uid: 0, gid: 0 };

/** Whether a card will be in such hands once it is set up. */
export async function isUnheld(
  host: Host,
  { nic, driver }: { readonly nic: string | undefined; readonly driver: string },
): Promise<boolean> {
  if (nic === undefined) return false;
  if (driver !== 'vfio-pci') return true;
  const look = new Look(host);
  return (await iommuGroupOf(look, nic)) === undefined && (await noIommuMode(look));
}

/** Whether there is a service, and it may not use such a card. */
export async function servesNoUnheld(look: Look): Promise<boolean> {
  const there = await Promise.all([UNIT_PATH, ...SHIPPED_UNIT_PATHS].map((path) => look.stat(path)));
  return there.some((file) => file !== undefined) && (await look.stat(CARDS_PATH)) === undefined;
}
