import { readPools } from '../../host/kernel/hugepages.js';
import type { Pools, PoolsHost } from '../../host/kernel/hugepages.js';
import { mountOf, parseMounts } from '../../host/kernel/mount-table.js';
import { takesReconnectMs } from '../emulator.js';
import type { EmulatorHost } from '../emulator.js';
import { filesystemOf } from './mounts.js';
import type { Filesystem } from './mounts.js';
import type { Host } from '../../host/host.js';

/** What the rewrite has to know about the host; the only thing it knows besides the command line. */
export interface Facts extends Pools {
  readonly filesystems: ReadonlyMap<string, Filesystem>;
  /** The processor's virtualisation is there for guests, so that `kvm` in a list of accelerators is taken. */
  readonly kvm: boolean;
  /** The emulator takes milliseconds for the time after which it looks for the switch again. */
  readonly reconnectMs: boolean;
}

export type FactsHost = PoolsHost & EmulatorHost & Pick<Host, 'realpath' | 'stat'>;

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

/**
 * Reads what `rewrite` needs: the hugepages that are free, what the named memory paths lie on, and what the emulator of
 * a guest that is connected to the switch can do; undefined for another guest.
 */
export async function readFacts(
  host: FactsHost,
  memoryPaths: readonly string[],
  emulator: string | undefined,
): Promise<Facts> {
  return {
    ...(await readPools(host)),
    filesystems: await readFilesystems(host, memoryPaths),
    kvm: (await host.stat('/dev/kvm'))?.kind === 'character',
    reconnectMs: emulator !== undefined && (await takesReconnectMs(host, emulator)),
  };
}
