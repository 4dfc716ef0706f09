import { linkName } from '../../host/kernel/sysfs-link.js';
import { USER_SPACE_DRIVERS } from '../../host/kernel/pci-drivers.js';
import type { Look } from '../../host/tolerant-reader.js';

/** Network cards on the PCI bus: who drives them, and whether the host itself depends on them. */

export type Vmdq = 'yes' | 'no' | 'unknown';

export interface NicFacts {
  /** PCI address such as `0000:03:00.0`. */
  readonly address: string;
  /** Vendor and device, as `8086:10c9`. */
  readonly id: string;
  readonly driver: string | undefined;
  /** Names of its interfaces; none once it is bound to a driver for user space. */
  readonly interfaces: readonly string[];
  readonly node: number | undefined;
  /** What the host would lose with it, such as `an address on eth0`; empty where it is free to be taken. */
  readonly uses: readonly string[];
  readonly vmdq: Vmdq;
}

/** Drivers of cards that have pools; igb drives some that have none. */
const VMDQ_DRIVERS = new Set(['bnxt_en', 'fsl_dpa', 'fsl_dpaa2_eth', 'fm10k', 'i40e', 'ixgbe', 'txgbe']);
/** 82576, 82580 and i350. */
const VMDQ_IGB = new Set(
  '10c9 10e6 10e7 10e8 1526 150a 1518 150d 150e 150f 1510 1511 1516 1527 1521 1522 1523 1524'
    .split(' ')
    .map((device) => `8086:${device}`),
);

/** By the table of DPDK's drivers. Bound to a driver for user space, only the device number tells. */
export function vmdqOf(driver: string | undefined, id: string): Vmdq {
  if (VMDQ_IGB.has(id) || (driver !== undefined && VMDQ_DRIVERS.has(driver))) return 'yes';
  return driver === undefined || USER_SPACE_DRIVERS.has(driver) ? 'unknown' : 'no';
}

/** Interfaces that carry a route or an address of the host's own. */
export async function readUses(look: Look): Promise<ReadonlyMap<string, readonly string[]>> {
  const uses = new Map<string, Set<string>>();
  const add = (name: string | undefined, use: string): void => {
    if (name !== undefined) uses.set(name, (uses.get(name) ?? new Set()).add(use));
  };
  for (const line of (await look.lines('/proc/net/route')).slice(1)) {
    const [name, destination, , , , , , mask] = line.split(/\s+/);
    add(name, destination === '00000000' && mask === '00000000' ? 'the default route' : 'a route');
  }
  for (const line of await look.lines('/proc/net/if_inet6')) {
    const [address, , , , , name] = line.split(/\s+/);
    // Every interface that is up has a link-local one.
    if (address?.startsWith('fe80') === false) add(name, 'an IPv6 address');
  }
  return new Map([...uses].map(([name, found]) => [name, [...found].sort()]));
}

/** The interface and all that stand on it: bridges, bonds, VLANs. */
async function standingOn(look: Look, name: string, below: readonly string[] = []): Promise<string[]> {
  if (below.includes(name)) return [];
  const uppers = (await look.list(`/sys/class/net/${name}`)).flatMap((entry) => /^upper_(.+)$/.exec(entry)?.[1] ?? []);
  const all = await Promise.all(uppers.map((upper) => standingOn(look, upper, [...below, name])));
  return [name, ...all.flat()];
}

const PCI = '/sys/bus/pci/devices';

async function readNic(look: Look, address: string, uses: ReadonlyMap<string, readonly string[]>): Promise<NicFacts> {
  const device = `${PCI}/${address}`;
  const id = async (name: string): Promise<string> => (await look.text(`${device}/${name}`)).replace(/^0x/, '');
  const pciId = `${await id('vendor')}:${await id('device')}`;
  const driver = await linkName(look, `${device}/driver`);
  // Of virtio the card itself is one device below.
  const inner = (await look.list(device)).filter((name) => /^virtio\d+$/.test(name));
  const places = [device, ...inner.map((name) => `${device}/${name}`)];
  const interfaces = (await Promise.all(places.map((place) => look.list(`${place}/net`)))).flat().sort();
  const involved = (await Promise.all(interfaces.map((name) => standingOn(look, name)))).flat();
  const node = Number((await look.text(`${device}/numa_node`)) || -1);
  return {
    address,
    id: pciId,
    driver,
    interfaces,
    node: node < 0 ? undefined : node,
    uses: [...new Set(involved)].flatMap((name) => (uses.get(name) ?? []).map((use) => `${use} on ${name}`)),
    vmdq: vmdqOf(driver, pciId),
  };
}

const ETHERNET = '0x0200';

export async function readNics(look: Look): Promise<NicFacts[]> {
  const uses = await readUses(look);
  const nics: NicFacts[] = [];
  for (const address of [...(await look.list(PCI))].sort()) {
    if ((await look.text(`${PCI}/${address}/class`)).startsWith(ETHERNET))
      nics.push(await readNic(look, address, uses));
  }
  return nics;
}
