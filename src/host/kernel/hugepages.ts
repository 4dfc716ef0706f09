import type { Host } from '../host.js';

import { KIB, MIB } from '../../common/bytes.js';

/** All that the kernel tells of hugepages, read in one place for guests and for the switch itself. */

export interface PageCount {
  /** Neither used nor promised to somebody. */
  readonly free: number;
  readonly total: number;
}

/** Hugepages of one size, on the host as a whole and on each of its NUMA nodes. */
export interface HugepagePool extends PageCount {
  /** Bytes. */
  readonly pageSize: number;
  /** More that the kernel still makes when they are asked for, if it finds the memory. */
  readonly onDemand: number;
  readonly nodes: ReadonlyMap<number, PageCount>;
}

export interface Pools {
  /** Largest pages first. */
  readonly pools: readonly HugepagePool[];
  /** The size that a request without one gets. */
  readonly defaultPageSize: number;
}

export type PoolsHost = Pick<Host, 'readOptional' | 'list'>;

export const POOLS = '/sys/kernel/mm/hugepages';
const NODES = '/sys/devices/system/node';

async function count(host: PoolsHost, path: string): Promise<number> {
  const value = Number(((await host.readOptional(path)) ?? '0').trim());
  return Number.isSafeInteger(value) ? value : 0;
}

export function poolDirectory(pageSize: number, node?: number): string {
  const base = node === undefined ? POOLS : `${NODES}/node${node}/hugepages`;
  return `${base}/hugepages-${pageSize / KIB}kB`;
}

async function nodesOf(host: PoolsHost, pageSize: number, nodes: readonly number[]): Promise<HugepagePool['nodes']> {
  const found = new Map<number, PageCount>();
  for (const node of nodes) {
    const dir = poolDirectory(pageSize, node);
    found.set(node, {
      free: await count(host, `${dir}/free_hugepages`),
      total: await count(host, `${dir}/nr_hugepages`),
    });
  }
  return found;
}

export async function readPools(host: PoolsHost): Promise<Pools> {
  const nodes = (await host.list(NODES)).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const sizes = (await host.list(POOLS)).flatMap((name) => /^hugepages-(\d+)kB$/.exec(name)?.[1] ?? []).map(Number);
  const pools: HugepagePool[] = [];
  for (const pageSize of sizes.sort((a, b) => b - a).map((kib) => kib * KIB)) {
    const dir = poolDirectory(pageSize);
    const promised = await count(host, `${dir}/resv_hugepages`);
    const free = Math.max(0, (await count(host, `${dir}/free_hugepages`)) - promised);
    const total = await count(host, `${dir}/nr_hugepages`);
    const made = await count(host, `${dir}/surplus_hugepages`);
    const onDemand = Math.max(0, (await count(host, `${dir}/nr_overcommit_hugepages`)) - made);
    pools.push({ pageSize, free, total, onDemand, nodes: await nodesOf(host, pageSize, nodes) });
  }
  const said = /^Hugepagesize:\s+(\d+) kB$/m.exec((await host.readOptional('/proc/meminfo')) ?? '')?.[1];
  return { pools, defaultPageSize: said === undefined ? 2 * MIB : Number(said) * KIB };
}
