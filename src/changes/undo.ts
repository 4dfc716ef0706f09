import { putFile, refuseOthersPlace } from './perform.js';
import { VhostHostError, messageOf } from '../common/errors.js';
import type { Journal } from './journal.js';
import { foreseeValue, revertValue } from './kernel-value.js';
import { unmount } from './mount.js';
import { runUntil } from '../host/run-checked.js';
import { fileDiff, readSnapshot, sameFile } from './steps.js';
import type { Snapshot } from './steps.js';
import type { Host } from '../host/host.js';
import { hashOf } from './change.js';
import type { Change, FileChange } from './change.js';

/** One change to take back, in the order in which that happens. */
export interface Undoing {
  readonly journal: Journal;
  readonly change: Change;
  /** What the user reads before agreeing. */
  readonly line: string;
  readonly diff: string;
}

/**
 * What undoing these runs (newest first) means, looked at before anything is touched. Refuses as a whole
 * where a file is no longer as we left it; `leave` names files and steps to be kept as they are.
 */
export async function planUndo(host: Host, journals: readonly Journal[], leave: readonly string[]): Promise<Undoing[]> {
  refuseUnknown(journals, leave);
  const plan: Undoing[] = [];
  const conflicts: string[] = [];
  // A file may have been changed by several runs: what an older one finds is what the newer one leaves.
  const files = new Map<string, Snapshot | undefined>();
  const values = new Map<string, string>();
  for (const journal of journals) {
    for (const change of [...journal.changes].reverse()) {
      if (isLeft(change, leave)) {
        plan.push({ journal, change, line: `keep ${nameOf(change)} as it is`, diff: '' });
        continue;
      }
      const diff =
        change.kind === 'file'
          ? await foresee(host, change, files, conflicts)
          : change.kind === 'value'
            ? await foreseeValue(host, change, values, conflicts)
            : '';
      plan.push({ journal, change, line: describe(change), diff });
    }
  }
  refuseConflicts(conflicts);
  return plan;
}

/** A misspelt path must not look as if it had been kept. */
function refuseUnknown(journals: readonly Journal[], leave: readonly string[]): void {
  const changes = journals.flatMap((journal) => journal.changes);
  const unknown = leave.find((name) => !changes.some((change) => isLeft(change, [name])));
  if (unknown === undefined) return;
  const known = [...new Set(changes.map(({ step }) => step))].join(', ') || 'none';
  throw new VhostHostError('USAGE', `--leave ${unknown} names nothing that was changed (steps: ${known})`, {
    hint: '--undo --dry-run lists it',
  });
}

function isLeft(change: Change, leave: readonly string[]): boolean {
  return leave.includes(change.step) || (change.kind !== 'run' && leave.includes(change.path));
}

function nameOf(change: Change): string {
  return change.kind === 'run' ? change.step : change.path;
}

function describe(change: Change): string {
  switch (change.kind) {
    case 'directory':
      return `remove the directory ${change.path} if it is empty`;
    case 'file':
      return change.before === null ? `remove ${change.path}` : `put back ${change.path}`;
    case 'value':
      return `set ${change.path} back to ${change.before}`;
    case 'mount':
      return change.before === null ? `unmount ${change.path}` : `mount ${change.path} with ${change.before} again`;
    case 'run':
      return [...change.makes.map((path) => `remove ${path}`), change.undo?.join(' ') ?? ''].filter(Boolean).join(', ');
  }
}

async function foresee(
  host: Host,
  change: FileChange,
  files: Map<string, Snapshot | undefined>,
  conflicts: string[],
): Promise<string> {
  const { path } = change;
  const now = files.has(path) ? files.get(path) : await readSnapshot(host, path);
  if (isUndone(change, now)) return '';
  if (now === undefined) conflicts.push(`${path} was removed since`);
  else if (hashOf(now.text) !== change.after.hash) conflicts.push(`${path} was changed since`);
  const before = restored(change, now);
  files.set(path, before);
  return fileDiff(path, now, before);
}

function isUndone(change: FileChange, now: Snapshot | undefined): boolean {
  return sameFile(now, restored(change, now));
}

/** The file as it was; mode and owner only where we had changed them. */
function restored({ before, after }: FileChange, now: Snapshot | undefined): Snapshot | undefined {
  if (before === null) return undefined;
  const ours = (key: 'mode' | 'uid' | 'gid'): number =>
    before[key] === after[key] ? (now?.[key] ?? before[key]) : before[key];
  return { text: before.text, mode: ours('mode'), uid: ours('uid'), gid: ours('gid') };
}

function refuseConflicts(conflicts: readonly string[]): void {
  if (conflicts.length === 0) return;
  const paths = [...new Set(conflicts)].map((line) => line.split(' ')[0] ?? '');
  throw new VhostHostError('CHANGED_SINCE', `${[...new Set(conflicts)].join('; ')}: nothing was undone`, {
    hint: `${paths.map((path) => `--leave ${path}`).join(' ')} keeps what stands there now and undoes the rest`,
    details: { paths },
  });
}

/** Takes one change back and forgets it. Doing it twice is harmless: a killed undo is simply started again. */
export async function undoOne(host: Host, { journal, change, line }: Undoing, leave: readonly string[]): Promise<void> {
  if (isLeft(change, leave)) return journal.forget(change);
  const marked = await journal.mark(change, true);
  try {
    await revert(host, change);
  } catch (error) {
    // It said no, so nothing is half done. After anything else its next failure may just mean "done already".
    if (error instanceof VhostHostError && error.code === 'COMMAND_FAILED')
      await journal.mark(marked, change.kind === 'run' && change.begun);
    throw new VhostHostError('CHANGE_FAILED', `${line}: ${messageOf(error)}; what was done after it is undone`, {
      hint: `fix the reason and undo again, or keep it: --leave ${change.step}`,
      details: { step: change.step, journal: journal.path },
      cause: error,
    });
  }
  await journal.forget(marked);
}

async function revert(host: Host, change: Change): Promise<void> {
  switch (change.kind) {
    case 'directory':
      await host.rmdir(change.path);
      return;
    case 'file': {
      const now = await readSnapshot(host, change.path);
      if (isUndone(change, now)) return;
      const before = restored(change, now);
      await refuseOthersPlace(host, change.path);
      if (before === undefined) await host.unlink(change.path);
      else await putFile(host, change.path, before);
      return;
    }
    case 'value':
      await revertValue(host, change);
      return;
    case 'mount':
      await unmount(host, change);
      return;
    case 'run':
      await revertCommand(host, change);
  }
}

/** A command that was cut off may have done nothing; then what takes it back may fail, and that is fine. */
async function revertCommand(host: Host, change: Extract<Change, { kind: 'run' }>): Promise<void> {
  const { undo, makes, undone, begun } = change;
  try {
    if (undo !== null) await runUntil(host, undo, undone ?? undefined);
  } catch (error) {
    if (!begun) throw error;
  }
  for (const path of makes) await host.unlink(path);
}
