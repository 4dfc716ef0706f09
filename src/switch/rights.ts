import type { Host } from '../host/host.js';

/** What this process may do, from /proc/self/status (proc_pid_status(5)): a service has less than root has. */

/** Bits of linux/capability.h. */
const CAPABILITIES = { CAP_CHOWN: 0, CAP_SYS_RAWIO: 17, CAP_SYS_ADMIN: 21 } as const;
export type Capability = keyof typeof CAPABILITIES;

async function ownStatus(host: Pick<Host, 'readOptional'>): Promise<string> {
  return (await host.readOptional('/proc/self/status')) ?? '';
}

function lackingIn(status: string, wanted: readonly Capability[]): readonly Capability[] {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (mask === undefined) return [];
  return wanted.filter((name) => ((BigInt(`0x${mask}`) >> BigInt(CAPABILITIES[name])) & 1n) === 0n);
}

/** Which of them it lacks; none where nobody tells. */
export async function lacking(
  host: Pick<Host, 'readOptional'>,
  wanted: readonly Capability[],
): Promise<readonly Capability[]> {
  return lackingIn(await ownStatus(host), wanted);
}

/** What makes a switch root's that is somebody else's. `besides`: what set-up is to be told with that. */
export function asRoot(host: Pick<Host, 'env'>, besides = ''): string {
  if (host.env('INVOCATION_ID') === undefined) return 'start the switch as root';
  return `for the service: sudo vhost-host setup --boot --no-own-user${besides} && sudo systemctl restart vhost-host`;
}

/** The group that its new files get; undefined where nobody tells. */
function groupIn(status: string): string | undefined {
  return (/^Gid:\s*(.*)$/m.exec(status)?.[1] ?? '').trim().split(/\s+/).at(-1);
}

export async function isOwnGroup(host: Pick<Host, 'readOptional'>, gid: number): Promise<boolean> {
  return groupIn(await ownStatus(host)) === String(gid);
}

/** Whether a file of its own may be given to a group (chown(2)). */
export async function mayGiveTo(host: Pick<Host, 'readOptional'>, gid: number): Promise<boolean> {
  const status = await ownStatus(host);
  if (lackingIn(status, ['CAP_CHOWN']).length === 0) return true;
  const others = (/^Groups:\s*(.*)$/m.exec(status)?.[1] ?? '').trim().split(/\s+/);
  return [groupIn(status), ...others].includes(String(gid));
}
