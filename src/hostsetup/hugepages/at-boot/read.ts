import type { Pools } from '../../../host/kernel/hugepages.js';
import { poolDirectory } from '../../../host/kernel/hugepages.js';
import { GIB, MIB } from '../../../common/bytes.js';
import { readConfFiles } from '../../system/conf-files.js';
import type { ConfFile } from '../../system/conf-files.js';
import type { Look } from '../../../host/tolerant-reader.js';
import { defaultPageSize, kernelWrites } from './kernel.js';
import { sysctlWrites } from './sysctl.js';
import type { SysctlPages } from './sysctl.js';
import { tmpfilesWrites } from './tmpfiles.js';
import { resultAtStart } from './writes.js';
import type { AtStart, PoolFile, StartWrite } from './writes.js';

/** How many hugepages there are after the next start, and who says so: first the kernel, then sysctl.d, then tmpfiles.d. */

export interface NextStart {
  /** The kernel's command line; empty where it cannot be told. */
  readonly line: string;
  /** The size that `hugepages=` means on a line that names none, as `2M`. */
  readonly implicit: string;
  readonly systemd: boolean;
  readonly pools: Pools;
  /** NUMA nodes, over which the kernel spreads what nobody asks of one of them. */
  readonly nodeCount: number;
}

const SYSCTL_CONF = '/etc/sysctl.conf';

async function sysctlFiles(look: Look, systemd: boolean): Promise<ConfFile[]> {
  const files = await readConfFiles(look, 'sysctl.d');
  // procps' and busybox's sysctl read it last; systemd only where a link in sysctl.d leads to it (Debian up to 12).
  return systemd ? files : [...files, { path: SYSCTL_CONF, text: await look.text(SYSCTL_CONF) }];
}

/** Lines of sysctl for the pool of the default size, that which wins last. */
export async function readSysctl(look: Look, systemd: boolean): Promise<SysctlPages[]> {
  return sysctlWrites(await sysctlFiles(look, systemd));
}

/** A line in /etc/sysctl.conf that means something to nobody. */
export async function unreadSysctl(look: Look, systemd: boolean): Promise<SysctlPages | undefined> {
  if (!systemd) return undefined;
  const own = sysctlWrites([{ path: SYSCTL_CONF, text: await look.text(SYSCTL_CONF) }]).at(-1);
  if (own === undefined) return undefined;
  for (const { path } of await readConfFiles(look, 'sysctl.d')) {
    if ((await look.realpath(path)) === SYSCTL_CONF) return undefined;
  }
  return own;
}

function knownFiles({ pools }: Pools): (PoolFile & { path: string })[] {
  const sizes = new Set([...pools.map(({ pageSize }) => pageSize), 2 * MIB, GIB]);
  return [...sizes].flatMap((pageSize) => {
    const known = pools.find((pool) => pool.pageSize === pageSize);
    const nodes = [undefined, ...(known?.nodes.keys() ?? [])];
    return nodes.map((node) => ({ pageSize, node, path: `${poolDirectory(pageSize, node)}/nr_hugepages` }));
  });
}

/** All writes of the next start, in their order. */
async function readWrites(
  look: Look,
  { line, implicit, systemd, pools }: NextStart,
  planned: ReadonlyMap<string, string>,
): Promise<StartWrite[]> {
  const pageSize = defaultPageSize(line, implicit);
  const sysctl = await readSysctl(look, systemd);
  const before = [
    ...kernelWrites(line, implicit),
    ...sysctl.map(({ pages, by }): StartWrite => ({ pageSize, node: undefined, pages, by })),
  ];
  if (!systemd) return before;
  const files = await readConfFiles(look, 'tmpfiles.d', planned);
  return [...before, ...tmpfilesWrites(files, { defaultSize: pageSize, pools: knownFiles(pools) })];
}

/** What there is going to be of a pool. `planned`: texts of files that are yet to be written, by path. */
export async function readAtStart(
  look: Look,
  start: NextStart,
  planned: ReadonlyMap<string, string> = new Map(),
): Promise<(pool: PoolFile) => AtStart> {
  const writes = await readWrites(look, start, planned);
  return (pool) => resultAtStart(writes, pool, start.nodeCount);
}

export interface PagesAtStart {
  /** Bytes. */
  readonly pageSize: number;
  readonly pages: number;
  readonly by: string;
}

/** All that somebody reserves, on all nodes together. */
export async function readAllAtStart(look: Look, start: NextStart): Promise<PagesAtStart[]> {
  const writes = await readWrites(look, start, new Map());
  const sizes = [...new Set(writes.map(({ pageSize }) => pageSize))];
  return sizes.flatMap((pageSize) => {
    const { pages, by } = resultAtStart(writes, { pageSize, node: undefined }, start.nodeCount);
    return pages > 0 && by !== undefined ? [{ pageSize, pages, by }] : [];
  });
}

/** Files that ask for pages of the default size, without naming it. */
export async function readDefaultSizeUsers(look: Look, { systemd, pools }: NextStart): Promise<string[]> {
  const sysctl = (await readSysctl(look, systemd)).filter(({ pages }) => pages > 0);
  const files = systemd ? await readConfFiles(look, 'tmpfiles.d') : [];
  // No pool has pages of that size, so what is found are the files of /proc/sys/vm.
  const sizeless = -1;
  const writes = tmpfilesWrites(files, { defaultSize: sizeless, pools: knownFiles(pools) });
  return [...sysctl, ...writes.filter(({ pageSize, pages }) => pageSize === sizeless && pages > 0)].map(({ by }) => by);
}
