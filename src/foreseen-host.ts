import { basename, dirname } from 'node:path';
import type { FileStat, Host } from './host.js';
import { resultOf } from './steps.js';
import type { Snapshot, Step } from './steps.js';

/**
 * A host as it is to be after some steps, for whoever plans what comes next: two planners that change the same file
 * would else both start from the file of now, and the second one's text would be without the first one's lines.
 * Only files that are written are foreseen; what commands bring is not.
 */
export async function foreseenHost(host: Host, steps: readonly Step[]): Promise<Host> {
  const files = new Map<string, Snapshot>();
  for (const action of steps.flatMap(({ actions }) => actions)) {
    if (action.kind !== 'write') continue;
    const path = (await host.realpath(action.path)) ?? action.path;
    files.set(path, resultOf(action, files.get(path) ?? (await before(host, path))));
  }
  if (files.size === 0) return host;
  const at = async (path: string): Promise<Snapshot | undefined> =>
    files.get(path) ?? files.get((await host.realpath(path)) ?? path);
  const statOf = async (path: string, real: FileStat | undefined): Promise<FileStat | undefined> => {
    const file = await at(path);
    if (file === undefined) return real;
    const { text, mode, uid, gid } = file;
    return { kind: 'file', mode, uid, gid, size: Buffer.byteLength(text), ctimeMs: real?.ctimeMs ?? host.now() };
  };
  return {
    ...host,
    read: async (path) => (await at(path))?.text ?? (await host.read(path)),
    readOptional: async (path) => (await at(path))?.text ?? (await host.readOptional(path)),
    stat: async (path) => statOf(path, await host.stat(path)),
    lstat: async (path) => statOf(path, await host.lstat(path)),
    list: async (path) => {
      const added = [...files.keys()].filter((file) => dirname(file) === path).map((file) => basename(file));
      return [...new Set([...(await host.list(path)), ...added])];
    },
  };
}

async function before(host: Host, path: string): Promise<Snapshot | undefined> {
  const stat = await host.stat(path);
  return stat === undefined ? undefined : { text: '', mode: stat.mode, uid: stat.uid, gid: stat.gid };
}
