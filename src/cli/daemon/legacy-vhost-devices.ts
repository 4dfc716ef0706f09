import { basename } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import { USER_SPACE_DRIVERS } from '../../host/kernel/pci-drivers.js';
import { bitsOf } from './bitmask.js';
import type { Host } from '../../host/host.js';

/** DPDK's ports as DPDK's vhost example numbers them: PCI devices in the order of their addresses, then virtual ones. */

interface Choice {
  readonly allow?: readonly string[];
  readonly vdev?: readonly string[];
  /** Which of them to use, as bits; without it none is. */
  readonly portmask: number | undefined;
}

/** PCI class of Ethernet controllers. */
const ETHERNET = '0x0200';

/** Ethernet cards that are bound to a driver for programs in user space; a guest's own among them, if there is one. */
async function boundCards(host: Host): Promise<string[]> {
  const dir = '/sys/bus/pci/devices';
  const cards: string[] = [];
  for (const address of [...(await host.list(dir))].sort()) {
    const driver = await host.realpath(`${dir}/${address}/driver`);
    if (driver === undefined || !USER_SPACE_DRIVERS.has(basename(driver))) continue;
    if ((await host.readOptional(`${dir}/${address}/class`))?.startsWith(ETHERNET) === true) cards.push(address);
  }
  return cards;
}

/** The devices that the mask names. `notes`: takes a line where there is none at all. */
export async function pickDevices(host: Host, { allow, vdev, portmask }: Choice, notes: string[]): Promise<string[]> {
  if (portmask === undefined) return [];
  const devices = [...(allow ?? (await boundCards(host))), ...(vdev ?? [])];
  const mask = `-p 0x${portmask.toString(16)}`;
  if (devices.length === 0) {
    notes.push(`${mask}: no network card is bound to a driver of DPDK's, starting without an uplink`);
    return [];
  }
  return bitsOf(portmask).map((port) => {
    const device = devices[port];
    if (device !== undefined) return device;
    throw new VhostHostError('USAGE', `${mask}: there is no port ${port}, only ${devices.join(', ')}`, {
      hint: 'vhost-host start --vdev DEVICE',
    });
  });
}
