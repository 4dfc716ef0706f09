import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import type { Change } from './attach-change.js';
import type { Mode } from './attach-nics.js';

/**
 * What attach remembers of a domain, so that detach can bring it back. Written before the domain is
 * defined anew, so that also an attach that was killed half-way can be taken back. It holds domain XML
 * with its passwords: only the owner may read it.
 */
export interface Saved {
  readonly version: 1;
  readonly name: string;
  /** Where it came from: a libvirt URI, or a file's path. */
  readonly origin: string;
  readonly mode: Mode;
  /** The text before; null where somebody changed the domain between two attaches, so that there is none to go back to. */
  readonly original: string | null;
  /** The text as libvirt gave it back; null while that is still to come. */
  readonly left: string | null;
  readonly changes: readonly Change[];
  /** Ports that attach added to the running switch. */
  readonly ports: readonly string[];
}

/** For root in /var/lib; else in the user's own state directory. */
export function savedDirectory(host: Host): string {
  const named = host.env('VHOST_HOST_STATE_DIR');
  if (named !== undefined && named !== '') return join(named, 'domains');
  if (host.uid() === 0) return '/var/lib/vhost-host/domains';
  const state = host.env('XDG_STATE_HOME') ?? join(host.env('HOME') ?? '/tmp', '.local', 'state');
  return join(state, 'vhost-host', 'domains');
}

/** A domain is known by its UUID, a file by where it lies. */
export function keyOfFile(path: string): string {
  return `file-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`;
}

export function savedPath(host: Host, key: string): string {
  return join(savedDirectory(host), `${key}.json`);
}

export async function loadSaved(host: Host, key: string): Promise<Saved | undefined> {
  const path = savedPath(host, key);
  const text = await host.readOptional(path);
  if (text === undefined) return undefined;
  try {
    const saved = JSON.parse(text) as Saved;
    if (saved.version === 1 && Array.isArray(saved.changes)) return saved;
  } catch {
    // Said below.
  }
  throw new VhostHostError('CONFIG_INVALID', `${path} is not what attach wrote`, { hint: `rm ${path}` });
}

export async function storeSaved(host: Host, key: string, saved: Saved): Promise<void> {
  const dir = savedDirectory(host);
  await host.mkdir(dir, 0o700);
  await host.write(savedPath(host, key), `${JSON.stringify(saved, null, 1)}\n`, 0o600);
}

export async function forgetSaved(host: Host, key: string): Promise<void> {
  await host.unlink(savedPath(host, key));
}

/** One more attach upon what is remembered: the way back leads through both. */
export function continueSaved(before: Saved | undefined, now: Saved): Saved {
  if (before === undefined) return now;
  const untouched = before.left !== null && before.left === now.original;
  return {
    ...now,
    original: untouched ? before.original : null,
    changes: [...before.changes, ...now.changes],
    ports: [...new Set([...before.ports, ...now.ports])],
  };
}
