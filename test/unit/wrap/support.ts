import { DEFAULTS } from '../../../src/wrap/config/keys.js';
import type { Config } from '../../../src/wrap/config/keys.js';
import type { HugepagePool } from '../../../src/host/kernel/hugepages.js';
import type { Facts } from '../../../src/wrap/memory/facts.js';
import type { Filesystem } from '../../../src/wrap/memory/mounts.js';
import { rewrite, survey } from '../../../src/wrap/rewrite.js';
import type { Rewritten, Source } from '../../../src/wrap/rewrite.js';
import type { Claim, Way } from '../../../src/wrap/endpoint.js';

const MIB = 2 ** 20;

/** What the paths in our test calls lie on. */
function filesystemOf(path: string): Filesystem {
  if (path === '/mnt/huge1G') return { kind: 'hugetlbfs', pageSize: 1024 * MIB };
  if (/^\/(dev\/hugepages|mnt\/huge)(\/|$)/.test(path)) return { kind: 'hugetlbfs', pageSize: 2 * MIB };
  if (path.startsWith('/dev/shm')) return { kind: 'memory' };
  return { kind: path === '/missing' ? 'missing' : 'other' };
}

/** A pool whose pages all lie on node 0, unless `nodes` says how many are free on each. */
export function poolOf(pageSize: number, free: number, nodes: readonly number[] = [free]): HugepagePool {
  const each = new Map(nodes.map((count, i) => [i, { free: count, total: count }]));
  return { pageSize, free, total: free, onDemand: 0, nodes: each };
}

/** A host with these pools, virtualisation, and what `filesystemOf` says about its directories. */
export function hostWith(
  pools: readonly HugepagePool[],
  paths: readonly string[],
  { kvm = true, reconnectMs = false } = {},
): Facts {
  const filesystems = new Map(paths.map((path) => [path, filesystemOf(path)]));
  return { pools, defaultPageSize: 2 * MIB, filesystems, kvm, reconnectMs };
}

export interface Situation {
  readonly pools?: readonly HugepagePool[];
  readonly kvm?: boolean;
  readonly reconnectMs?: boolean;
  readonly emulator?: string;
  readonly config?: Partial<Config>;
  /** Files of -readconfig: text by path. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Descriptors 50, 51, … are those of the device, where the configuration asks for it. */
function wayOf({ name, queues }: Claim, { transport }: Config): Way {
  if (transport !== 'cuse') return { socket: `/run/vhost-host/port-${name}.sock` };
  return { device: '/dev/usvhost-1', fds: Array.from({ length: queues }, (_, i) => 50 + i).join(':') };
}

/** Rewrites a call as qemu-wrap would, with `/run/vhost-host/port-NAME.sock` for every port. */
export function wrapIn(
  args: readonly string[],
  { pools = [], kvm, reconnectMs, emulator, config, files = {} }: Situation,
): Rewritten {
  const settings = { ...DEFAULTS, ...config };
  const source: Source = {
    args,
    files: new Map(Object.entries(files)),
    emulator: emulator ?? '/usr/bin/qemu-system-x86_64',
    processor: 'x64',
    config: settings,
  };
  const { claims, memoryPaths } = survey(source);
  const ways = new Map(claims.map((claim) => [claim.netdev, wayOf(claim, settings)]));
  const facts = hostWith(pools, memoryPaths, { kvm: kvm ?? true, reconnectMs: reconnectMs ?? false });
  return rewrite(source, { facts, ways });
}

/** On a host with that many free hugepages, of 2 MiB and of 1 GiB. */
export function wrap(
  args: readonly string[],
  free2M = 0,
  free1G = 0,
  config: Partial<Config> = {},
  files: Readonly<Record<string, string>> = {},
): Rewritten {
  return wrapIn(args, { pools: [poolOf(1024 * MIB, free1G), poolOf(2 * MIB, free2M)], config, files });
}

/** The same, from one line of words to one line of words. */
export function wrapLine(line: string, free2M = 0, free1G = 0, config: Partial<Config> = {}): string {
  return wrap(line.split(' '), free2M, free1G, config)
    .args.map((arg) => arg.text)
    .join(' ');
}
