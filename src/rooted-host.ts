import { dirname, join } from 'node:path';
import { VhostHostError } from './errors.js';
import type { Host } from './host.js';

/**
 * The system below `root` (a mounted image) seen as a host of its own: paths are meant there, commands run
 * there. A link that leads out of it is refused rather than followed, for it would lead to this system's files.
 */
export function rootedHost(host: Host, root: string): Host {
  const outer = async (path: string): Promise<string> => {
    const full = join(root, path);
    await refuseEscape(host, root, full);
    return full;
  };
  /** For what does not follow a link at the end of the path. */
  const outerEntry = async (path: string): Promise<string> => {
    const full = join(root, path);
    await refuseEscape(host, root, dirname(full));
    return full;
  };
  return {
    ...host,
    run: (command, args, options) => host.run('chroot', [root, command, ...args], options),
    spawnDetached: () => Promise.reject(new Error('no daemon is started in an image')),
    read: async (path) => host.read(await outer(path)),
    readOptional: async (path) => host.readOptional(await outer(path)),
    write: async (path, text, mode) => host.write(await outer(path), text, mode),
    writeInPlace: async (path, text) => host.writeInPlace(await outer(path), text),
    list: async (path) => host.list(await outer(path)),
    stat: async (path) => host.stat(await outer(path)),
    lstat: async (path) => host.lstat(await outerEntry(path)),
    mkdir: async (path, mode) => host.mkdir(await outer(path), mode),
    chown: async (path, uid, gid) => host.chown(await outer(path), uid, gid),
    chmod: async (path, mode) => host.chmod(await outer(path), mode),
    identity: async (path) => host.identity(await outerEntry(path)),
    rename: async (from, to) => host.rename(await outerEntry(from), await outerEntry(to)),
    unlink: async (path) => host.unlink(await outerEntry(path)),
    rmdir: async (path) => host.rmdir(await outerEntry(path)),
    realpath: async (path) => {
      const real = await host.realpath(await outer(path));
      return real === undefined ? undefined : real.slice((await realRoot(host, root)).length) || '/';
    },
  };
}

/** What only a running system has. */
const RUNNING = /^\/(proc|sys|run)(\/|$)/;

/**
 * An image does not run, also where /proc and /sys are mounted in it so that its own programs work: what stands there
 * is told by the kernel of the system that it is mounted on.
 */
export function offlineHost(host: Host): Host {
  const look = <T>(path: string, ask: () => Promise<T>, none: T): Promise<T> =>
    RUNNING.test(path) ? Promise.resolve(none) : ask();
  return {
    ...host,
    readOptional: (path) => look(path, () => host.readOptional(path), undefined),
    list: (path) => look(path, () => host.list(path), []),
    stat: (path) => look(path, () => host.stat(path), undefined),
    lstat: (path) => look(path, () => host.lstat(path), undefined),
  };
}

/** Without the slash at its end, so that `/` works like any other. */
async function realRoot(host: Host, root: string): Promise<string> {
  const real = await host.realpath(root);
  if (real === undefined) throw new VhostHostError('USAGE', `there is no directory ${root}`, { hint: '--root DIR' });
  return real === '/' ? '' : real;
}

async function refuseEscape(host: Host, root: string, full: string): Promise<void> {
  const inside = await realRoot(host, root);
  for (let path = full; ; path = dirname(path)) {
    const real = await host.realpath(path);
    // What is not there yet lies where the nearest directory above it does.
    if (real === undefined && path !== dirname(path)) continue;
    if (real === undefined || real === inside || `${real}/`.startsWith(`${inside}/`)) return;
    throw new VhostHostError('SETUP_REFUSED', `${full} leads out of ${root}, to ${real}`, { hint: `ls -l ${full}` });
  }
}
