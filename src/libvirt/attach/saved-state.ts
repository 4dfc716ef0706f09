import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import type { Change, NicOwner, Owner } from './change-list.js';
import type { Mode } from './select-nics.js';
import type { Host } from '../../host/host.js';

/** 2: an interface is told by the socket that attach gave it. */
const VERSION = 2;

/**
 * What attach remembers of a domain, so that detach can bring it back. Written before the domain is
 * defined anew, so that also an attach that was killed half-way can be taken back. It holds domain XML
 * with its passwords: only the owner may read it.
 */
export interface Saved {
  readonly version: typeof VERSION;
  readonly name: string;
  /** null where the file has none. */
  readonly uuid: string | null;
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

export const isFileKey = (key: string): boolean => key.startsWith('file-');

export function savedPath(host: Host, key: string): string {
  return join(savedDirectory(host), `${key}.json`);
}

/** What version 1 kept: an interface by its address and place alone, and not whose number the record's name is. */
interface FirstSaved extends Omit<Saved, 'version' | 'uuid' | 'changes'> {
  readonly version: 1;
  readonly changes: readonly (Omit<Change, 'owner'> & {
    readonly owner: Exclude<Owner, NicOwner> | Omit<NicOwner, 'socket'>;
  })[];
}

/** Records outlive the program that wrote them. The socket that attach gave an interface is among its changes. */
function fromFirst({ changes, ...saved }: FirstSaved, key: string): Saved {
  const nicKey = ({ mac, index }: Omit<NicOwner, 'socket'>): string => JSON.stringify([mac, index]);
  const sockets = new Map<string, string | null>();
  for (const { owner, property, after } of changes) {
    if (owner.kind === 'interface' && property === 'source-path') sockets.set(nicKey(owner), after);
  }
  const known = (owner: FirstSaved['changes'][number]['owner']): Owner =>
    owner.kind === 'interface' ? { ...owner, socket: sockets.get(nicKey(owner)) ?? null } : owner;
  return {
    ...saved,
    version: VERSION,
    uuid: isFileKey(key) ? null : key,
    changes: changes.map((change) => ({ ...change, owner: known(change.owner) })),
  };
}

/** A new record. */
export function newSaved(saved: Omit<Saved, 'version'>): Saved {
  return { version: VERSION, ...saved };
}

export async function loadSaved(host: Host, key: string): Promise<Saved | undefined> {
  const path = savedPath(host, key);
  const text = await host.readOptional(path);
  if (text === undefined) return undefined;
  try {
    const saved = JSON.parse(text) as Saved | FirstSaved;
    if (Array.isArray(saved.changes)) {
      if (saved.version === VERSION) return saved;
      if (saved.version === 1) return fromFirst(saved, key);
    }
  } catch {
    // Said below.
  }
  throw new VhostHostError('CONFIG_INVALID', `${path} is not what attach wrote`, {
    // Not `rm`: it may hold the only text that there is to go back to.
    hint: `mv ${path} ${path}.unreadable`,
  });
}

export async function storeSaved(host: Host, key: string, saved: Saved): Promise<void> {
  const dir = savedDirectory(host);
  await host.mkdir(dir, 0o700);
  await host.write(savedPath(host, key), `${JSON.stringify(saved, null, 1)}\n`, 0o600);
}

export async function forgetSaved(host: Host, key: string): Promise<void> {
  await host.unlink(savedPath(host, key));
}

export interface Recorded {
  readonly key: string;
  readonly saved: Saved;
}

/** All records that can be read; nothing where there is no directory of them. */
export async function listSaved(host: Host): Promise<Recorded[]> {
  const names = await host.list(savedDirectory(host)).catch(() => []);
  const records: Recorded[] = [];
  for (const name of names) {
    const key = /^([\w-]+)\.json$/.exec(name)?.[1];
    const saved = key === undefined ? undefined : await loadSaved(host, key).catch(() => undefined);
    if (key !== undefined && saved !== undefined) records.push({ key, saved });
  }
  return records;
}

/** Sockets that attach has given the domain. */
export function socketsOf({ changes }: Pick<Saved, 'changes'>): Set<string> {
  return new Set(changes.flatMap(({ owner }) => (owner.kind === 'interface' ? (owner.socket ?? []) : [])));
}

/** Whether two descriptions are of one domain: by number where both have one, else by name. */
export function sameDomain(
  a: { readonly name: string; readonly uuid: string | null | undefined },
  b: { readonly name: string; readonly uuid: string | null | undefined },
): boolean {
  const numbers = [a.uuid ?? undefined, b.uuid ?? undefined];
  return numbers.includes(undefined) ? a.name === b.name : numbers[0] === numbers[1];
}
