import type { Bridge } from './bridge.js';
import type { Settings } from './settings.js';

/** Which port has which device. */

export type DeviceSettings = Pick<Settings, 'devBaseName' | 'socketMode' | 'socketGid'>;

/** The number in the name of a device of ours. */
function indexOf(baseName: string, device: string): number | undefined {
  const index = device.startsWith(`${baseName}-`) ? device.slice(baseName.length + 1) : '';
  return /^\d{1,6}$/.test(index) ? Number(index) : undefined;
}

/**
 * Makes the device of a port: the one with that number, else the one that it had when a switch that is gone served it,
 * else the first that is free, from 1. Owner and mode are those of the ports' sockets.
 * Return: its name, without /dev/.
 */
export async function makeDevice(
  bridge: Bridge,
  { devBaseName, socketMode, socketGid }: DeviceSettings,
  { socket, devIndex }: { readonly socket: string; readonly devIndex: number | undefined },
): Promise<string> {
  const present = await bridge.list();
  const old = present.find((device) => device.socket === socket && indexOf(devBaseName, device.name) !== undefined);
  const taken = new Set(present.map(({ name }) => name));
  let free = 1;
  while (taken.has(`${devBaseName}-${free}`)) free++;
  const name = devIndex === undefined ? (old?.name ?? `${devBaseName}-${free}`) : `${devBaseName}-${devIndex}`;
  await bridge.add({ name, socket, mode: socketMode, uid: -1, gid: socketGid });
  return name;
}
