import type { Host } from '../host.js';

/** What confines guests on this host. */

export async function apparmorIsOn(host: Pick<Host, 'readOptional'>): Promise<boolean> {
  return ((await host.readOptional('/sys/module/apparmor/parameters/enabled')) ?? '').startsWith('Y');
}

export type SelinuxMode = 'off' | 'permissive' | 'enforcing';

export async function selinuxMode(host: Pick<Host, 'readOptional'>): Promise<SelinuxMode> {
  const enforce = await host.readOptional('/sys/fs/selinux/enforce');
  if (enforce === undefined) return 'off';
  return enforce.trim() === '0' ? 'permissive' : 'enforcing';
}
