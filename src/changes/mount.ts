import { VhostHostError } from '../common/errors.js';
import { parseMounts } from '../host/kernel/mount-table.js';
import type { Mount } from '../host/kernel/mount-table.js';
import { runOrFail } from '../host/run-checked.js';
import type { MountAction } from './steps.js';
import type { Host } from '../host/host.js';
import type { MountChange } from './change.js';

/** Mounting as a change to the host; systemd takes a mount that it has a unit for as that unit, whoever made it. */

/** What one sees at this very path: of several mounts the last one. */
export async function mountedAt(host: Pick<Host, 'readOptional'>, path: string): Promise<Mount | undefined> {
  return parseMounts((await host.readOptional('/proc/mounts')) ?? '').findLast((mount) => mount.path === path);
}

const mountCommand = (path: string, type: string, options: string): string[] => {
  return ['mount', '-t', type, '-o', options, type, path];
};

export async function mount(host: Host, { path, type, options, replaces }: MountAction): Promise<void> {
  // Another size of pages cannot be given to a mount that is there.
  if (replaces !== undefined && (await mountedAt(host, path))?.options === replaces) {
    await runOrFail(host, ['umount', path]);
  }
  await runOrFail(host, mountCommand(path, type, options));
  const got = await mountedAt(host, path);
  if (got?.type === type) return;
  throw new VhostHostError('CHANGE_FAILED', `mount ended well, but ${path} is ${got ? `a ${got.type}` : 'no mount'}`);
}

/** Does only what is left to do, wherever it was stopped. One that is in use stays, and the error says so. */
export async function unmount(host: Host, { path, type, before }: MountChange): Promise<void> {
  const there = await mountedAt(host, path);
  if (there?.options === before) return;
  if (there?.type === type) await runOrFail(host, ['umount', path]);
  if (before !== null) await runOrFail(host, mountCommand(path, type, before));
}
