import { VhostHostError } from '../errors.js';
import { groupOf } from './argv.js';
import type { Item } from './argv.js';
import type { Command } from './command.js';
import type { Config } from './config.js';
import type { Facts } from './facts.js';
import { asBoolean } from './group.js';
import type { Group } from './group.js';
import { MIB, parseSize, printSize } from './size.js';

/** What is asked of the hugepages of one size. */
interface Need {
  readonly pageSize: number;
  readonly bytes: number;
}

/** How the guest's memory is to be made; decided once, before anything is edited. */
export interface MemoryPlan {
  /** The guest's memory is set by `-m` (and perhaps `-mem-path`) alone, there is no object for it. */
  readonly legacy: boolean;
  readonly memPath: string | undefined;
  readonly size: number;
  /** Hugepages for memory that nobody gave a place; undefined for ordinary pages. */
  readonly pageSize: number | undefined;
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

function sizeOf(group: Group): number {
  return parseSize(group.get('size') ?? '0', 1);
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
  const bytes = sizeOf(group);
  if (asBoolean(group.get('hugetlb')) === true) {
    const pageSize = group.get('hugetlbsize');
    return { pageSize: pageSize === undefined ? facts.defaultPageSize : parseSize(pageSize, 1), bytes };
  }
  const filesystem = facts.filesystems.get(group.get('mem-path') ?? '');
  return filesystem?.kind === 'hugetlbfs' ? { pageSize: filesystem.pageSize, bytes } : undefined;
}

function pagesOf(needs: readonly Need[], pageSize: number): number {
  const ours = needs.filter((need) => need.pageSize === pageSize);
  return ours.reduce((pages, need) => pages + Math.ceil(need.bytes / pageSize), 0);
}

function demand(needs: readonly Need[], pageSize: number, facts: Facts): void {
  const needed = pagesOf(needs, pageSize);
  const pool = facts.pools.find((candidate) => candidate.pageSize === pageSize);
  const { free, total } = pool ?? { free: 0, total: 0 };
  if (needed <= free) return;
  const file = `/sys/kernel/mm/hugepages/hugepages-${pageSize / 1024}kB/nr_hugepages`;
  const size = printSize(pageSize);
  throw new VhostHostError('HUGEPAGES_TOO_FEW', `the guest needs ${needed} hugepages of ${size}, ${free} are free`, {
    hint: `echo ${total + needed - free} | sudo tee ${file}`,
    details: { needed, free, pageSize },
  });
}

/** Throws where the command asks for more hugepages than there are: QEMU's own message comes late and says less. */
export function checkHugepages(command: Command, facts: Facts): void {
  const needs = memoryObjects(command).flatMap((item) => needOf(groupOf(item), facts) ?? []);
  for (const pageSize of new Set(needs.map((need) => need.pageSize))) demand(needs, pageSize, facts);
}

/** The largest pages that the sizes are whole multiples of and that are there beside what is asked for already. */
function choosePages(sizes: readonly number[], asked: readonly Need[], facts: Facts, config: Config) {
  if (sizes.length === 0 || config.hugepages === 'off') return undefined;
  const needs = (pageSize: number): Need[] => [...asked, ...sizes.map((bytes) => ({ pageSize, bytes }))];
  const pool = facts.pools.find(
    ({ pageSize, free }) =>
      sizes.every((bytes) => bytes > 0 && bytes % pageSize === 0) && pagesOf(needs(pageSize), pageSize) <= free,
  );
  if (pool === undefined && config.hugepages === 'on') {
    demand(needs(facts.defaultPageSize), facts.defaultPageSize, facts);
    return facts.defaultPageSize;
  }
  return pool?.pageSize;
}

export function planMemory(command: Command, facts: Facts, config: Config): MemoryPlan {
  const backed = lastValue(command, 'machine', 'memory-backend') ?? lastValue(command, 'numa', 'memdev');
  const legacy = backed === undefined;
  const memPath = legacy ? memPathOf(command) : undefined;
  const size = guestSize(command);
  const objects = memoryObjects(command).map(groupOf);
  const movable = objects.filter(isMovable).map(sizeOf);
  const asked = objects.flatMap((group) => needOf(group, facts) ?? []);
  if (legacy && memPath === undefined) movable.push(size);
  return { legacy, memPath, size, pageSize: choosePages(movable, asked, facts, config) };
}
