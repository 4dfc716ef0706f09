import { VhostHostError } from '../errors.js';
import { groupOf, newItem, withValue } from './argv.js';
import type { Item } from './argv.js';
import type { Way } from './broker.js';
import type { Command, Reason } from './command.js';
import { printKeys } from './group.js';
import { queuesOf, vhostDescriptors, vhostNetdevs } from './guest.js';

/** A netdev that goes to the switch. */
export interface Netdev {
  readonly id: string;
  readonly queues: number;
  /** Of its card, in lower case and with colons; undefined where QEMU chooses it. */
  readonly mac: string | undefined;
  /** Inherited descriptors for /dev/vhost-net that it had. */
  readonly descriptors: readonly number[];
}

const VIRTIO_NET = /^virtio-net(-pci(-(non-)?transitional)?|-device|-ccw)?$/;
const OFFLOADS = ['csum', 'gso', 'guest_tso4', 'guest_tso6', 'guest_ecn'];

export function devicesOf(command: Command, netdev: string): Item[] {
  return command.options('device').filter((item) => groupOf(item).get('netdev') === netdev);
}

function macOf(command: Command, netdev: string): string | undefined {
  const said = devicesOf(command, netdev).map((item) => groupOf(item).get('mac'))[0];
  const mac = said?.toLowerCase().replaceAll('-', ':');
  return mac !== undefined && /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac) ? mac : undefined;
}

function checkDeviceOf(command: Command, id: string): void {
  const devices = devicesOf(command, id);
  if (devices.length === 0) {
    throw new VhostHostError('NETDEV_UNKNOWN', `netdev "${id}" asks for vhost, but no -device uses it`, {
      hint: `add: -device virtio-net-pci,netdev=${id}`,
      details: { netdev: id },
    });
  }
  for (const device of devices) {
    const driver = groupOf(device).get('driver') ?? '';
    if (VIRTIO_NET.test(driver)) continue;
    throw new VhostHostError('ARGV_INVALID', `netdev "${id}" asks for vhost, which its device ${driver} cannot do`, {
      hint: `use -device virtio-net-pci,netdev=${id}, or drop vhost=on`,
      details: { netdev: id, driver },
    });
  }
}

/** Every netdev that a device names must exist. A file of -readconfig may define some that we cannot see. */
function checkNames(command: Command, ids: ReadonlySet<string>): void {
  if (command.has('readconfig')) return;
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

/** The netdevs to take over, checked: each has an id of its own and a device that can work with the switch. */
export function surveyNetdevs(command: Command): Netdev[] {
  const ours = vhostNetdevs(command);
  if (ours.length === 0) return [];
  const ids = new Set<string>();
  for (const item of command.options('netdev')) {
    const id = groupOf(item).get('id');
    if (id === undefined || id === '') throw new VhostHostError('ARGV_INVALID', 'a -netdev of this call has no id');
    if (ids.has(id)) throw new VhostHostError('ARGV_INVALID', `two -netdev options have the id "${id}"`);
    ids.add(id);
  }
  checkNames(command, ids);
  return ours.map((item) => {
    const group = groupOf(item);
    const id = group.get('id') ?? '';
    checkDeviceOf(command, id);
    return { id, queues: queuesOf(group), mac: macOf(command, id), descriptors: vhostDescriptors(group) };
  });
}

/** `wanted`, or the first of `wanted-2`, `wanted-3`, … that no option of that name has as its id. */
export function freeId(command: Command, option: string, wanted: string): string {
  const taken = new Set(command.options(option).map((item) => groupOf(item).get('id')));
  for (let n = 1; ; n++) {
    const id = n === 1 ? wanted : `${wanted}-${n}`;
    if (!taken.has(id)) return id;
  }
}

/** tap with vhost becomes a vhost-user netdev of the same id, with its socket in front of it. */
export function toVhostUser(command: Command, reason: Reason, ways: ReadonlyMap<string, Way>, reconnect: number): void {
  for (const item of vhostNetdevs(command)) {
    let group = groupOf(item);
    const id = group.get('id') ?? '';
    const way = ways.get(id);
    if (way === undefined) throw new TypeError(`netdev ${id} has no way to the switch`);
    if (!('socket' in way)) continue;
    const queues = queuesOf(group);
    const chardev = freeId(command, 'chardev', `vhost-host-${id}`);
    for (const key of group.keys()) if (key !== 'type' && key !== 'id') group = group.remove(key);
    group = group.set('type', 'vhost-user').set('chardev', chardev);
    if (queues > 1) group = group.set('queues', queues);
    // With it the guest lives on when the switch is stopped, and comes back to its port afterwards.
    const again = reconnect === 0 ? {} : { reconnect: String(reconnect) };
    const socket = newItem('chardev', printKeys('socket', { id: chardev, path: way.socket, ...again }));
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
export function msixOff(command: Command, reason: Reason, netdevs: readonly Netdev[]): void {
  for (const { id } of netdevs) {
    for (const device of devicesOf(command, id)) {
      const group = groupOf(device);
      if (!/^virtio-net-pci/.test(group.get('driver') ?? '') || group.get('vectors') === '0') continue;
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
