import { VhostHostError } from '../common/errors.js';
import type { Host } from './host.js';

/** systemd's PATH for daemons: what libvirtd and the switch as a service find programs in. */
export const DAEMON_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const;

/** Where Node really is, for whoever is started by a daemon. */
export async function findNode(host: Host): Promise<string> {
  for (const dir of DAEMON_PATH) {
    if ((await host.stat(`${dir}/node`))?.kind !== 'file') continue;
    const real = await host.realpath(`${dir}/node`);
    if (real !== undefined) return real;
  }
  throw new VhostHostError('SETUP_REFUSED', `node is in none of ${DAEMON_PATH.join(', ')}, where daemons look for it`, {
    hint: 'ln -s "$(command -v node)" /usr/local/bin/node',
  });
}
