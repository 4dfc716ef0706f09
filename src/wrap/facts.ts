import type { Host } from '../host.js';
import { MIB, parseSize } from './size.js';

/** Hugepages of one size that a guest can still get. */
export interface HugepagePool {
  readonly pageSize: number;
  /** Neither used nor promised to somebody. */
  readonly free: number;
  readonly total: number;
}

/** What a `mem-path` lies on. */
export type Filesystem =
  { readonly kind: 'hugetlbfs'; readonly pageSize: number } | { readonly kind: 'memory' | 'other' | 'missing' };

/** What the rewrite has to know about the host; the only thing it knows besides the command line. */
export interface Facts {
  /** Largest page size first. */
  readonly pools: readonly HugepagePool[];
  /** The size that a request without one gets. */
  readonly defaultPageSize: number;
  readonly filesystems: ReadonlyMap<string, Filesystem>;
}

const POOLS = '/sys/kernel/mm/hugepages';

async function readCount(host: Host, path: string): Promise<number> {
  const count = Number(((await host.readOptional(path)) ?? '0').trim());
  return Number.isInteger(count) ? count : 0;
}

async function readPools(host: Host): Promise<HugepagePool[]> {
  const pools: HugepagePool[] = [];
  for (const name of await host.list(POOLS)) {
    const size = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    if (size === undefined) continue;
    const free = await readCount(host, `${POOLS}/${name}/free_hugepages`);
    const promised = await readCount(host, `${POOLS}/${name}/resv_hugepages`);
    const total = await readCount(host, `${POOLS}/${name}/nr_hugepages`);
    pools.push({ pageSize: Number(size) * 1024, free: Math.max(0, free - promised), total });
  }
  return pools.sort((a, b) => b.pageSize - a.pageSize);
}

async function readDefaultPageSize(host: Host): Promise<number> {
  const kib = /^Hugepagesize:\s+(\d+) kB$/m.exec((await host.readOptional('/proc/meminfo')) ?? '')?.[1];
  return kib === undefined ? 2 * MIB : Number(kib) * 1024;
}

interface Mount {
  readonly path: string;
  readonly type: string;
  readonly options: string;
}

/** /proc/self/mounts writes blanks in paths as octal escapes. */
function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, path, type, options] = line.split(' ');
    if (path === undefined || type === undefined) return [];
    const plain = path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    return [{ path: plain, type, options: options ?? '' }];
  });
}

/** The mount that a path lies on: the longest one above it, of equals the one mounted last. */
function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const above = mounts.filter((m) => m.path === '/' || path === m.path || path.startsWith(`${m.path}/`));
  return above.reduce<Mount | undefined>((best, m) => (best && best.path.length > m.path.length ? best : m), undefined);
}

function classify(mount: Mount | undefined): Filesystem {
  if (mount?.type === 'hugetlbfs') {
    const size = /(?:^|,)pagesize=([^,]+)/.exec(mount.options)?.[1];
    return { kind: 'hugetlbfs', pageSize: parseSize(size ?? '2M', 1) };
  }
  return { kind: mount?.type === 'tmpfs' ? 'memory' : 'other' };
}

/** Reads what `rewrite` needs: the hugepages that are free, and what the named memory paths lie on. */
export async function readFacts(host: Host, memoryPaths: readonly string[]): Promise<Facts> {
  const filesystems = new Map<string, Filesystem>();
  const mounts = memoryPaths.length === 0 ? [] : parseMounts(await host.read('/proc/self/mounts'));
  for (const path of memoryPaths) {
    const real = await host.realpath(path);
    const filesystem = classify(mountOf(real ?? path, mounts));
    // Below a hugetlbfs mount QEMU makes the file itself; anywhere else a missing path is a mistake.
    filesystems.set(path, real === undefined && filesystem.kind !== 'hugetlbfs' ? { kind: 'missing' } : filesystem);
  }
  return { pools: await readPools(host), defaultPageSize: await readDefaultPageSize(host), filesystems };
}
