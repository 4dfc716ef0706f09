import * as z from 'zod';
import type { Look } from '../../host/tolerant-reader.js';
import { linkName } from '../../host/kernel/sysfs-link.js';
import { USER_SPACE_DRIVERS } from '../../host/kernel/pci-drivers.js';
import type { NicFacts } from './read.js';
import type { Host } from '../../host/host.js';

/** Who would lose something with a network card: the host itself, and what stands beside or upon it. */

const PCI = '/sys/bus/pci/devices';
const BRIDGE = '0x0604';

/** What is in use, in words that name it; empty where the card is free. */
export async function claimsOn(host: Host, look: Look, nic: NicFacts): Promise<string[]> {
  return [
    ...(await addressesOn(host, nic.interfaces)),
    ...nic.uses,
    ...(await memberships(look, nic.interfaces)),
    ...(await virtualFunctions(look, nic.address)),
    ...elsewhere(nic),
  ];
}

const ADDRESSES = z.array(
  z.object({
    ifname: z.string().optional(),
    addr_info: z.array(z.object({ family: z.string(), local: z.string(), prefixlen: z.number() })).optional(),
  }),
);

/** Routes tell of nearly all addresses; of one without a route only netlink does, which iproute2 speaks for us. */
async function addressesOn(host: Host, interfaces: readonly string[]): Promise<string[]> {
  if (interfaces.length === 0) return [];
  const said = await host.run('ip', ['-json', '-4', 'address', 'show']).catch(() => undefined);
  if (said?.exitCode !== 0) return [];
  const parsed = ADDRESSES.safeParse(parseJson(said.stdout));
  if (!parsed.success) return [];
  return parsed.data
    .filter(({ ifname }) => ifname !== undefined && interfaces.includes(ifname))
    .flatMap(({ ifname, addr_info }) =>
      (addr_info ?? []).map(({ local, prefixlen }) => `the address ${local}/${prefixlen} on ${ifname}`),
    );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A bridge or bond is in use also where it has no address of its own. */
async function memberships(look: Look, interfaces: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of interfaces) {
    for (const entry of await look.list(`/sys/class/net/${name}`)) {
      const upper = /^upper_(.+)$/.exec(entry)?.[1];
      if (upper !== undefined) found.push(`${upper} on top of ${name}`);
    }
  }
  return found;
}

async function virtualFunctions(look: Look, address: string): Promise<string[]> {
  const count = Number(await look.text(`${PCI}/${address}/sriov_numvfs`));
  return count > 0 ? [`${count} virtual functions`] : [];
}

/** Interfaces are seen in their own network namespace only. */
function elsewhere({ driver, interfaces }: NicFacts): string[] {
  const hidden = driver !== undefined && !USER_SPACE_DRIVERS.has(driver) && interfaces.length === 0;
  return hidden ? [`no interface here, though ${driver} drives it: another network namespace may have it`] : [];
}

export interface IommuGroup {
  readonly name: string;
  /** Other devices of the group that a kernel driver has, each with its driver: vfio hands out whole groups. */
  readonly others: readonly string[];
}

/** undefined where there is no IOMMU, or it is off. */
export async function iommuGroupOf(look: Look, address: string): Promise<IommuGroup | undefined> {
  const group = await look.realpath(`${PCI}/${address}/iommu_group`);
  if (group === undefined) return undefined;
  const others: string[] = [];
  for (const other of [...(await look.list(`${group}/devices`))].sort()) {
    if (other === address || (await look.text(`${PCI}/${other}/class`)).startsWith(BRIDGE)) continue;
    const driver = await linkName(look, `${PCI}/${other}/driver`);
    if (driver !== undefined && driver !== 'vfio-pci') others.push(`${other} (${driver})`);
  }
  return { name: group.split('/').at(-1) ?? '', others };
}

/** Whether vfio works without an IOMMU, which the administrator has to have asked for. */
export async function noIommuMode(look: Look): Promise<boolean> {
  return (await look.text('/sys/module/vfio/parameters/enable_unsafe_noiommu_mode')) === 'Y';
}
