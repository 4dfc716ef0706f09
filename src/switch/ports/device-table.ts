import { messageOf, printable } from '../../common/errors.js';
import type { Bridge } from './cuse-bridge.js';
import type { Settings } from '../config/settings.js';

/** Which port has which device. */

export interface DeviceParts {
  readonly bridge: Bridge;
  readonly settings: Pick<Settings, 'devBaseName' | 'socketMode' | 'socketGid'>;
  readonly log: (line: string) => void;
}

/** What a port says of its device. */
export interface DeviceOwner {
  readonly name: string;
  readonly id: number;
  readonly socket: string;
  /** Without /dev/. */
  readonly device: string | undefined;
}

/** The number in the name of a device of ours. */
function indexOf(baseName: string, device: string): number | undefined {
  const index = device.startsWith(`${baseName}-`) ? device.slice(baseName.length + 1) : '';
  return /^\d{1,6}$/.test(index) ? Number(index) : undefined;
}

export class DeviceTable {
  readonly #parts: DeviceParts;
  /** Those that guests had open when they were last looked at. */
  #open: ReadonlySet<string> = new Set();
  #trouble = '';

  constructor(parts: DeviceParts) {
    this.#parts = parts;
  }

  /**
   * Makes the device of a port: the one with that number, else the one that it had when a switch that is gone served
   * it, else the first that is free, from 1. Owner and mode are those of the ports' sockets.
   * Return: its name, without /dev/.
   */
  async make(socket: string, devIndex: number | undefined): Promise<string> {
    const { bridge, settings } = this.#parts;
    const { devBaseName } = settings;
    const present = await bridge.list();
    const old = present.find((device) => device.socket === socket && indexOf(devBaseName, device.name) !== undefined);
    const taken = new Set(present.map(({ name }) => name));
    let free = 1;
    while (taken.has(`${devBaseName}-${free}`)) free++;
    const name = devIndex === undefined ? (old?.name ?? `${devBaseName}-${free}`) : `${devBaseName}-${devIndex}`;
    await this.#add(name, socket);
    return name;
  }

  async remove(name: string): Promise<void> {
    await this.#parts.bridge.remove(name);
  }

  /** Every now and then: makes those again that went with a supervisor that was killed. */
  async tend(ports: readonly DeviceOwner[]): Promise<void> {
    if (ports.every(({ device }) => device === undefined)) return;
    try {
      const present = await this.#parts.bridge.list();
      const names = new Set(present.map(({ name }) => name));
      for (const port of ports) await this.#restore(port, names);
      this.#open = new Set(present.filter(({ opens }) => opens > 0).map(({ name }) => name));
      this.#trouble = '';
    } catch (error) {
      // Tried again in a second, and told once.
      const trouble = `devices are not made again: ${printable(messageOf(error))}`;
      if (trouble !== this.#trouble) this.#parts.log(trouble);
      this.#trouble = trouble;
    }
  }

  async #restore({ name, id, socket, device }: DeviceOwner, present: ReadonlySet<string>): Promise<void> {
    if (device === undefined || present.has(device)) return;
    await this.#add(device, socket);
    const lost = this.#open.has(device) ? '; the guest that had it open has lost it until it is started anew' : '';
    this.#parts.log(`port ${name} (${id}): /dev/${device} made again, since the cuse bridge was killed${lost}`);
  }

  async #add(name: string, socket: string): Promise<void> {
    const { socketMode, socketGid } = this.#parts.settings;
    await this.#parts.bridge.add({ name, socket, mode: socketMode, uid: -1, gid: socketGid });
  }
}
