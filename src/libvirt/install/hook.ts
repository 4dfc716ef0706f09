import { planWrites } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import type { FileStat, Host } from '../../host/host.js';
import { quoteForShell } from '../../common/shell-quote.js';

/**
 * A hook of libvirt's, called before a guest starts. Without it QEMU waits in silence for a switch or port
 * that is missing, because a guest that is to come back to its switch also waits for the first time.
 */
export const HOOK = '/etc/libvirt/hooks/qemu.d/vhost-host';
/** What goes without it. */
export const NO_HOOK = `without ${HOOK}, virsh start waits in silence for a switch or port that is missing`;
/** What `vm hook` answers where the guest must not start; everything else lets it. */
export const REFUSE = 'refuse';

/** The first libvirt that looks into the directory. */
const SINCE = [6, 5] as const;
const LIBVIRT = '/etc/libvirt';
const MODE = 0o755;

export interface HookPlace {
  readonly node: string;
  readonly packageRoot: string;
  readonly runDir: string;
}

/**
 * The hook is called for every guest and every turn of its life. Only a guest with a vhost-user interface costs
 * more than a shell, and only our own word refuses one: with a package that is broken or gone, all guests start.
 */
export function hookText({ node, packageRoot, runDir }: HookPlace): string {
  const command = [node, `${packageRoot}/bin/vhost-host`].map(quoteForShell).join(' ');
  return `#!/bin/sh
# Written by vhost-host libvirt setup; vhost-host libvirt setup --undo takes it away.
# Before a guest on our switch starts: is the switch there? It prints nothing, so that no guest is changed.
[ "$2 $3" = 'prepare begin' ] || exit 0
xml=$(cat)
case $xml in
*"<interface type='vhostuser'"*) ;;
*) exit 0 ;;
esac
answer=$(printf '%s\\n' "$xml" | ${command} vm hook --run-dir ${quoteForShell(runDir)})
[ "$answer" != ${REFUSE} ]
`;
}

/** Whether libvirt finds a hook there that it can run. */
export function isHook(stat: FileStat | undefined): boolean {
  return stat?.kind === 'file' && (stat.mode & 0o111) !== 0;
}

/** undefined where this libvirt would not look at it, or where there is no libvirt. */
export async function hookStep(
  host: Host,
  place: HookPlace,
  version: readonly number[] | undefined,
): Promise<Step | undefined> {
  if ((await host.stat(LIBVIRT))?.kind !== 'directory') return undefined;
  const [major = 0, minor = 0] = version ?? SINCE;
  if (major < SINCE[0] || (major === SINCE[0] && minor < SINCE[1])) return undefined;
  const before = await host.stat(HOOK);
  const { actions, diff } = await planWrites(host, [
    { kind: 'write', path: HOOK, text: hookText(place), mode: MODE, uid: 0, gid: 0 },
  ]);
  return {
    id: 'hook',
    title: `install ${HOOK}`,
    why: 'virsh start says at once which switch or port is missing; QEMU would wait for it in silence',
    current: before === undefined ? 'not installed' : actions.length === 0 ? 'installed' : 'another one is there',
    wanted: 'installed',
    diff,
    actions,
    needsReboot: false,
  };
}
