import { groupOf } from './argv.js';
import type { Item } from './argv.js';
import type { Command } from './command.js';
import type { Config } from './config-keys.js';
import type { Facts } from './facts.js';
import { asBoolean } from './group.js';
import type { Group } from './group.js';
import { boundNodes, choosePlace, demand } from './hugepages.js';
import type { Memory, Need, Place } from './hugepages.js';
import { MIB } from '../sizes.js';
import { parseSize } from './size.js';

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

/** Memory of a machine that nobody told how much it has. */
const DEFAULT_SIZE = 128 * MIB;
/** Objects behind these devices are disks that look like memory: making them shared would write through to a file. */
const STORAGE = /^(nvdimm|virtio-pmem(-pci)?)$/;

/** The objects that guest memory comes from. */
export function memoryObjects(command: Command): Item[] {
  const devices = command.options('device').map(groupOf);
  const storage = new Set(devices.filter((d) => STORAGE.test(d.get('driver') ?? '')).map((d) => d.get('memdev')));
  return command.options('object').filter((item) => {
    const group = groupOf(item);
    return /^memory-backend-(ram|file|memfd)$/.test(group.get('qom-type') ?? '') && !storage.has(group.get('id'));
  });
}

/** Memory that QEMU takes from nowhere in particular, so that we may choose; `reserve=off` forbids hugepages. */
export function isMovable(group: Group): boolean {
  return group.get('qom-type') === 'memory-backend-ram' && asBoolean(group.get('reserve')) !== false;
}

function lastValue(command: Command, option: string, key: string): string | undefined {
  const values = command.options(option).map((item) => groupOf(item).get(key));
  return values.findLast((value) => value !== undefined && value !== '');
}

/** QEMU rounds what `-m` says, and then insists that an object for it has the very same size. */
const GRANULE = 8192;

/** A plain number is MiB here, unlike in an object. */
function guestSize(command: Command): number {
  const text = lastValue(command, 'm', 'size');
  return text === undefined ? DEFAULT_SIZE : Math.ceil(parseSize(text, MIB) / GRANULE) * GRANULE;
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

/** The hugepages that one object takes, if any. */
function needOf(group: Group, facts: Facts): Need | undefined {
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

export function planMemory(command: Command, facts: Facts, config: Config, shared: boolean): MemoryPlan {
  const backed = lastValue(command, 'machine', 'memory-backend') ?? lastValue(command, 'numa', 'memdev');
  const memPath = backed === undefined ? memPathOf(command) : undefined;
  const size = guestSize(command);
  const movable = memoryObjects(command).map(groupOf).filter(isMovable).map(memoryOf);
  if (backed === undefined && memPath === undefined) movable.push({ bytes: size, nodes: undefined });
  const place = choosePlace(movable, needsOf(command, facts), facts, config);
  const legacy = backed === undefined && (shared || (memPath === undefined && place !== undefined));
  return { shared, legacy, memPath, size, place };
}
