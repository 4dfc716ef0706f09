import type { MountChange } from './changes.js';
import { VhostHostError } from './errors.js';
import type { Host } from './host.js';
import { parseMounts } from './mounts.js';
import type { Mount } from './mounts.js';
import { runOrFail } from './run-or-fail.js';
import type { MountAction } from './steps.js';

/** Mounting as a change to the host; systemd takes a mount that it has a unit for as that unit, whoever made it. */

/** What one sees at this very path: of several mounts the last one. */
export async function mountedAt(host: Pick<Host, 'readOptional'>, path: string): Promise<Mount | undefined> {
  return parseMounts((await host.readOptional('/proc/mounts')) ?? '').findLast((mount) => mount.path === path);
}

export async function mount(host: Host, { path, type, options }: MountAction): Promise<void> {
  await runOrFail(host, ['mount', '-t', type, '-o', options, type, path]);
  const got = await mountedAt(host, path);
  if (got?.type === type) return;
  throw new VhostHostError('CHANGE_FAILED', `mount ended well, but ${path} is ${got ? `a ${got.type}` : 'no mount'}`);
}

/** Nothing where it is not mounted (any more). One that is in use stays, and the error says so. */
export async function unmount(host: Host, { path, type }: MountChange): Promise<void> {
  if ((await mountedAt(host, path))?.type === type) await runOrFail(host, ['umount', path]);
}
