import { dirname } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import type { Host } from '../../host/host.js';
import type { Step, WriteFile } from '../../changes/steps.js';
import { DEFAULT_CONFIG } from './group.js';
import { DEFAULT_GROUP, UNIT_NAME } from './unit.js';
import { accountStep } from './account.js';
import type { Account } from './account.js';
import { WRITTEN_BY_SETUP } from '../system/written-by-setup.js';

/**
 * The service as a user of its own instead of root: for a switch of vhost-user ports, taps and interfaces of the
 * kernel. Cards (/dev/vfio) and /dev/usvhost-N (/dev/cuse) are root's.
 */

export const OWN_USER = 'vhost-host';
/** systemd.unit(5): settings of all files of this directory are added to the unit's. */
export const USER_PATH = `/etc/systemd/system/${UNIT_NAME}.d/own-user.conf`;

/** What is left of root's: interfaces of the kernel, taps and packet sockets. */
export const USER_CAPABILITIES = ['CAP_NET_ADMIN', 'CAP_NET_RAW'];

const ACCOUNT: Account = {
  kind: 'user',
  name: OWN_USER,
  why: 'the switch runs as it: whoever gets into it by a fault has nothing of the host',
  path: '/etc/sysusers.d/vhost-host-user.conf',
  line: `u ${OWN_USER} - "vhost-host switch"`,
};

/**
 * The run directory is made by systemd, which the user may not, and stays: a switch that was killed left in it whose
 * the ports are. Lists are emptied before they are filled, because those of the unit are longer.
 */
export function userText(group: string): string {
  return `${WRITTEN_BY_SETUP}# Neither a card nor /dev/usvhost-N: nothing here needs root.
[Service]
User=${OWN_USER}
# That of QEMU, which sockets are opened to.
Group=${group}
SupplementaryGroups=
RuntimeDirectory=vhost-host
RuntimeDirectoryMode=0750
RuntimeDirectoryPreserve=yes
RemoveIPC=yes
CapabilityBoundingSet=
CapabilityBoundingSet=${USER_CAPABILITIES.join(' ')}
AmbientCapabilities=${USER_CAPABILITIES.join(' ')}
DeviceAllow=
DeviceAllow=/dev/net/tun rw
# When guests' processes began, which are another user's.
ProtectProc=default
SystemCallFilter=~@privileged pidfd_getfd
# Sockets go to that group, and threads keep fewer capabilities than the process began with.
SystemCallFilter=@chown capset
`;
}

const ROOT_TEXT = `${WRITTEN_BY_SETUP}# As root: a card, or /dev/usvhost-N.
[Service]
`;

export interface UserSpec {
  /** undefined: as it is, unless a card or /dev/usvhost-N comes. */
  readonly ownUser: boolean | undefined;
  /** What needs root, as users know it; undefined: nothing does. */
  readonly needsRoot: string | undefined;
  /** QEMU's. */
  readonly group: string | undefined;
  readonly binary: string;
  readonly config: string | undefined;
}

export interface UserPart {
  readonly steps: readonly Step[];
  readonly files: readonly WriteFile[];
}

/** Looks, and changes nothing. */
export async function planUser(host: Host, spec: UserSpec): Promise<UserPart> {
  const now = await host.readOptional(USER_PATH);
  const own = spec.ownUser ?? (now !== undefined && now !== ROOT_TEXT && spec.needsRoot === undefined);
  const file = (text: string): WriteFile => ({ kind: 'write', path: USER_PATH, text, mode: 0o644, uid: 0, gid: 0 });
  if (!own) return { steps: [], files: now === undefined ? [] : [file(ROOT_TEXT)] };
  await refuse(host, spec);
  return { steps: [await accountStep(host, ACCOUNT)], files: [file(userText(spec.group ?? DEFAULT_GROUP))] };
}

function refused(reason: string, hint: string): VhostHostError {
  return new VhostHostError('SETUP_REFUSED', `--own-user: ${reason}`, { hint });
}

/** What would be found out when the service starts. */
async function refuse(host: Host, { needsRoot, binary, config }: UserSpec): Promise<void> {
  if (needsRoot !== undefined) throw refused(`${needsRoot} needs root`, 'vhost-host setup without --own-user');
  const file = config ?? DEFAULT_CONFIG;
  const rootOnly = rootOnlyIn((await host.readOptional(file)) ?? '');
  if (rootOnly !== undefined) throw refused(`${file} has ${rootOnly}, which needs root`, 'leave --own-user out');
  for (const path of [binary, ...((await host.stat(file)) === undefined ? [] : [file])]) {
    const closed = await closedTo(host, path);
    if (closed === undefined) continue;
    throw refused(`${closed} is closed to users other than its own`, `chmod o+rX ${closed}, or another place`);
  }
}

/** By words that stand for nothing else in it; the switch reads it properly, and refuses what it may not have. */
function rootOnlyIn(config: string): string | undefined {
  const card = /"(?:[0-9a-f]{4}:)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])[",]/i.exec(config)?.[1];
  if (card !== undefined) return `the card ${card}`;
  return /"cuse"/.test(config) ? 'a port with a device' : undefined;
}

/** The part of a path that somebody of no group may not pass or read. */
async function closedTo(host: Host, path: string): Promise<string | undefined> {
  const real = (await host.realpath(path)) ?? path;
  const above = (at: string): string[] => (at === '/' ? ['/'] : [...above(dirname(at)), at]);
  for (const at of above(real)) {
    const wanted = at === real ? 0o004 : 0o001;
    const stat = await host.stat(at);
    if (stat !== undefined && (stat.mode & wanted) !== wanted) return at;
  }
  return undefined;
}
