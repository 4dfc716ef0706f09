import { dirname, join } from 'node:path';
import { VhostHostError } from '../common/errors.js';
import type { Host } from './host.js';

/**
 * The system below `root` (a mounted image) seen as a host of its own: paths are meant there, commands run there. Links
 * are followed as that system itself would follow them, which is how chroot(2) has it: an absolute one starts at
 * `root`, and `..` does not leave it.
 */
export function rootedHost(host: Host, root: string): Host {
  const outer = async (path: string): Promise<string> => join(root, await resolveInside(host, root, path, true));
  /** For what does not follow a link at the end of the path. */
  const entry = async (path: string): Promise<string> => join(root, await resolveInside(host, root, path, false));
  return {
    ...host,
    run: (command, args, options) => host.run('chroot', [root, command, ...args], options),
    spawnDetached: () => Promise.reject(new Error('no daemon is started in an image')),
    read: async (path) => host.read(await outer(path)),
    readOptional: async (path) => host.readOptional(await outer(path)),
    readBytes: async (path, range) => host.readBytes(await outer(path), range),
    write: async (path, text, mode) => host.write(await outer(path), text, mode),
    writeInPlace: async (path, text) => host.writeInPlace(await outer(path), text),
    list: async (path) => host.list(await outer(path)),
    stat: async (path) => host.stat(await outer(path)),
    lstat: async (path) => host.lstat(await entry(path)),
    mkdir: async (path, mode) => host.mkdir(await outer(path), mode),
    chown: async (path, uid, gid) => host.chown(await outer(path), uid, gid),
    chmod: async (path, mode) => host.chmod(await outer(path), mode),
    unlink: async (path) => host.unlink(await entry(path)),
    rmdir: async (path) => host.rmdir(await entry(path)),
    readLink: async (path) => host.readLink(await entry(path)),
    identity: async (path) => host.identity(await entry(path)),
    rename: async (from, to) => host.rename(await entry(from), await entry(to)),
    realpath: async (path) => {
      const real = await resolveInside(host, root, path, true);
      return (await host.lstat(join(root, real))) === undefined ? undefined : real;
    },
  };
}

/** As many as the kernel follows before it says ELOOP (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * The path without links and dots, as the system below `root` has it. What is not there yet has no links. `last`:
 * whether a link at the very end is followed too.
 */
async function resolveInside(host: Host, root: string, path: string, last: boolean): Promise<string> {
  if ((await host.stat(root)) === undefined) {
    throw new VhostHostError('USAGE', `there is no directory ${root}`, { hint: '--root DIR' });
  }
  const left = path.split('/');
  let at: readonly string[] = [];
  let links = 0;
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      at = at.slice(0, -1);
      continue;
    }
    const next = [...at, name];
    const ends = left.every((rest) => rest === '' || rest === '.');
    const target = ends && !last ? undefined : await host.readLink(join(root, ...next));
    if (target === undefined) {
      at = next;
      continue;
    }
    if (++links > MAX_LINKS) {
      throw new VhostHostError('SETUP_REFUSED', `${path} below ${root} leads through too many symbolic links`, {
        hint: `ls -l ${join(root, ...next)}`,
        details: { path },
      });
    }
    if (target.startsWith('/')) at = [];
    left.unshift(...target.split('/'));
  }
  return `/${at.join('/')}`;
}

/** What only a running system has. */
const RUNNING = /^\/(proc|sys|run)(\/|$)/;

/**
 * An image does not run, also where /proc and /sys are mounted in it so that its own programs work: what stands there
 * is told by the kernel of the system that it is mounted on.
 */
export function offlineHost(host: Host): Host {
  const look = async <T>(path: string, ask: () => Promise<T>, none: T, place = path): Promise<T> => {
    const runs = RUNNING.test(path) || RUNNING.test((await host.realpath(place)) ?? '');
    return runs ? none : ask();
  };
  return {
    ...host,
    readOptional: (path) => look(path, () => host.readOptional(path), undefined),
    readBytes: (path, range) => look(path, () => host.readBytes(path, range), undefined),
    list: (path) => look(path, () => host.list(path), []),
    stat: (path) => look(path, () => host.stat(path), undefined),
    lstat: (path) => look(path, () => host.lstat(path), undefined, dirname(path)),
  };
}
