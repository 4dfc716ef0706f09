import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import { offlineHost, rootedHost } from '../../host/chroot-host.js';
import { parseCpuList } from '../../switch/model/cpulist.js';
import type { CliContext } from './context.js';
import type { Host } from '../../host/host.js';

/** Words of the command line that several subcommands take. */

export function parsePath(text: string): string {
  if (text.startsWith('/')) return resolve(text);
  throw new InvalidArgumentError('an absolute path.');
}

/** `1`, `1-4`, `0,2-3`. `like`: an example of what the numbers count. */
export function parseNumbers(text: string, like: string): readonly number[] {
  const result = parseCpuList(text);
  if ('cpus' in result) return result.cpus;
  throw new InvalidArgumentError(`${like}.`);
}

/** This system, or the one below `--root`. A root that is not there would look like a host that has nothing. */
export async function hostBelow({ host, cwd }: CliContext, root: string | undefined): Promise<Host> {
  if (root === undefined) return host;
  const path = resolve(cwd, root);
  if ((await host.stat(path))?.kind === 'directory') return offlineHost(rootedHost(host, path));
  throw new VhostHostError('USAGE', `there is no directory ${root}`, { hint: '--root DIR' });
}
