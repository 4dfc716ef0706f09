import type { Host } from '../../host/host.js';

/** A line for users whose run directory is removed when they log out (pam_systemd(8)); undefined where it stays. */
export async function endsWithSession(host: Host, runDir: string): Promise<string | undefined> {
  const userDir = host.env('XDG_RUNTIME_DIR');
  if (host.uid() === 0 || userDir === undefined || userDir === '') return undefined;
  if (runDir !== userDir && !runDir.startsWith(`${userDir}/`)) return undefined;
  const accounts = ((await host.readOptional('/etc/passwd')) ?? '').split('\n').map((line) => line.split(':'));
  const user = accounts.find(([, , uid]) => uid === String(host.uid()))?.[0] ?? String(host.uid());
  // systemd-logind keeps a user's directory who has a file here (loginctl(1), enable-linger).
  if ((await host.stat(`/var/lib/systemd/linger/${user}`)) !== undefined) return undefined;
  return `${runDir} is removed when you log out: loginctl enable-linger ${user}, or --run-dir with another directory`;
}
