import { join } from 'node:path';
import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';

const POOLS = '/sys/kernel/mm/hugepages';

interface Pool {
  readonly sizeKb: number;
  readonly total: number;
  /** Free and not promised to anybody yet. */
  readonly usable: number;
  readonly control: string;
}

async function readNumber(host: Host, path: string): Promise<number> {
  const value = Number((await host.readOptional(path)) ?? '0');
  return Number.isSafeInteger(value) ? value : 0;
}

async function readPools(host: Host): Promise<readonly Pool[]> {
  const pools: Pool[] = [];
  for (const name of await host.list(POOLS)) {
    const sizeKb = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    if (sizeKb === undefined) continue;
    const dir = join(POOLS, name);
    const free = await readNumber(host, join(dir, 'free_hugepages'));
    const promised = await readNumber(host, join(dir, 'resv_hugepages'));
    const control = join(dir, 'nr_hugepages');
    const total = await readNumber(host, control);
    pools.push({ sizeKb: Number(sizeKb), total, usable: Math.max(0, free - promised), control });
  }
  return pools.sort((a, b) => a.sizeKb - b.sizeKb);
}

export interface HugepageChoice {
  readonly use: boolean;
  /** Why not, with the command that mends it; null where they are used. */
  readonly reason: string | null;
}

/** Whether the switch's own memory goes to hugepages; with `on`, too few of them are an error. */
export async function chooseHugepages(
  host: Host,
  mode: 'auto' | 'on' | 'off',
  memoryMb: number,
): Promise<HugepageChoice> {
  if (mode === 'off') return { use: false, reason: 'switched off by the settings' };
  const pools = await readPools(host);
  const needed = (pool: Pool): number => Math.ceil((memoryMb * 1024) / pool.sizeKb);
  if (pools.some((pool) => pool.usable >= needed(pool))) return { use: true, reason: null };
  const smallest = pools[0];
  const message =
    smallest === undefined
      ? 'this kernel has no hugepages'
      : `${memoryMb} MiB in hugepages need ${needed(smallest)} pages of ${smallest.sizeKb} kB, ${smallest.usable} are free`;
  const hint =
    smallest === undefined
      ? 'vhost-host start --hugepages off'
      : `echo ${smallest.total + needed(smallest) - smallest.usable} > ${smallest.control}`;
  if (mode === 'auto') return { use: false, reason: smallest === undefined ? message : `${message}: ${hint}` };
  throw new VhostHostError('HUGEPAGES_TOO_FEW', message, {
    hint,
    details: smallest === undefined ? {} : { needed: needed(smallest), free: smallest.usable, sizeKb: smallest.sizeKb },
  });
}
