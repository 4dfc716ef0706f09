import { dirname, join, resolve } from 'node:path';
import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import type { FileStat, Host } from '../../host/host.js';
import { changeableByOthers } from '../../host/trusted-place.js';
import { isOwnGroup } from '../rights.js';

/**
 * Where a switch lives: one directory holds its sockets, lock and log. Kept free of heavy imports,
 * because qemu-wrap loads it on every start of a guest.
 */

/** Bytes of a UNIX socket path that the kernel takes (`sun_path` without its zero). */
export const MAX_SOCKET_PATH = 107;

const KVM_GROUP = 'kvm';
/** Of the system's own switch, whoever it runs as. */
export const SYSTEM_RUN_DIR = '/run/vhost-host';

/** `given`, else VHOST_HOST_RUN_DIR, else the system's directory for root, else the user's own. */
export function resolveRunDir(host: Pick<Host, 'env' | 'uid'>, given?: string): string {
  const chosen = given ?? host.env('VHOST_HOST_RUN_DIR');
  if (chosen !== undefined && chosen !== '') return resolve(chosen);
  if (host.uid() === 0) return SYSTEM_RUN_DIR;
  const userDir = host.env('XDG_RUNTIME_DIR');
  return userDir !== undefined && userDir !== '' ? join(userDir, 'vhost-host') : `/tmp/vhost-host-${host.uid()}`;
}

/** The whole API; for the owner of the switch. */
export function apiSocketPath(runDir: string): string {
  return join(runDir, 'api.sock');
}

/** Only `POST /v1/ports/claim` and `GET /v1/version`; also for the group that runs QEMU. */
export function claimSocketPath(runDir: string): string {
  return join(runDir, 'wrap.sock');
}

/** The prefix keeps a port named `api` or `wrap` apart from the sockets above. */
export function portSocketPath(runDir: string, name: string): string {
  return join(runDir, `port-${name}.sock`);
}

/** Where a port's packed rings are, for a switch that takes them over. */
export function ringRecordsPath(runDir: string, name: string): string {
  return join(runDir, `port-${name}.rings`);
}

/** Whether a file of that name in a run directory can only be a port's socket. */
export function isPortSocketName(name: string): boolean {
  return /^port-.+\.sock$/.test(name);
}

/** The line to the process that keeps the devices. */
export function bridgeSocketPath(runDir: string): string {
  return join(runDir, 'cuse.sock');
}

export function lockPath(runDir: string): string {
  return join(runDir, 'lock');
}

export function logPath(runDir: string): string {
  return join(runDir, 'switch.log');
}

/** The list of port sockets elsewhere, so that a later switch can clear up after one that was killed. */
export function socketRecordPath(runDir: string): string {
  return join(runDir, 'sockets');
}

/** The ports of guests that may come back to a switch that starts anew. */
export function guestRecordPath(runDir: string): string {
  return join(runDir, 'guests');
}

export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH) return;
  throw new VhostHostError(
    'SOCKET_PATH_TOO_LONG',
    `socket path ${path} has ${bytes} bytes, a UNIX socket takes at most ${MAX_SOCKET_PATH}`,
    { hint: 'vhost-host start --run-dir DIR with a shorter DIR', details: { path, bytes, limit: MAX_SOCKET_PATH } },
  );
}

/** Number of a group, from /etc/group. */
export async function groupId(host: Host, name: string): Promise<number | undefined> {
  const text = (await host.readOptional('/etc/group')) ?? '';
  const fields = text.split('\n').map((line) => line.split(':'));
  const gid = fields.find(([group]) => group === name)?.[2];
  return gid === undefined || !/^\d+$/.test(gid) ? undefined : Number(gid);
}

/**
 * The group that the system's switch opens its sockets to: the one libvirt's QEMU user belongs to. That switch is
 * root's, or runs with this group as its own (the service as a user of its own).
 */
export async function qemuGroup(host: Host): Promise<number | undefined> {
  const kvm = await groupId(host, KVM_GROUP);
  return kvm !== undefined && (host.uid() === 0 || (await isOwnGroup(host, kvm))) ? kvm : undefined;
}

function unusable(dir: string, reason: string, hint: string, cause?: unknown): VhostHostError {
  return new VhostHostError('RUN_DIR_UNUSABLE', `run directory ${dir} ${reason}`, {
    hint,
    cause,
    details: { runDir: dir },
  });
}

const CHOOSE_ANOTHER = 'vhost-host start --run-dir DIR with a directory of your own';

/** Why somebody else could play tricks in the directory; undefined where nobody can. */
async function distrust(
  host: Host,
  stat: FileStat,
  dir: string,
): Promise<{ reason: string; hint: string } | undefined> {
  const uid = host.uid();
  if (stat.kind === 'symlink') return { reason: 'is a symbolic link', hint: CHOOSE_ANOTHER };
  if (stat.kind !== 'directory') return { reason: 'is not a directory', hint: CHOOSE_ANOTHER };
  if (stat.uid !== uid) return { reason: `belongs to user id ${stat.uid}, not to ${uid}`, hint: CHOOSE_ANOTHER };
  // Sticky or not: what is missing in it, anybody could make.
  if ((stat.mode & 0o002) !== 0) return { reason: 'is writable for everybody', hint: `chmod o-w ${dir}` };
  const doubt = await changeableByOthers(host, dir);
  if (doubt === undefined) return undefined;
  if (doubt.path === dir) return { reason: doubt.reason, hint: `chmod g-w ${dir}` };
  return { reason: `lies below ${doubt.path}, which ${doubt.reason}`, hint: CHOOSE_ANOTHER };
}

/**
 * Makes the run directory where it is missing, private to the user (and to `gid` where it is not -1:
 * whoever may connect must get at the sockets), and refuses one in which somebody else could replace
 * our sockets.
 */
export async function prepareRunDir(host: Host, dir: string, gid: number): Promise<void> {
  checkSocketPath(apiSocketPath(dir));
  try {
    if ((await host.lstat(dir)) === undefined) await makeRunDir(host, dir, gid);
    const stat = await host.lstat(dir);
    const doubt = stat === undefined ? undefined : await distrust(host, stat, dir);
    if (doubt !== undefined) throw unusable(dir, doubt.reason, doubt.hint);
  } catch (error) {
    if (error instanceof VhostHostError) throw error;
    const reason = errnoOf(error) === 'EACCES' ? 'permission denied' : printable(messageOf(error));
    throw unusable(dir, `cannot be made or read: ${reason}`, CHOOSE_ANOTHER, error);
  }
}

async function makeRunDir(host: Host, dir: string, gid: number): Promise<void> {
  const doubt = await changeableByOthers(host, dirname(dir));
  if (doubt !== undefined) throw unusable(dir, `lies below ${doubt.path}, which ${doubt.reason}`, CHOOSE_ANOTHER);
  await host.mkdir(dir, 0o700);
  const made = await host.lstat(dir);
  // Somebody else's directory or link, planted in the moment before: left alone here, refused by the caller.
  if (gid === -1 || made?.kind !== 'directory' || made.uid !== host.uid()) return;
  await host.chown(dir, host.uid(), gid);
  await host.chmod(dir, 0o750);
}
