import type { Claimant, Transport } from '../model/schema.js';
import type { NativeOwner } from '../addon/native.js';
import type { Host } from '../../host/host.js';

/**
 * Whose a port is. All guests' QEMUs run with one group, often as one user, and may open every port's socket; what
 * tells them apart is the process that connects, which the kernel names (native/dpdk/proxy/port_owner.h).
 */

/** Where the system's libvirt writes down the process of each domain that runs, as root. */
const PID_FILES = '/run/libvirt/qemu';

export interface Owned {
  readonly owner: string | undefined;
  readonly origin: 'config' | 'api' | 'claim';
  readonly transports: readonly Transport[];
}

const EVERYBODY: NativeOwner = { pid: 0, started: 0, only: false, uid: -1, pidFile: '', bridged: false };

function configured(owner: string | undefined): Pick<NativeOwner, 'uid' | 'pidFile'> {
  if (owner?.startsWith('uid:') === true) return { uid: Number(owner.slice('uid:'.length)), pidFile: '' };
  if (owner === undefined) return { uid: -1, pidFile: '' };
  return { uid: -1, pidFile: `${PID_FILES}/${owner.slice('domain:'.length)}.pid` };
}

/** What the engine goes by. `claimant`: for whom the port was handed out. */
export function nativeOwner({ owner, origin, transports }: Owned, claimant: Claimant | undefined): NativeOwner {
  const common = { ...EVERYBODY, ...configured(owner), bridged: transports.includes('cuse') };
  if (claimant === undefined) return common;
  return { ...common, pid: claimant.pid, started: claimant.started, only: origin === 'claim' };
}

/** Why the port is not handed out to this process; undefined where it may be. */
export async function foreignReason(
  host: Pick<Host, 'stat' | 'readOptional'>,
  owner: string | undefined,
  claimant: Claimant | undefined,
): Promise<string | undefined> {
  if (owner === undefined) return undefined;
  if (claimant === undefined) return `it belongs to ${owner}, and the switch does not see who asks for it`;
  const { uid, pidFile } = configured(owner);
  const who = (await host.stat(`/proc/${claimant.pid}`).catch(() => undefined))?.uid;
  const good = pidFile === '' ? who === uid : Number((await host.readOptional(pidFile)) ?? NaN) === claimant.pid;
  return good ? undefined : `it belongs to ${owner}, not to process ${claimant.pid} of user id ${who ?? '?'}`;
}
