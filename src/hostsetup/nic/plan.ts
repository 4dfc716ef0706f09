import { VhostHostError, printable } from '../../common/errors.js';
import { linkName } from '../../host/kernel/sysfs-link.js';
import { SHARING_DRIVERS } from '../../host/kernel/pci-drivers.js';
import type { Step } from '../../changes/steps.js';
import { Look } from '../../host/tolerant-reader.js';
import { readIommu } from '../modules/read.js';
import { readNics } from './read.js';
import type { NicFacts } from './read.js';
import { draftBinding, driverLink } from './bind.js';
import { claimsOn, iommuGroupOf, noIommuMode } from './in-use.js';
import type { IommuGroup } from './in-use.js';
import type { PartPlan } from '../../changes/part-plan.js';
import type { Host } from '../../host/host.js';

export interface NicSpec {
  /** Its PCI address, such as `0000:03:00.0`; the domain may be left out. */
  readonly address: string;
  readonly driver: 'vfio-pci' | 'uio_pci_generic';
  /** Also a card that the host itself uses. */
  readonly force?: boolean;
  /** Whether this system runs and the card shall change hands at once. */
  readonly now: boolean;
  /** The same plan switches the IOMMU on for the next boot: until then the card stays where it is. */
  readonly iommuComing?: boolean;
}

const PCI = '/sys/bus/pci/devices';

/** Looks, and changes nothing. Refuses a card that the host needs, and one that the driver cannot have. */
export async function planNic(host: Host, spec: NicSpec): Promise<PartPlan> {
  const address = parseAddress(spec.address);
  const look = new Look(host);
  if ((await look.stat(PCI)) === undefined) {
    const note = `${address} is not looked at, for this system does not run: nothing tells whether it carries an address`;
    return { steps: [await stepOf(host, { ...spec, address, now: false }, undefined)], notes: [note] };
  }
  const nic = await findNic(look, address);
  if (nic.driver !== undefined && SHARING_DRIVERS.has(nic.driver)) {
    return {
      steps: [],
      notes: [`${address}: ${nic.driver} shares its card with the switch, and is not to be replaced`],
    };
  }
  const group = await iommuGroupOf(look, address);
  const claims = [...(nic.driver === spec.driver ? [] : await claimsOn(host, look, nic)), ...groupClaims(spec, group)];
  if (claims.length > 0 && spec.force !== true) throw inUse(nic, claims);
  const notes = claims.length === 0 ? [] : [`${titleOf(nic)} is taken all the same, with ${claims.join(', ')}`];
  const noIommu = group === undefined && (await noIommuMode(look));
  const waits = spec.driver === 'vfio-pci' && group === undefined && !noIommu;
  if (waits && spec.iommuComing !== true) throw await withoutIommu(look, address);
  if (noIommu || (spec.driver === 'uio_pci_generic' && group === undefined)) {
    notes.push(`${address}: no IOMMU holds it back, so whoever runs the switch can make it write to any memory`);
  }
  return { steps: [await stepOf(host, { ...spec, address, now: spec.now && !waits }, nic)], notes };
}

/** It goes into the text of a rule: nothing but an address may pass. */
function parseAddress(text: string): string {
  const [, domain = '0000', rest] =
    /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[01][0-9a-f]\.[0-7])$/.exec(text.toLowerCase()) ?? [];
  if (rest !== undefined) return `${domain}:${rest}`;
  throw new VhostHostError('USAGE', `"${printable(text)}" is no PCI address such as 0000:03:00.0`, { hint: LIST });
}

const LIST = 'vhost-host check lists the network cards';

async function findNic(look: Look, address: string): Promise<NicFacts> {
  const nics = await readNics(look);
  const nic = nics.find((one) => one.address === address);
  if (nic !== undefined) return nic;
  const there = (await look.stat(`${PCI}/${address}`)) !== undefined;
  const known = nics.map((one) => one.address).join(', ') || 'none';
  const reason = there ? `the PCI device ${address} is no network card` : `there is no PCI device ${address}`;
  throw new VhostHostError('SETUP_REFUSED', `${reason} (network cards: ${known})`, {
    hint: LIST,
    details: { address, cards: nics.map((one) => one.address) },
  });
}

function titleOf({ address, interfaces, driver }: NicFacts): string {
  return `${address} (${[...interfaces, driver ?? 'no driver'].join(', ')})`;
}

/** vfio opens no device of a group of which the kernel still uses another. */
function groupClaims({ driver }: NicSpec, group: IommuGroup | undefined): string[] {
  if (driver !== 'vfio-pci' || group === undefined) return [];
  return group.others.map((other) => `${other} in the same IOMMU group ${group.name}`);
}

function inUse(nic: NicFacts, claims: readonly string[]): VhostHostError {
  return new VhostHostError('SETUP_REFUSED', `${titleOf(nic)} is in use: ${claims.join(', ')}`, {
    hint: `choose another card (${LIST}), or --force-nic`,
    details: { address: nic.address, claims },
  });
}

async function withoutIommu(look: Look, address: string): Promise<VhostHostError> {
  const has = (await readIommu(look)).inFirmware;
  const reason = has ? 'the IOMMU is off' : 'this machine has no IOMMU, or its firmware switches it off';
  const unsafe = 'modprobe vfio enable_unsafe_noiommu_mode=1 lets the switch do without, and without protection';
  return new VhostHostError('SETUP_REFUSED', `${address} cannot be opened by way of vfio-pci: ${reason}`, {
    hint: has ? 'boot with the kernel arguments intel_iommu=on iommu=pt (AMD: iommu=pt)' : unsafe,
    details: { address, iommuInFirmware: has },
  });
}

async function stepOf(host: Host, spec: NicSpec, nic: NicFacts | undefined): Promise<Step> {
  const { address, driver } = spec;
  const bound = nic?.driver === driver;
  const now = spec.now && !bound;
  const moves = now ? 'now' : bound || nic === undefined ? 'never' : 'at boot';
  const { how, actions, diff } = await draftBinding(host, { address, driver, present: nic?.driver, moves });
  return {
    id: `nic-${address}`,
    title: `network card ${address}: ${driver}, kept by ${how}`,
    why: `the switch drives the card itself, by way of ${driver}`,
    current: nic === undefined ? 'not looked at' : (nic.driver ?? 'no driver'),
    wanted: driver,
    diff,
    actions,
    needsReboot: actions.length > 0 && !now && !bound,
    verify: (there) => (now ? notBound(there, spec) : Promise.resolve(undefined)),
  };
}

async function notBound(host: Host, { address, driver }: NicSpec): Promise<string | undefined> {
  const got = await linkName(host, driverLink(address));
  if (got === driver) return undefined;
  return `${address} should be driven by ${driver} now, and is by ${got ?? 'nobody'}: dmesg | grep ${address}`;
}
