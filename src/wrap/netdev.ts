import { VhostHostError } from '../common/errors.js';
import { groupOf, newItem, withValue } from './cmdline/argv.js';
import type { Item } from './cmdline/argv.js';
import type { Command, Reason } from './cmdline/command.js';
import { virtioNetBus } from './drivers.js';
import type { Facts } from './memory/facts.js';
import { queuesOf, vhostDescriptors, vhostNetdevs } from './guest.js';
import type { Machine } from './machine.js';
import { printKeys } from './cmdline/parse-group.js';
import { freeId } from './cmdline/free-id.js';
import type { Way } from './endpoint.js';

/** A netdev that goes to the switch. */
export interface Netdev {
  readonly id: string;
  readonly queues: number;
  /** Of its card, in lower case and with colons; undefined where QEMU chooses it. */
  readonly mac: string | undefined;
  /** Inherited descriptors for /dev/vhost-net that it had. */
  readonly descriptors: readonly number[];
}

const OFFLOADS = ['csum', 'gso', 'guest_tso4', 'guest_tso6', 'guest_ecn'];

export function devicesOf(command: Command, netdev: string): Item[] {
  return command.options('device').filter((item) => groupOf(item).get('netdev') === netdev);
}

function macOf(command: Command, netdev: string): string | undefined {
  const said = devicesOf(command, netdev).map((item) => groupOf(item).get('mac'))[0];
  const mac = said?.toLowerCase().replaceAll('-', ':');
  return mac !== undefined && /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac) ? mac : undefined;
}

function checkHasDevice(command: Command, id: string): void {
  if (devicesOf(command, id).length > 0) return;
  throw new VhostHostError('NETDEV_UNKNOWN', `netdev "${id}" asks for vhost, but no -device uses it`, {
    hint: `add: -device virtio-net-pci,netdev=${id}`,
    details: { netdev: id },
  });
}

/** The first device of a netdev that is none of virtio's: it never works with vhost, and QEMU runs it without. */
function foreignDriver(command: Command, id: string, { architecture }: Machine): string | undefined {
  const drivers = devicesOf(command, id).map((device) => groupOf(device).get('driver') ?? '');
  return drivers.find((driver) => virtioNetBus(driver, architecture) === undefined);
}

/** Every netdev that a device names must exist. */
function checkNames(command: Command, ids: ReadonlySet<string>): void {
  for (const device of command.options('device')) {
    const group = groupOf(device);
    const name = group.get('netdev');
    if (name === undefined || ids.has(name)) continue;
    throw new VhostHostError(
      'NETDEV_UNKNOWN',
      `device ${group.get('driver') ?? ''} names the netdev "${name}", which no -netdev defines`,
      { hint: `-netdev ids of this call: ${[...ids].join(', ')}`, details: { netdev: name } },
    );
  }
}

/** The machine's own card uses it, and is none that could be written out (`nics.ts` has said so). */
function isBoardNetdev(command: Command, id: string): boolean {
  return command.options('net').some((item) => groupOf(item).get('netdev') === id);
}

/** What is in a file that we cannot read may be a netdev, its device, or the memory. */
function checkFiles(command: Command): void {
  const [path] = command.unread();
  if (path === undefined) return;
  throw new VhostHostError('ARGV_INVALID', `-readconfig ${path} cannot be read before QEMU reads it`, {
    hint: 'write it to a file that the user who runs QEMU may read, or as options',
    details: { path },
  });
}

/** The netdevs to take over, checked, and a line for each that asks for vhost in vain. */
export function surveyNetdevs(command: Command, machine: Machine): { netdevs: Netdev[]; remarks: string[] } {
  const asking = vhostNetdevs(command);
  if (asking.length === 0) return { netdevs: [], remarks: [] };
  checkFiles(command);
  const ids = new Set<string>();
  for (const item of command.options('netdev')) {
    const id = groupOf(item).get('id');
    if (id === undefined || id === '') throw new VhostHostError('ARGV_INVALID', 'a -netdev of this call has no id');
    if (ids.has(id)) throw new VhostHostError('ARGV_INVALID', `two -netdev options have the id "${id}"`);
    ids.add(id);
  }
  checkNames(command, ids);
  const netdevs: Netdev[] = [];
  const remarks: string[] = [];
  for (const item of asking) {
    const group = groupOf(item);
    const id = group.get('id') ?? '';
    if (isBoardNetdev(command, id)) continue;
    checkHasDevice(command, id);
    const driver = foreignDriver(command, id, machine);
    if (driver === undefined) {
      netdevs.push({ id, queues: queuesOf(group), mac: macOf(command, id), descriptors: vhostDescriptors(group) });
    } else {
      remarks.push(
        `netdev "${id}" is left to QEMU: vhost=on means nothing to its device ${driver}; use virtio-net-pci for the switch`,
      );
    }
  }
  return { netdevs, remarks };
}

