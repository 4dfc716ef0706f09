import { runOrFail } from '../../host/run-checked.js';
import type { Host } from '../../host/host.js';

/** The daemon that reads qemu.conf: libvirtd, or virtqemud where libvirt runs as one daemon per driver. */
export interface Daemon {
  readonly name: 'libvirtd' | 'virtqemud';
  readonly restart: readonly string[];
}

async function isActive(host: Host, name: string): Promise<boolean> {
  // A unit that waits for its first client shows as an active socket.
  for (const unit of [`${name}.service`, `${name}.socket`]) {
    const { stdout } = await host.run('systemctl', ['is-active', unit]);
    if (stdout.trim() === 'active') return true;
  }
  return false;
}

/** The one that runs; undefined where none does, and then there is nothing to restart. */
export async function findDaemon(host: Host): Promise<Daemon | undefined> {
  const names = ['virtqemud', 'libvirtd'] as const;
  if ((await host.stat('/run/systemd/system')) !== undefined) {
    for (const name of names) {
      if (await isActive(host, name)) return { name, restart: ['systemctl', 'restart', `${name}.service`] };
    }
    return undefined;
  }
  for (const name of names) {
    const pid = (await host.readOptional(`/run/${name}.pid`))?.trim();
    const comm = pid === undefined ? undefined : await host.readOptional(`/proc/${pid}/comm`);
    if (comm?.trim() === name) return { name, restart: ['service', name, 'restart'] };
  }
  return undefined;
}

export const GUESTS_GO_ON = 'running guests go on running, and libvirt finds them again';

export async function restartDaemon(host: Host, daemon: Daemon): Promise<void> {
  await runOrFail(host, daemon.restart);
}
