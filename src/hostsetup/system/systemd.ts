import type { Host } from '../../host/host.js';

/** Whether systemd starts this system, and how it writes paths as names of units. */

export interface Systemd {
  /** It will read what is written for it. */
  readonly present: boolean;
  /** It can be told right now. */
  readonly running: boolean;
}

/** NixOS has it in the profile of its system. */
const INSTALLED = [
  '/usr/lib/systemd/systemd',
  '/lib/systemd/systemd',
  '/nix/var/nix/profiles/system/systemd/lib/systemd/systemd',
];

/** A system that runs says by what it was started (sd_booted(3)); an image, only what is installed in it. */
export async function findSystemd(host: Pick<Host, 'stat'>): Promise<Systemd> {
  const there = async (path: string): Promise<boolean> => (await host.stat(path)) !== undefined;
  const running = await there('/run/systemd/system');
  if (running) return { present: true, running };
  const live = await there('/proc/sys/kernel/osrelease');
  let installed = false;
  for (const path of INSTALLED) installed ||= await there(path);
  return { present: !live && installed, running };
}

/** `/mnt/huge` -> `mnt-huge.mount`, as `systemd-escape --path --suffix=mount` has it. */
export function mountUnitName(path: string): string {
  const inner = path.replace(/^\/+|\/+$/g, '').replace(/\/+/g, '/');
  const escaped = [...Buffer.from(inner)].map((byte, i) => {
    const letter = String.fromCharCode(byte);
    if (letter === '/') return '-';
    const plain = /[A-Za-z0-9:_.]/.test(letter) && !(letter === '.' && i === 0);
    return plain ? letter : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `${escaped.join('')}.mount`;
}

/** The way back, as systemd fills in a `Where=` that is not there. */
export function mountUnitPath(name: string): string {
  const inner = name.replace(/\.mount$/, '');
  const bytes = inner.split(/(\\x[0-9a-f]{2}|-)/).map((part) => {
    if (part === '-') return Buffer.from('/');
    return part.startsWith('\\x') ? Buffer.from(part.slice(2), 'hex') : Buffer.from(part);
  });
  return `/${Buffer.concat(bytes).toString()}`;
}
