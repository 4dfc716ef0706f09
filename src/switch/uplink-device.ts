import { basename } from 'node:path';
import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import { SHARING_DRIVERS, USER_SPACE_DRIVERS } from '../pci-drivers.js';

/**
 * What can be told of a device before DPDK takes it: its own answer to most mistakes is a number. Network
 * interfaces are looked up in /proc, which shows this process's network namespace; /sys may show another.
 */

const PCI = /^(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;
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

function bad(message: string, hint?: string): VhostHostError {
  return new VhostHostError('UPLINK_FAILED', message, hint === undefined ? {} : { hint });
}

async function checkPci(host: Host, address: string): Promise<void> {
  const dir = `/sys/bus/pci/devices/${address}`;
  if ((await host.stat(dir)) === undefined) throw bad(`there is no PCI device ${address}`, 'ls /sys/bus/pci/devices');
  const driver = await host.realpath(`${dir}/driver`);
  const bind = `dpdk-devbind.py --bind=vfio-pci ${address}`;
  if (driver === undefined) throw bad(`${address} is bound to no driver, DPDK needs vfio-pci`, bind);
  const name = basename(driver);
  if (USER_SPACE_DRIVERS.has(name) || SHARING_DRIVERS.has(name)) return;
  throw bad(`${address} is in use by the kernel's driver ${name}, DPDK needs vfio-pci`, bind);
}

async function checkInterface(host: Host, device: string): Promise<void> {
  const name = interfaceOf(device);
  if (name === undefined) throw bad(`${device} names no interface`, `${device},iface=eth1`);
  const text = (await host.readOptional('/proc/net/dev')) ?? '';
  const names = text.split('\n').map((line) => line.split(':')[0]?.trim());
  if (!names.includes(name)) throw bad(`there is no network interface ${name}`, 'ip link');
}

/** Throws where it is known in advance that the device cannot be used. `device`: as of `deviceName`. */
export async function checkDevice(host: Host, device: string): Promise<void> {
  const name = device.split(',')[0] ?? '';
  if (PCI.test(name)) await checkPci(host, name);
  else if (!/^net_\w+$/.test(name)) {
    throw bad(`${name} is neither a PCI address nor a virtual device such as net_af_packet0,iface=eth1`);
  } else if (OVER_INTERFACE.some((driver) => name.startsWith(driver))) await checkInterface(host, device);
}
