import { VhostHostError } from '../../common/errors.js';
import { groupOf } from '../cmdline/argv.js';
import type { Item } from '../cmdline/argv.js';
import type { Command } from '../cmdline/command.js';
import type { Config } from '../config/keys.js';
import { isSparse, isStorage } from '../drivers.js';
import type { Facts } from './facts.js';
import { asBoolean } from '../cmdline/option-group.js';
import type { Group } from '../cmdline/option-group.js';
import { boundNodes, choosePlace, demand } from './hugepages.js';
import type { Memory, Need, Place } from './hugepages.js';
import { defaultMemory } from '../machine.js';
import type { Machine } from '../machine.js';
import { KIB, MIB } from '../../common/bytes.js';
import { parseSize } from '../cmdline/qemu-size.js';

/** How the guest's memory is to be made; decided once, before anything is edited. */
export interface MemoryPlan {
  /** The switch must reach the memory; otherwise it is only moved to hugepages. */
  readonly shared: boolean;
  /** The guest's memory is set by `-m` (and perhaps `-mem-path`) alone, and gets an object now. */
  readonly legacy: boolean;
  readonly memPath: string | undefined;
  readonly size: number;
  /** Hugepages for memory that nobody gave a place; undefined for ordinary pages. */
  readonly place: Place | undefined;
}

/** Properties of a device that name an object for its memory. */
const MEMDEVS = ['memdev', 'persistent-memdev', 'lsa'];

/** Ids of the objects behind devices of one kind. */
function objectsOf(command: Command, isKind: (driver: string) => boolean): ReadonlySet<string | undefined> {
  const devices = command.options('device').map(groupOf);
  const ours = devices.filter((device) => isKind(device.get('driver') ?? ''));
  return new Set(ours.flatMap((device) => MEMDEVS.map((key) => device.get(key)).filter((id) => id !== undefined)));
}

/** The objects that guest memory comes from. */
export function memoryObjects(command: Command): Item[] {
  const storage = objectsOf(command, isStorage);
  return command.options('object').filter((item) => {
    const group = groupOf(item);
    return /^memory-backend-(ram|file|memfd)$/.test(group.get('qom-type') ?? '') && !storage.has(group.get('id'));
  });
}

/**
 * Memory that QEMU takes from nowhere in particular, so that we may choose. `reserve=off` forbids hugepages, and
 * virtio-mem has an object for all that the guest may ever get: hugepages would be there for all of it from the start.
 */
export function isMovable(command: Command, group: Group): boolean {
  if (group.get('qom-type') !== 'memory-backend-ram' || asBoolean(group.get('reserve')) === false) return false;
  return !objectsOf(command, isSparse).has(group.get('id'));
}

function lastValue(command: Command, option: string, key: string): string | undefined {
  const values = command.options(option).map((item) => groupOf(item).get(key));
  return values.findLast((value) => value !== undefined && value !== '');
}

/** QEMU rounds what `-m` says, and then insists that an object for it has the very same size. */
const GRANULE = 8192;

const rounded = (bytes: number): number => Math.ceil(bytes / GRANULE) * GRANULE;

/**
 * Bytes of the machine's memory, from where QEMU takes them: `-m`, the machine's own property (where a plain number is
 * bytes and not MiB), what that machine type has by itself. Undefined where that is not known.
 */
function guestSize(command: Command, machine: Machine): number | undefined {
  const said = lastValue(command, 'm', 'size');
  if (said !== undefined) return rounded(parseSize(said, MIB));
  const property = lastValue(command, 'machine', 'memory.size');
  return property === undefined ? defaultMemory(machine) : rounded(parseSize(property, 1));
}

function unknownSize({ type }: Machine): VhostHostError {
  const what = `how much memory a machine of type ${type ?? 'unknown'} has by itself is not known to qemu-wrap`;
  return new VhostHostError('ARGV_INVALID', `the call does not say the guest's memory, and ${what}`, {
    hint: 'say it: -m 1G',
  });
}

function memoryOf(group: Group): Memory {
  return { bytes: parseSize(group.get('size') ?? '0', 1), nodes: boundNodes(group) };
}

export function memPathOf(command: Command): string | undefined {
  return command.options('mem-path').at(-1)?.args[1]?.text;
}

/** Paths whose file system decides what the memory there is. */
export function memoryPaths(command: Command): string[] {
  const paths = [memPathOf(command), ...memoryObjects(command).map((item) => groupOf(item).get('mem-path'))];
  return [...new Set(paths.filter((path) => path !== undefined))];
}

/** The hugepages that one object takes at the start, if any. */
function needOf(group: Group, facts: Facts): Need | undefined {
  if (asBoolean(group.get('reserve')) === false) return undefined;
  if (asBoolean(group.get('hugetlb')) === true) {
    const text = group.get('hugetlbsize');
    return { ...memoryOf(group), pageSize: text === undefined ? facts.defaultPageSize : parseSize(text, 1) };
  }
  const filesystem = facts.filesystems.get(group.get('mem-path') ?? '');
  return filesystem?.kind === 'hugetlbfs' ? { ...memoryOf(group), pageSize: filesystem.pageSize } : undefined;
}

function needsOf(command: Command, facts: Facts): Need[] {
  return memoryObjects(command).flatMap((item) => needOf(groupOf(item), facts) ?? []);
}

/** Throws where the command asks for more hugepages than there are. */
export function checkHugepages(command: Command, facts: Facts): void {
  demand(needsOf(command, facts), facts);
}

/**
 * KiB of hugepages that the guest uses at most while one of its objects has none yet: QEMU makes one after the other, and
 * the kernel sets aside what an object needs before it gives the first page of it. Undefined where none takes any.
 */
export function hugepagesBeforeLast(command: Command, facts: Facts): number | undefined {
  const sizes = needsOf(command, facts).map(({ bytes, pageSize }) => Math.ceil(bytes / pageSize) * pageSize);
  if (sizes.length === 0) return undefined;
  return (sizes.reduce((sum, size) => sum + size, 0) - Math.min(...sizes)) / KIB;
}

/** What the rewrite wants with the memory. */
interface Purpose {
  readonly shared: boolean;
  readonly machine: Machine;
}

/** Throws where the guest's memory needs an object and its size is not known. */
export function planMemory(command: Command, facts: Facts, config: Config, purpose: Purpose): MemoryPlan {
  const { shared, machine } = purpose;
  const backed = lastValue(command, 'machine', 'memory-backend') ?? lastValue(command, 'numa', 'memdev');
  const memPath = backed === undefined ? memPathOf(command) : undefined;
  const size = backed === undefined ? guestSize(command, machine) : 0;
  if (size === undefined && shared) throw unknownSize(machine);
  const groups = memoryObjects(command).map(groupOf);
  const movable = groups.filter((group) => isMovable(command, group)).map(memoryOf);
  const isOpen = backed === undefined && memPath === undefined && size !== undefined;
  if (isOpen) movable.push({ bytes: size, nodes: undefined });
  const place = choosePlace(movable, needsOf(command, facts), facts, config);
  const legacy = backed === undefined && (shared || (isOpen && place !== undefined));
  return { shared, legacy, memPath, size: size ?? 0, place };
}
