import { realHost } from '../../../src/host/node-host.js';
import type { FileStat, Host } from '../../../src/host/host.js';
import type { GuestShell } from './guest-shell.js';

/** A guest as a host to be set up: every look and every change is a command in it. Its clock and environment are ours. */

const KINDS: Readonly<Record<string, FileStat['kind']>> = {
  'regular file': 'file',
  'regular empty file': 'file',
  directory: 'directory',
  socket: 'socket',
  'character special file': 'character',
  'symbolic link': 'symlink',
};

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

export function guestHost(guest: GuestShell): Host {
  const sh = (...words: readonly string[]): Promise<string> => guest.sh(words.map(quote).join(' '));
  const ask = async (...words: readonly string[]): Promise<string | undefined> => {
    const { status, output } = await guest.run(`${words.map(quote).join(' ')} 2>/dev/null`);
    return status === 0 ? output : undefined;
  };
  const stat = async (follow: boolean, path: string): Promise<FileStat | undefined> => {
    const said = await ask('stat', ...(follow ? ['-L'] : []), '-c', '%F|%a|%u|%g|%s|%Z', path);
    if (said === undefined) return undefined;
    const [kind = '', mode = '', ...numbers] = said.trim().split('|');
    const [uid = 0, gid = 0, size = 0, ctime = 0] = numbers.map(Number);
    return { kind: KINDS[kind] ?? 'other', mode: parseInt(mode, 8), uid, gid, size, ctimeMs: ctime * 1000 };
  };
  return {
    ...realHost,
    run: async (command, args) => {
      const { status, output } = await guest.run([command, ...args].map(quote).join(' '));
      return { exitCode: status, stdout: output, stderr: '' };
    },
    spawnDetached: () => Promise.reject(new Error('nothing is started in a guest')),
    read: (path) => sh('cat', path),
    readOptional: (path) => ask('cat', path),
    write: async (path, text, mode) => {
      const encoded = Buffer.from(text).toString('base64');
      const [file, part] = [quote(path), quote(`${path}.part`)];
      await guest.sh(`if [ -e ${file} ]; then cp -p ${file} ${part}; fi; echo ${encoded} | base64 -d > ${part}`);
      if (mode !== undefined) await guest.sh(`chmod ${mode.toString(8)} ${part}`);
      // As a whole, like the real one: who looks in between sees the old file or the new one.
      await guest.sh(`mv ${part} ${file}`);
    },
    list: async (path) => ((await ask('ls', '-A1', path)) ?? '').split('\n').filter((name) => name !== ''),
    stat: (path) => stat(true, path),
    lstat: (path) => stat(false, path),
    mkdir: async (path, mode) => void (await sh('mkdir', '-p', '-m', mode.toString(8), path)),
    chown: async (path, uid, gid) => void (await sh('chown', `${uid}:${gid}`, path)),
    chmod: async (path, mode) => void (await sh('chmod', mode.toString(8), path)),
    unlink: async (path) => void (await sh('rm', '-f', path)),
    rmdir: async (path) => (await ask('rmdir', path)) !== undefined,
    realpath: async (path) => (await ask('realpath', path))?.trim(),
    uid: () => 0,
    env: () => undefined,
  };
}
