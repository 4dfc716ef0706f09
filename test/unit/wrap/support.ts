import { DEFAULTS } from '../../../src/wrap/config.js';
import type { Config } from '../../../src/wrap/config.js';
import type { Facts, Filesystem } from '../../../src/wrap/facts.js';
import { rewrite, survey } from '../../../src/wrap/rewrite.js';
import type { Rewritten } from '../../../src/wrap/rewrite.js';

const MIB = 2 ** 20;

/** What the paths in our test calls lie on. */
function filesystemOf(path: string): Filesystem {
  if (/^\/(dev\/hugepages|mnt\/huge)(\/|$)/.test(path)) return { kind: 'hugetlbfs', pageSize: 2 * MIB };
  if (path.startsWith('/dev/shm')) return { kind: 'memory' };
  return { kind: path === '/missing' ? 'missing' : 'other' };
}

/** A host with that many free hugepages, of 2 MiB and of 1 GiB. */
export function hostWith(free2M: number, free1G: number, paths: readonly string[]): Facts {
  return {
    pools: [
      { pageSize: 1024 * MIB, free: free1G, total: free1G },
      { pageSize: 2 * MIB, free: free2M, total: free2M },
    ],
    defaultPageSize: 2 * MIB,
    filesystems: new Map(paths.map((path) => [path, filesystemOf(path)])),
  };
}

/** Rewrites a call as qemu-wrap would, with `/run/vhost-host/port-NAME.sock` for every port. */
export function wrap(args: readonly string[], free2M = 0, free1G = 0, config: Partial<Config> = {}): Rewritten {
  const settings = { ...DEFAULTS, ...config };
  const { claims, memoryPaths } = survey(args, settings);
  const sockets = new Map(claims.map(({ netdev, name }) => [netdev, `/run/vhost-host/port-${name}.sock`]));
  return rewrite(args, { facts: hostWith(free2M, free1G, memoryPaths), config: settings, sockets });
}

/** The same, from one line of words to one line of words. */
export function wrapLine(line: string, free2M = 0, free1G = 0, config: Partial<Config> = {}): string {
  return wrap(line.split(' '), free2M, free1G, config)
    .args.map((arg) => arg.text)
    .join(' ');
}