/**
 * The keys by which a socket is connected again: without them the guest does not come back to its port when the switch
 * was stopped. `seconds`: 0 for never; an older QEMU counts in whole ones.
 */
export function reconnectKeys(
  seconds: number,
  { reconnectMs }: Pick<Facts, 'reconnectMs'>,
): Readonly<Record<string, string>> {
  if (seconds === 0) return {};
  return reconnectMs
    ? { 'reconnect-ms': String(Math.round(seconds * 1000)) }
    : { reconnect: String(Math.ceil(seconds)) };
}

/** tap with vhost becomes a vhost-user netdev of the same id, with its socket in front of it. */
export function toVhostUser(
  command: Command,
  reason: Reason,
  ways: ReadonlyMap<string, Way>,
  reconnect: Readonly<Record<string, string>>,
): void {
  for (const item of vhostNetdevs(command)) {
    let group = groupOf(item);
    const id = group.get('id') ?? '';
    const way = ways.get(id);
    if (way === undefined || !('socket' in way)) continue;
    const queues = queuesOf(group);
    const chardev = freeId(command, 'chardev', `vhost-host-${id}`);
    for (const key of group.keys()) if (key !== 'type' && key !== 'id') group = group.remove(key);
    group = group.set('type', 'vhost-user').set('chardev', chardev);
    if (queues > 1) group = group.set('queues', queues);
    const socket = newItem('chardev', printKeys('socket', { id: chardev, path: way.socket, ...reconnect }));
    command.replace(reason, item, [socket, withValue(item, group)]);
  }
}

/** QEMU takes several descriptors of a device only beside several of a tap that somebody else has made. */
function tapWithoutDescriptors(id: string): VhostHostError {
  const what = `netdev "${id}" asks for several queues of a tap that QEMU makes itself`;
  return new VhostHostError('ARGV_INVALID', `${what}, which it can do with vhost-user only, not with a device`, {
    hint: 'set "transport" to "user", drop queues=, or hand the tap over with fds=, as libvirt does',
    details: { netdev: id },
  });
}

/** tap with vhost stays one, with descriptors of its port's device in the place of those for /dev/vhost-net. */
export function toDevice(command: Command, reason: Reason, ways: ReadonlyMap<string, Way>): void {
  for (const item of vhostNetdevs(command)) {
    let group = groupOf(item);
    const way = ways.get(group.get('id') ?? '');
    if (way === undefined || !('device' in way)) continue;
    const key = way.fds.includes(':') ? 'vhostfds' : 'vhostfd';
    if (key === 'vhostfds' && group.get('fds') === undefined) throw tapWithoutDescriptors(group.get('id') ?? '');
    group = group
      .remove(key === 'vhostfd' ? 'vhostfds' : 'vhostfd')
      .set('vhost', true)
      .set(key, way.fds);
    command.replace(reason, item, [withValue(item, group)]);
  }
}

/** Without vectors the device has no MSI-X, and interrupts as any old PCI card. Other buses have neither. */
export function msixOff(command: Command, reason: Reason, netdevs: readonly Netdev[], machine: Machine): void {
  for (const { id } of netdevs) {
    for (const device of devicesOf(command, id)) {
      const group = groupOf(device);
      const bus = virtioNetBus(group.get('driver') ?? '', machine.architecture);
      if (bus !== 'pci' || group.get('vectors') === '0') continue;
      command.replace(reason, device, [withValue(device, group.set('vectors', 0))]);
    }
  }
}

/** The switch hands frames on as they are: no guest may count on work that nobody does for it. */
export function offloadsOff(command: Command, reason: Reason, netdevs: readonly Netdev[]): void {
  for (const { id } of netdevs) {
    for (const device of devicesOf(command, id)) {
      let group = groupOf(device);
      for (const key of OFFLOADS) if (group.get(key) !== 'off') group = group.set(key, false);
      command.replace(reason, device, [withValue(device, group)]);
    }
  }
}
