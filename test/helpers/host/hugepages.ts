import { readFile, readdir, writeFile } from 'node:fs/promises';
import type { Scope } from '../scope.js';

const pool = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const pageMb = 2;
/** Memory that must stay free for everybody else. */
const floorMb = 2048;

async function numberAt(name: string): Promise<number> {
  return Number(await readFile(`${pool}/${name}`, 'utf8'));
}

async function setSize(pages: number): Promise<void> {
  await writeFile(`${pool}/nr_hugepages`, String(pages));
}

async function freeMemoryMb(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  return Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
}

/** 2M pages that nobody has and that are promised to nobody, in MiB: a machine may have some reserved beforehand. */
export async function freeHugepagesMb(): Promise<number> {
  return ((await numberAt('free_hugepages')) - (await numberAt('resv_hugepages'))) * pageMb;
}

/**
 * Sees to `wantedMb` of free 2M pages until the scope closes. Gives undefined when they are there, else why not: the
 * measurement then runs on ordinary pages, and says so.
 */
export async function reserveHugepages(scope: Scope, wantedMb: number): Promise<string | undefined> {
  try {
    const missing = (wantedMb - (await freeHugepagesMb())) / pageMb;
    if (missing <= 0) return undefined;
    if ((await freeMemoryMb()) - missing * pageMb < floorMb) return `less than ${floorMb} MiB would stay free`;
    const before = await numberAt('nr_hugepages');
    let added = 0;
    // Back by as many as were added and not to what was before: somebody else may have changed the pool meanwhile.
    const restore = async (): Promise<void> => setSize(Math.max(0, (await numberAt('nr_hugepages')) - added));
    const forget = scope.defer('the reserved hugepages', restore);
    added = missing;
    await setSize(before + missing);
    added = (await numberAt('nr_hugepages')) - before;
    if (added >= missing) return undefined;
    await restore();
    forget();
    return `the kernel found only ${added} of ${missing} pages of ${pageMb} MiB`;
  } catch (error) {
    return String(error);
  }
}

const POOLS = '/sys/kernel/mm/hugepages';

/**
 * For tests of what changes pools: whatever becomes of them, every pool is as it is now when the scope closes. The
 * returned function is for the end of a test that went well: it leaves pools alone that are so already.
 */
export async function guardPools(scope: Scope): Promise<() => Promise<void>> {
  const size = async (path: string): Promise<string> => (await readFile(path, 'utf8')).trim();
  const guards: (() => Promise<void>)[] = [];
  for (const path of (await readdir(POOLS)).map((name) => `${POOLS}/${name}/nr_hugepages`)) {
    const before = await size(path);
    const forget = scope.defer(path, () => writeFile(path, before));
    guards.push(async () => {
      if ((await size(path)) === before) forget();
    });
  }
  return async () => {
    for (const check of guards) await check();
  };
}
