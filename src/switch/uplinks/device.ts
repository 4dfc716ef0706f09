import { basename } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import type { Host } from '../../host/host.js';
import { SHARING_DRIVERS, USER_SPACE_DRIVERS } from '../../host/kernel/pci-drivers.js';
import { asRoot } from '../rights.js';

/**
 * What can be told of a device before DPDK takes it: its own answer to most mistakes is a number. Network
 * interfaces are looked up in /proc, which shows this process's network namespace; /sys may show another.
 */

const PCI = /^(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;
/** Virtual devices, by their driver and a number. */
const VIRTUAL = /^net_\w+$/;
/** Virtual devices over an interface that must be there, with the argument that names it. */
const OVER_INTERFACE = ['net_af_packet', 'net_af_xdp'];

/** DPDK's full name of a device: PCI addresses with their domain. */
export function deviceName(device: string): string {
  const [name = '', ...args] = device.split(',');
  if (!PCI.test(name)) return device;
  const full = name.length === 7 ? `0000:${name}` : name;
  return [full.toLowerCase(), ...args].join(',');
}

/** The address of a card; undefined for virtual devices. `device`: as of `deviceName`. */
export function pciAddress(device: string): string | undefined {
  const [name = ''] = device.split(',');
  return PCI.test(name) ? name : undefined;
}

/** The kernel's interface that a virtual device stands on; undefined where it needs none. */
export function interfaceOf(device: string): string | undefined {
  const [name = '', ...args] = device.split(',');
  if (!OVER_INTERFACE.some((driver) => name.startsWith(driver))) return undefined;
  return args.find((arg) => arg.startsWith('iface='))?.slice('iface='.length);
}

/** The interfaces of this network namespace. */
async function interfaces(host: Pick<Host, 'readOptional'>): Promise<readonly string[]> {
  const text = (await host.readOptional('/proc/net/dev')) ?? '';
  return text.split('\n').flatMap((line) => (line.includes(':') ? [line.slice(0, line.lastIndexOf(':')).trim()] : []));
}

/**
 * DPDK's name of what a user asks for: a card, a virtual device, or an interface of the kernel's by its name, which
 * the switch shares with it through packet sockets (net_af_packet). `others`: devices of the switch.
 */
export async function resolveDevice(
  host: Pick<Host, 'readOptional'>,
  asked: string,
  others: readonly string[],
): Promise<string> {
  const device = deviceName(asked);
  const [name = '', ...args] = device.split(',');
  if (PCI.test(name) || VIRTUAL.test(name) || !(await interfaces(host)).includes(name)) return device;
  const taken = new Set(others.map((other) => other.split(',')[0]));
  let n = 0;
  while (taken.has(`net_af_packet${n}`)) n++;
  return [`net_af_packet${n}`, `iface=${name}`, ...args].join(',');
}

/** What a user may not expect of the device; undefined where there is nothing to say. */
export function remarkOn(device: string): string | undefined {
  const [name = '', ...args] = device.split(',');
  if (!/^net_null\d*$/.test(name) || args.includes('no-rx=1')) return undefined;
  return `${name} gives frames without end, for measurements: it keeps a worker busy for ever (without: ${name},no-rx=1)`;
}

function bad(message: string, hint?: string): VhostHostError {
  return new VhostHostError('UPLINK_FAILED', message, hint === undefined ? {} : { hint });
}

/** A card is opened by its IOMMU group, whose file is root's unless somebody has given it away. */
async function checkVfioGroup(host: Host, address: string, dir: string): Promise<void> {
  const group = basename((await host.realpath(`${dir}/iommu_group`)) ?? '');
  const file = group === '' || host.uid() === 0 ? undefined : await host.stat(`/dev/vfio/${group}`);
  if (file === undefined || file.uid === host.uid() || (file.mode & 0o066) !== 0) return;
  throw bad(`${address} takes /dev/vfio/${group}, which is closed to the switch`, asRoot(host, ` --nic ${address}`));
}

async function checkPci(host: Host, address: string): Promise<void> {
  const dir = `/sys/bus/pci/devices/${address}`;
  if ((await host.stat(dir)) === undefined) throw bad(`there is no PCI device ${address}`, 'ls /sys/bus/pci/devices');
  const driver = await host.realpath(`${dir}/driver`);
  const bind = `dpdk-devbind.py --bind=vfio-pci ${address}`;
  if (driver === undefined) throw bad(`${address} is bound to no driver, DPDK needs vfio-pci`, bind);
  const name = basename(driver);
  if (name === 'vfio-pci') await checkVfioGroup(host, address, dir);
  if (USER_SPACE_DRIVERS.has(name) || SHARING_DRIVERS.has(name)) return;
  throw bad(`${address} is in use by the kernel's driver ${name}, DPDK needs vfio-pci`, bind);
}

async function checkInterface(host: Host, device: string): Promise<void> {
  const name = interfaceOf(device);
  if (name === undefined) throw bad(`${device} names no interface`, `${device},iface=eth1`);
  if (!(await interfaces(host)).includes(name)) throw bad(`there is no network interface ${name}`, 'ip link');
}

/** Throws where it is known in advance that the device cannot be used. `device`: as of `deviceName`. */
export async function checkDevice(host: Host, device: string): Promise<void> {
  const name = device.split(',')[0] ?? '';
  if (PCI.test(name)) await checkPci(host, name);
  else if (!VIRTUAL.test(name)) {
    throw bad(`${name} is no PCI address, no network interface, and no virtual device such as net_tap0`, 'ip link');
  } else if (OVER_INTERFACE.some((driver) => name.startsWith(driver))) await checkInterface(host, device);
}
