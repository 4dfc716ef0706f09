import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import { quoteForShell } from '../../common/shell-quote.js';
import { planWrites } from '../../changes/steps.js';
import type { Action, Step } from '../../changes/steps.js';
import type { FileStat, Host } from '../../host/host.js';

/**
 * qemu-wrap in /usr/bin is a small file of its own, not a link into the package and not a copy of it:
 * AppArmor judges the place a link leads to (libvirtd may start what lies in /usr/bin only), libvirt takes
 * the age of its knowledge about an emulator from the file's own change time, and a copy would not find
 * the package.
 */
export const WRAPPER = '/usr/bin/qemu-wrap';

const QEMU_ARCH: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  ia32: 'i386',
  loong64: 'loongarch64',
};

/** As the launcher looks for it, without PATH: libvirtd's is not ours. */
export function emulatorCandidates(): string[] {
  const name = `qemu-system-${QEMU_ARCH[arch()] ?? arch()}`;
  return [`/usr/local/bin/${name}`, `/usr/bin/${name}`, '/usr/libexec/qemu-kvm'];
}

export async function findFile(host: Host, candidates: readonly string[]): Promise<string | undefined> {
  for (const path of candidates) {
    if ((await host.stat(path))?.kind === 'file') return path;
  }
  return undefined;
}

/** The distribution's package brings the very same file: set-up has nothing to do then. */
export function wrapperText(launcher: string): string {
  return `#!/bin/sh
# From the package of vhost-host; or from vhost-host libvirt setup, whose --undo takes it away.
exec ${quoteForShell(launcher)} "$0" "$@"
`;
}

/** Refuses what the user that runs QEMU could not enter: its private directory above, or a file for the owner only. */
export async function refuseUnreachable(host: Host, path: string, permission: number, hint: string): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    const stat = await host.stat(at);
    if (stat === undefined) throw new VhostHostError('SETUP_REFUSED', `${at} is not there`, { hint });
    const needed = at === path ? permission : 0o001;
    if ((stat.mode & needed) !== needed) {
      const mode = stat.mode.toString(8).padStart(4, '0');
      const reason = `${path} is out of reach for the user that runs QEMU: ${at} has mode ${mode}`;
      throw new VhostHostError('SETUP_REFUSED', reason, {
        hint: `keep the package where everybody may read it, such as /opt/vhost-host, or: chmod o+rx ${at}`,
      });
    }
    if (at === dirname(at)) return;
  }
}

async function refuseLink(host: Host, path: string): Promise<void> {
  if ((await host.lstat(path))?.kind !== 'symlink') return;
  const reason = `${path} is a symbolic link; libvirt's knowledge of it and AppArmor follow the file behind it`;
  throw new VhostHostError('SETUP_REFUSED', reason, { hint: `rm ${path}` });
}

/** Where libvirtd's AppArmor profile lets it start programs. */
const ALLOWED_DIRS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'];

export interface WrapperPlace {
  readonly wrapper: string;
  readonly launcher: string;
  readonly emulator: string;
}

export async function wrapperStep(host: Host, { wrapper, launcher, emulator }: WrapperPlace): Promise<Step> {
  if (!ALLOWED_DIRS.includes(dirname(wrapper))) {
    throw new VhostHostError('USAGE', `${wrapper} is not in ${ALLOWED_DIRS.join(', ')}, where libvirtd may start it`, {
      hint: `--wrapper ${join('/usr/bin', 'qemu-wrap')}`,
    });
  }
  await refuseLink(host, wrapper);
  const qemu = await host.stat(emulator);
  if (qemu === undefined) throw new VhostHostError('EMULATOR_NOT_FOUND', `${emulator} is not there`);
  const { mode, uid, gid } = qemu;
  const before = await host.stat(wrapper);
  const { actions, diff } = await planWrites(host, [
    { kind: 'write', path: wrapper, text: wrapperText(launcher), mode, uid, gid },
  ]);
  const stale = isStale(before, qemu);
  return {
    id: 'wrapper',
    title: `install ${wrapper}`,
    why: `libvirt starts it as the emulator; owner, group and mode are those of ${emulator}`,
    current: before === undefined ? 'not installed' : describeState(actions, stale),
    wanted: 'installed',
    diff,
    actions: actions.length === 0 && stale ? [touch(wrapper)] : actions,
    needsReboot: false,
  };
}

/** libvirt asks an emulator anew only when the emulator's file has changed; a new QEMU does not change ours. */
function isStale(wrapper: FileStat | undefined, qemu: FileStat): boolean {
  return wrapper !== undefined && wrapper.ctimeMs < qemu.ctimeMs;
}

function describeState(actions: readonly Action[], stale: boolean): string {
  if (actions.length > 0) return 'another one is there';
  return stale ? 'older than QEMU: libvirt would go on with what the old QEMU could do' : 'installed';
}

function touch(path: string): Action {
  return { kind: 'touch', path };
}
