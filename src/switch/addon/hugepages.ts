import { VhostHostError } from '../../common/errors.js';
import { poolDirectory, readPools } from '../../host/kernel/hugepages.js';
import type { HugepagePool } from '../../host/kernel/hugepages.js';
import { KIB, MIB } from '../../common/bytes.js';
import type { Host } from '../../host/host.js';

export interface HugepageChoice {
  readonly use: boolean;
  /** Why not, with the command that fixes it; null where they are used. */
  readonly reason: string | null;
}

/** Whether the switch's own memory goes to hugepages; with `on`, too few of them are an error. */
export async function chooseHugepages(
  host: Host,
  mode: 'auto' | 'on' | 'off',
  memoryMb: number,
): Promise<HugepageChoice> {
  if (mode === 'off') return { use: false, reason: 'switched off by the settings' };
  const { pools } = await readPools(host);
  const needed = (pool: HugepagePool): number => Math.ceil((memoryMb * MIB) / pool.pageSize);
  if (pools.some((pool) => pool.free >= needed(pool))) return { use: true, reason: null };
  const smallest = pools.at(-1);
  const message =
    smallest === undefined
      ? 'this kernel has no hugepages'
      : `${memoryMb} MiB in hugepages need ${needed(smallest)} pages of ${smallest.pageSize / KIB} kB, ${smallest.free} are free`;
  const hint =
    smallest === undefined
      ? 'vhost-host start --hugepages off'
      : `echo ${smallest.total + needed(smallest) - smallest.free} > ${poolDirectory(smallest.pageSize)}/nr_hugepages`;
  if (mode === 'auto') return { use: false, reason: smallest === undefined ? message : `${message}: ${hint}` };
  throw new VhostHostError('HUGEPAGES_TOO_FEW', message, {
    hint,
    details:
      smallest === undefined ? {} : { needed: needed(smallest), free: smallest.free, sizeKb: smallest.pageSize / KIB },
  });
}
