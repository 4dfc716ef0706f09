import { basename, dirname, join } from 'node:path';
import { printable } from '../../common/errors.js';
import { probeSocket } from './probe.js';
import type { SocketState } from './probe.js';
import { apiSocketPath, claimSocketPath, isPortSocketName, socketRecordPath } from './paths.js';
import type { Host } from '../../host/host.js';

/** What keeps a socket from being made where it shall be. */
export const BLOCKED = {
  alive: 'somebody listens on it',
  dead: 'a socket that nobody listens on is there, and it is not known to be ours',
  foreign: 'it exists and is not a socket',
} as const;

/**
 * Socket files that a switch leaves behind when it is killed, and the rule for taking them away:
 * only what is a socket, is known to be ours, and refuses connections.
 */

/** What stands at a path where a socket is wanted. */
export async function socketState(host: Host, path: string): Promise<SocketState | 'foreign'> {
  const stat = await host.lstat(path);
  if (stat === undefined) return 'absent';
  return stat.kind === 'socket' ? await probeSocket(path) : 'foreign';
}

/** Removes `path` if it is a socket nobody listens on; whether it is ours is the caller's to know. */
export async function clearDeadSocket(host: Host, path: string): Promise<'absent' | 'removed' | 'alive' | 'foreign'> {
  const state = await socketState(host, path);
  if (state !== 'dead') return state;
  await host.unlink(path);
  return 'removed';
}

function isAbsolutePath(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/');
}

function parseRecord(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter(isAbsolutePath) : [];
  } catch {
    // A switch killed on a full disk may leave anything; then only the sockets with fixed names are known.
    return [];
  }
}

/**
 * The ports' sockets. Those in the run directory are known by their names, which spares a guest that starts the
 * wait for a file to be written; others are written down before each is made, so that the next switch knows
 * which of them were ours. Used only by the holder of the run directory's lock.
 */
export class SocketRecord {
  readonly #host: Host;
  readonly #file: string;
  readonly #runDir: string;
  readonly #paths = new Set<string>();

  constructor(host: Host, runDir: string) {
    this.#host = host;
    this.#runDir = runDir;
    this.#file = socketRecordPath(runDir);
  }

  async add(path: string): Promise<void> {
    this.#paths.add(path);
    if (this.#isElsewhere(path)) await this.#save();
  }

  async remove(path: string): Promise<void> {
    this.#paths.delete(path);
    if (this.#isElsewhere(path)) await this.#save();
  }

  /** Takes away what a dead switch left, one line about each. */
  async clearLeftovers(log: (line: string) => void): Promise<void> {
    const recorded = parseRecord((await this.#host.readOptional(this.#file)) ?? '[]');
    const named = (await this.#host.list(this.#runDir)).filter(isPortSocketName);
    const ports = new Set([...named.map((name) => join(this.#runDir, name)), ...recorded]);
    for (const path of [apiSocketPath(this.#runDir), claimSocketPath(this.#runDir), ...ports]) {
      const result = await clearDeadSocket(this.#host, path);
      if (result === 'removed') log(`removed ${printable(path)}, left by a switch that was killed`);
      if (result === 'alive' && ports.has(path)) log(`left ${printable(path)} alone: somebody listens on it`);
    }
    await this.#host.unlink(this.#file);
  }

  /** Writes the list again where it has gone. */
  async tend(): Promise<void> {
    if ((await this.#host.lstat(this.#file)) === undefined) await this.#save();
  }

  /** At the end, when the engine has taken its sockets away: no record stays. */
  async close(): Promise<void> {
    this.#paths.clear();
    await this.#host.unlink(this.#file);
  }

  #isElsewhere(path: string): boolean {
    return dirname(path) !== this.#runDir || !isPortSocketName(basename(path));
  }

  async #save(): Promise<void> {
    const elsewhere = [...this.#paths].filter((path) => this.#isElsewhere(path));
    if (elsewhere.length === 0) await this.#host.unlink(this.#file);
    else await this.#host.write(this.#file, `${JSON.stringify(elsewhere)}\n`, 0o600);
  }
}
