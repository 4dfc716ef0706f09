import { VhostHostError } from '../../common/errors.js';
import type { Config } from '../config/keys.js';
import type { HugepagePool, PageCount } from '../../host/kernel/hugepages.js';
import type { Facts } from './facts.js';
import type { Group } from '../cmdline/option-group.js';
import { printSize } from '../cmdline/qemu-size.js';

/** Memory that is to be made. */
export interface Memory {
  readonly bytes: number;
  /** The NUMA nodes it must come from; undefined: any. */
  readonly nodes: readonly number[] | undefined;
}

/** What is asked of the hugepages of one size. */
export interface Need extends Memory {
  readonly pageSize: number;
}

/** Where hugepages come from: a hugetlbfs, or (no directory) straight from the kernel. */
export interface Place {
  readonly pageSize: number;
  readonly dir: string | undefined;
}

/** A list of node numbers and ranges, `0-1`. Only `policy=bind` makes it more than a preference. */
export function boundNodes(group: Group): readonly number[] | undefined {
  if (group.get('policy') !== 'bind') return undefined;
  const nodes = group.getAll('host-nodes').flatMap((text) => {
    const [first = NaN, last = first] = text.split('-').map(Number);
    const count = last - first + 1;
    return count >= 1 && count <= 1024 ? Array.from({ length: count }, (_, i) => first + i) : [];
  });
  return nodes.length === 0 ? undefined : [...new Set(nodes)].sort((a, b) => a - b);
}

interface Shortage {
  readonly needed: number;
  readonly free: number;
  readonly nodes: readonly number[] | undefined;
}

function freeOn(pool: HugepagePool | undefined, nodes: readonly number[] | undefined): number {
  if (nodes === undefined) return pool?.free ?? 0;
  return nodes.reduce((sum, node) => sum + (pool?.nodes.get(node)?.free ?? 0), 0);
}

/** The first set of nodes that has too few pages for what must come from within it, then the host as a whole. */
function shortageOf(needs: readonly Need[], pageSize: number, facts: Facts): Shortage | undefined {
  const ours = needs.filter((need) => need.pageSize === pageSize);
  const pool = facts.pools.find((candidate) => candidate.pageSize === pageSize);
  const sets = new Map(ours.flatMap(({ nodes }) => (nodes === undefined ? [] : [[nodes.join(), nodes] as const])));
  for (const nodes of [...sets.values(), undefined]) {
    const within = ours.filter(
      (need) => nodes === undefined || need.nodes?.every((node) => nodes.includes(node)) === true,
    );
    const needed = within.reduce((pages, { bytes }) => pages + Math.ceil(bytes / pageSize), 0);
    const free = freeOn(pool, nodes);
    if (needed > free) return { needed, free, nodes };
  }
  return undefined;
}

/** The command that makes as many pages as are missing. */
function fixing({ needed, free, nodes }: Shortage, pageSize: number, facts: Facts): string {
  const pool = facts.pools.find((candidate) => candidate.pageSize === pageSize);
  const node = nodes?.find((candidate) => pool?.nodes.has(candidate));
  const count: PageCount | undefined = node === undefined ? pool : pool?.nodes.get(node);
  const dir = node === undefined ? '/sys/kernel/mm' : `/sys/devices/system/node/node${node}`;
  const file = `${dir}/hugepages/hugepages-${pageSize / 1024}kB/nr_hugepages`;
  return `echo ${(count?.total ?? 0) + needed - free} | sudo tee ${file}`;
}

/** Throws where there are fewer pages than needed: QEMU's own message comes late and says less. */
export function demand(needs: readonly Need[], facts: Facts): void {
  for (const pageSize of new Set(needs.map((need) => need.pageSize))) {
    const shortage = shortageOf(needs, pageSize, facts);
    if (shortage === undefined) continue;
    const { needed, free, nodes } = shortage;
    const where = nodes === undefined ? '' : ` on NUMA node ${nodes.join(' and ')}`;
    const message = `the guest needs ${needed} hugepages of ${printSize(pageSize)}${where}, ${free} are free`;
    throw new VhostHostError('HUGEPAGES_TOO_FEW', message, {
      hint: fixing(shortage, pageSize, facts),
      details: { needed, free, pageSize, ...(nodes === undefined ? {} : { nodes }) },
    });
  }
}

export function directoriesOf({ hugetlbfsDir }: Config): readonly string[] {
  return typeof hugetlbfsDir === 'string' ? [hugetlbfsDir] : hugetlbfsDir;
}

function placeIn(dir: string, facts: Facts): Place {
  const filesystem = facts.filesystems.get(dir);
  if (filesystem?.kind === 'hugetlbfs') return { pageSize: filesystem.pageSize, dir };
  throw new VhostHostError('MEMORY_UNUSABLE', `"hugetlbfsDir" ${dir} is not on a hugetlbfs`, {
    hint: `mkdir -p ${dir} && mount -t hugetlbfs nodev ${dir}, or leave "hugetlbfsDir" out`,
    details: { path: dir },
  });
}

/**
 * The largest pages that all of the memory is whole multiples of and that are free beside what is asked for
 * already. Naming a directory is asking for hugepages: then, as with "on", too few of them are an error.
 */
export function choosePlace(
  memory: readonly Memory[],
  asked: readonly Need[],
  facts: Facts,
  config: Config,
): Place | undefined {
  if (memory.length === 0 || config.hugepages === 'off') return undefined;
  const places = directoriesOf(config).map((dir) => placeIn(dir, facts));
  places.sort((a, b) => b.pageSize - a.pageSize);
  const insist = places.length > 0 || config.hugepages === 'on';
  const candidates = places.length > 0 ? places : facts.pools.map(({ pageSize }) => ({ pageSize, dir: undefined }));
  const needs = (pageSize: number): Need[] => [...asked, ...memory.map((part) => ({ pageSize, ...part }))];
  const found = candidates.find(
    ({ pageSize }) =>
      memory.every(({ bytes }) => bytes > 0 && bytes % pageSize === 0) &&
      shortageOf(needs(pageSize), pageSize, facts) === undefined,
  );
  if (found !== undefined || !insist) return found;
  const last = places.at(-1) ?? { pageSize: facts.defaultPageSize, dir: undefined };
  demand(needs(last.pageSize), facts);
  return last;
}
