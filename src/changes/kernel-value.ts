import { VhostHostError, messageOf } from '../common/errors.js';
import type { Host } from '../host/host.js';
import type { SetValue } from './steps.js';
import type { ValueChange } from './change.js';

/**
 * Values of the running kernel: one call writes them, reading back tells what became of it, and the next start of
 * the system has forgotten them.
 */

export async function readValue(host: Host, path: string): Promise<string> {
  return (await host.read(path)).trim();
}

/** Changes with each start of the system; empty where no kernel tells. */
export async function bootId(host: Host): Promise<string> {
  return ((await host.readOptional('/proc/sys/kernel/random/boot_id')) ?? '').trim();
}

async function put(host: Host, path: string, value: string): Promise<string> {
  try {
    await host.writeInPlace(path, value);
  } catch (error) {
    throw new VhostHostError('CHANGE_FAILED', `${path} does not take ${value}: ${messageOf(error)}`, { cause: error });
  }
  return readValue(host, path);
}

/** Return: what was read back. */
export async function raiseOrSet(host: Host, { path, value, raise }: SetValue): Promise<string> {
  const before = await readValue(host, path);
  if (raise === undefined) {
    const got = await put(host, path, value);
    if (got === value) return got;
    throw new VhostHostError('CHANGE_FAILED', `${path} is ${got} after ${value} was written`);
  }
  // Somebody else may have raised it since it was planned.
  if (Number(before) >= Number(value)) return before;
  const first = await put(host, path, value);
  if (Number(first) >= Number(value) || (await host.stat(raise.retryAfter.path)) === undefined) return first;
  await host.writeInPlace(raise.retryAfter.path, raise.retryAfter.value);
  return put(host, path, value);
}

type Verdict = 'undone' | 'ours' | { readonly reason: string };

/** Killed while it was written, it may have come to anything on the way. */
function isOurs({ before, wanted, after }: ValueChange, now: string): boolean {
  if (after !== null) return now === after;
  const number = Number(now);
  return now === wanted || (number > Number(before) && number < Number(wanted));
}

async function judge(host: Host, change: ValueChange, now: string | undefined): Promise<Verdict> {
  const { path, before, wanted, after, boot } = change;
  // A node of memory that was taken out has taken its numbers along.
  if (now === undefined || now === before) return 'undone';
  if (!isOurs(change, now)) {
    if (boot !== (await bootId(host))) return 'undone';
    return { reason: `${path} is ${now} by now, neither ${after ?? wanted} as it was left nor ${before} as it was` };
  }
  const used = await usedOf(host, change);
  if (used <= Number(before)) return 'ours';
  return { reason: `${path} cannot go back to ${before}, because ${used} of ${now} are in use` };
}

async function usedOf(host: Host, { path, unused, promised }: ValueChange): Promise<number> {
  if (unused === null) return 0;
  const reserved = promised === null ? 0 : Number((await host.readOptional(promised)) ?? 0);
  return Number(await readValue(host, path)) - Number(await readValue(host, unused)) + reserved;
}

/**
 * What undoing it is going to show: a line of old and new. `values` are those that changes which are undone before
 * it leave behind.
 */
export async function foreseeValue(
  host: Host,
  change: ValueChange,
  values: Map<string, string>,
  conflicts: string[],
): Promise<string> {
  const now = values.get(change.path) ?? (await host.readOptional(change.path))?.trim();
  const verdict = await judge(host, change, now);
  if (verdict === 'undone') return '';
  if (verdict !== 'ours') conflicts.push(verdict.reason);
  values.set(change.path, change.before);
  return `${change.path}: ${now} -> ${change.before}\n`;
}

export async function revertValue(host: Host, change: ValueChange): Promise<void> {
  const verdict = await judge(host, change, (await host.readOptional(change.path))?.trim());
  if (verdict === 'undone') return;
  if (verdict !== 'ours') throw new VhostHostError('CHANGED_SINCE', verdict.reason);
  const got = await put(host, change.path, change.before);
  if (got === change.before) return;
  throw new VhostHostError('CHANGE_FAILED', `${change.path} is ${got} after ${change.before} was written`);
}
