import type { Host } from '../host.js';
import { filesystemOf, mountOf, parseMounts } from './mounts.js';
import type { Filesystem } from './mounts.js';
import { MIB } from './size.js';

export interface PageCount {
  /** Neither used nor promised to somebody. */
  readonly free: number;
  readonly total: number;
}

/** Hugepages of one size: of the whole host, and of each NUMA node. */
export interface HugepagePool extends PageCount {
  readonly pageSize: number;
  readonly nodes: ReadonlyMap<number, PageCount>;
}

/** What the rewrite has to know about the host; the only thing it knows besides the command line. */
export interface Facts {
  /** Largest page size first. */
  readonly pools: readonly HugepagePool[];
  /** The size that a request without one gets. */
  readonly defaultPageSize: number;
  readonly filesystems: ReadonlyMap<string, Filesystem>;
  /** The processor's virtualisation is there for guests, so that `kvm` in a list of accelerators is taken. */
  readonly kvm: boolean;
}

export type FactsHost = Pick<Host, 'readOptional' | 'list' | 'realpath' | 'stat'>;

const POOLS = '/sys/kernel/mm/hugepages';
const NODES = '/sys/devices/system/node';

async function readCount(host: FactsHost, path: string): Promise<number> {
  const count = Number(((await host.readOptional(path)) ?? '0').trim());
  return Number.isInteger(count) ? count : 0;
}

async function readPageCount(host: FactsHost, dir: string): Promise<PageCount> {
  const [free, promised, total] = await Promise.all([
    readCount(host, `${dir}/free_hugepages`),
    // Not told by node; the whole host's count is checked as well.
    readCount(host, `${dir}/resv_hugepages`),
    readCount(host, `${dir}/nr_hugepages`),
  ]);
  return { free: Math.max(0, free - promised), total };
}

async function readPools(host: FactsHost): Promise<HugepagePool[]> {
  const nodes = (await host.list(NODES)).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const pools: HugepagePool[] = [];
  for (const name of await host.list(POOLS)) {
    const size = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    if (size === undefined) continue;
    const counts = await readPageCount(host, `${POOLS}/${name}`);
    const byNode = nodes.map(
      async (node) => [node, await readPageCount(host, `${NODES}/node${node}/hugepages/${name}`)] as const,
    );
    pools.push({ pageSize: Number(size) * 1024, ...counts, nodes: new Map(await Promise.all(byNode)) });
  }
  return pools.sort((a, b) => b.pageSize - a.pageSize);
}

async function readDefaultPageSize(host: FactsHost): Promise<number> {
  const kib = /^Hugepagesize:\s+(\d+) kB$/m.exec((await host.readOptional('/proc/meminfo')) ?? '')?.[1];
  return kib === undefined ? 2 * MIB : Number(kib) * 1024;
}

async function readFilesystems(host: FactsHost, paths: readonly string[]): Promise<Map<string, Filesystem>> {
  const filesystems = new Map<string, Filesystem>();
  const mounts = paths.length === 0 ? [] : parseMounts((await host.readOptional('/proc/self/mounts')) ?? '');
  for (const path of paths) {
    const real = await host.realpath(path);
    const filesystem = filesystemOf(mountOf(real ?? path, mounts));
    // Below a hugetlbfs mount QEMU makes the file itself; anywhere else a missing path is a mistake.
    filesystems.set(path, real === undefined && filesystem.kind !== 'hugetlbfs' ? { kind: 'missing' } : filesystem);
  }
  return filesystems;
}

/** Reads what `rewrite` needs: the hugepages that are free, and what the named memory paths lie on. */
export async function readFacts(host: FactsHost, memoryPaths: readonly string[]): Promise<Facts> {
  return {
    pools: await readPools(host),
    defaultPageSize: await readDefaultPageSize(host),
    filesystems: await readFilesystems(host, memoryPaths),
    kvm: (await host.stat('/dev/kvm'))?.kind === 'character',
  };
}
