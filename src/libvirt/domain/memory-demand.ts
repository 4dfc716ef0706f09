import type { Domain, HugepageSpec, MemoryPart } from './domain.js';
import { poolDirectory } from '../../host/kernel/hugepages.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { sizeText } from '../../common/bytes.js';

/** What keeps a guest from getting its hugepages, and the command that fixes it. */
export interface Shortage {
  readonly kind: 'size-unknown' | 'misfit' | 'too-few';
  readonly reason: string;
  readonly fix: string;
}

/** The page size that a part of the memory is to have; undefined for ordinary pages. */
function pageSizeFor(part: MemoryPart, specs: readonly HugepageSpec[], pools: Pools): number | undefined {
  const own = specs.find(({ cells }) => part.cell !== undefined && cells?.includes(part.cell) === true);
  const spec =
    own ?? specs.find(({ cells }) => cells === undefined) ?? (part.cell === undefined ? specs[0] : undefined);
  return spec === undefined ? undefined : (spec.pageSize ?? pools.defaultPageSize);
}

/** Parts that draw on the same pages: of one size, and bound to the same host nodes. */
function groupKey(pageSize: number, part: MemoryPart): string {
  return `${pageSize} ${part.hostNodes?.join(',') ?? ''}`;
}

function freeOn(pools: Pools, pageSize: number, hostNodes: readonly number[] | undefined): number {
  const pool = pools.pools.find((candidate) => candidate.pageSize === pageSize);
  if (pool === undefined) return 0;
  if (hostNodes === undefined) return pool.free;
  return hostNodes.reduce((free, node) => free + (pool.nodes.get(node)?.free ?? 0), 0);
}

function tooFew(parts: readonly MemoryPart[], pageSize: number, pools: Pools): Shortage[] {
  const needed = parts.reduce((pages, { bytes }) => pages + Math.ceil(bytes / pageSize), 0);
  const hostNodes = parts[0]?.hostNodes;
  const free = freeOn(pools, pageSize, hostNodes);
  const pool = pools.pools.find((candidate) => candidate.pageSize === pageSize);
  if (needed <= free + (pool?.onDemand ?? 0)) return [];
  const node = hostNodes?.[0];
  const total = (node === undefined ? pool?.total : pool?.nodes.get(node)?.total) ?? 0;
  const where = hostNodes === undefined ? '' : ` on host node ${hostNodes.join(',')}`;
  const who = parts.map(({ title }) => title).join(' and ');
  return [
    {
      kind: 'too-few',
      reason: `${who} ${parts.length > 1 ? 'need' : 'needs'} ${needed} hugepages of ${sizeText(pageSize)}${where}, ${free} are free`,
      fix: `echo ${total + needed - free} | sudo tee ${poolDirectory(pageSize, node)}/nr_hugepages`,
    },
  ];
}

/** How many hugepages of each size the domain takes when it starts. */
export function pagesOf(domain: Domain, pools: Pools): { readonly pageSize: number; readonly count: number }[] {
  const counts = new Map<number, number>();
  for (const part of domain.parts) {
    const pageSize = pageSizeFor(part, domain.backing.hugepages ?? [], pools);
    if (pageSize === undefined) continue;
    counts.set(pageSize, (counts.get(pageSize) ?? 0) + Math.ceil(part.bytes / pageSize));
  }
  return [...counts].map(([pageSize, count]) => ({ pageSize, count }));
}

/** Everything that stands between the domain and the hugepages of `specs`. */
export function shortagesOf(domain: Domain, specs: readonly HugepageSpec[], pools: Pools): Shortage[] {
  const groups = new Map<string, { pageSize: number; parts: MemoryPart[] }>();
  const shortages: Shortage[] = [];
  for (const part of domain.parts) {
    const pageSize = pageSizeFor(part, specs, pools);
    if (pageSize === undefined) continue;
    if (!pools.pools.some((pool) => pool.pageSize === pageSize)) {
      const known = pools.pools.map((pool) => sizeText(pool.pageSize)).join(', ') || 'none';
      const reason = `this kernel has no hugepages of ${sizeText(pageSize)} (it has ${known})`;
      shortages.push({ kind: 'size-unknown', reason, fix: 'vhost-host vm attach with --hugepages auto' });
      continue;
    }
    if (part.bytes % pageSize !== 0) {
      const reason = `${part.title} has ${sizeText(part.bytes)}, no whole number of hugepages of ${sizeText(pageSize)}`;
      shortages.push({ kind: 'misfit', reason, fix: `virsh edit ${domain.name}` });
      continue;
    }
    const key = groupKey(pageSize, part);
    const group = groups.get(key) ?? { pageSize, parts: [] };
    group.parts.push(part);
    groups.set(key, group);
  }
  return [...shortages, ...tooFewOf([...groups.values()], pools)];
}

/** Each group for itself; where every one has enough, all that share a size together. */
function tooFewOf(groups: readonly { pageSize: number; parts: MemoryPart[] }[], pools: Pools): Shortage[] {
  const alone = groups.flatMap(({ pageSize, parts }) => tooFew(parts, pageSize, pools));
  if (alone.length > 0) return alone;
  const together = new Map<number, MemoryPart[]>();
  for (const { pageSize, parts } of groups) together.set(pageSize, [...(together.get(pageSize) ?? []), ...parts]);
  return [...together].flatMap(([pageSize, parts]) => {
    const anywhere = parts.map((part) => ({ ...part, hostNodes: undefined }));
    return tooFew(anywhere, pageSize, pools);
  });
}

/** The largest pages that fit every part and are free; undefined where there are none. */
export function fittingPageSize(domain: Domain, pools: Pools): number | undefined {
  const fits = (pageSize: number): boolean =>
    domain.parts.every(({ bytes }) => bytes > 0) &&
    shortagesOf(domain, [{ pageSize, cells: undefined }], pools).length === 0;
  return pools.pools.find(({ pageSize }) => fits(pageSize))?.pageSize;
}
