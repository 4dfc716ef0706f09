import { readFile, writeFile } from 'node:fs/promises';
import type { Scope } from '../helpers/scope.js';

const pool = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const pageMb = 2;
/** Memory that must stay free for everybody else. */
const floorMb = 2048;

async function numberAt(path: string): Promise<number> {
  return Number(await readFile(path, 'utf8'));
}

async function freeMemoryMb(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  return Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
}

/**
 * Sees to `wantedMb` of free 2M pages until the scope closes. Gives undefined when they are there, else why not: the
 * measurement then runs on ordinary pages, and says so.
 */
export async function reserveHugepages(scope: Scope, wantedMb: number): Promise<string | undefined> {
  try {
    const missing = wantedMb / pageMb - (await numberAt(`${pool}/free_hugepages`));
    if (missing <= 0) return undefined;
    if ((await freeMemoryMb()) - missing * pageMb < floorMb) return `less than ${floorMb} MiB would stay free`;
    const before = await numberAt(`${pool}/nr_hugepages`);
    scope.defer('the reserved hugepages', () => writeFile(`${pool}/nr_hugepages`, String(before)));
    await writeFile(`${pool}/nr_hugepages`, String(before + missing));
    const free = await numberAt(`${pool}/free_hugepages`);
    if (free * pageMb >= wantedMb) return undefined;
    return `the kernel found only ${free * pageMb} of ${wantedMb} MiB in one piece`;
  } catch (error) {
    return String(error);
  }
}
