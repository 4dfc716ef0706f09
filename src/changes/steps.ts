import { unifiedDiff } from '../common/diff.js';
import { VhostHostError } from '../common/errors.js';
import type { FileStat, Host } from '../host/host.js';
import type { LinkTo } from '../host/kernel/sysfs-link.js';

/**
 * Changes to the host as data. One list of steps is what the user reads, what a dry run prints, what is
 * done, and what the journal takes down so that a later process can undo it.
 */

/** A file as it shall be; missing directories above it are made. What is not named stays as it is. */
export interface WriteFile {
  readonly kind: 'write';
  readonly path: string;
  readonly text: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** A command, and the one that takes it back; either may be missing. `makes` names files that undo removes. */
export interface RunCommand {
  readonly kind: 'run';
  readonly command?: readonly string[];
  readonly undo?: readonly string[];
  readonly makes?: readonly string[];
  /** For commands that may end well with their work not done: they are run again a few times, until it is. */
  readonly until?: {
    readonly done?: LinkTo;
    readonly undone?: LinkTo;
    /** What has to be said again before the command is run again: it may have been lost too. */
    readonly sayAgain?: readonly string[];
  };
}

/** Makes a file look changed without changing it. */
export interface TouchFile {
  readonly kind: 'touch';
  readonly path: string;
}

/** A directory as a place for something; ones that are missing above it are made too. Undone where it is empty. */
export interface MakeDirectory {
  readonly kind: 'directory';
  readonly path: string;
}

/** A value of the running kernel (sysfs, /proc/sys), written in place and read back. */
export interface SetValue {
  readonly kind: 'set';
  readonly path: string;
  readonly value: string;
  /** It is a number that is only ever raised, and the kernel may give less: what it gave is kept. */
  readonly raise?: Raise;
}

export interface Raise {
  /** Something to write, once, where it gave less, before it is asked again. */
  readonly retryAfter: { readonly path: string; readonly value: string };
  /** Where the kernel tells how many of them nobody uses; undo does not take others. */
  readonly unused: string;
  /** How many of the unused are promised to somebody. */
  readonly promised: string;
}

/** A file system mounted, such as `hugetlbfs`, in the running system only. */
export interface MountAction {
  readonly kind: 'mount';
  readonly path: string;
  readonly type: string;
  readonly options: string;
  /** Options of the mount of the same type that is there now and goes for it, in the kernel's own words. */
  readonly replaces?: string;
}

/** Looks between two others, and changes nothing: what is wrong stops the step. */
export interface CheckAction {
  readonly kind: 'check';
  check(host: Host): Promise<string | undefined>;
}

export type Action = WriteFile | RunCommand | TouchFile | MakeDirectory | SetValue | MountAction | CheckAction;

export interface Step {
  /** Stable name, for scripts and for `--leave`. */
  readonly id: string;
  readonly title: string;
  readonly why: string;
  readonly current: string;
  readonly wanted: string;
  /** Unified diffs of the files that change. */
  readonly diff: string;
  /** In this order, and undone in the opposite one. None: nothing to change. */
  readonly actions: readonly Action[];
  readonly needsReboot: boolean;
  /** Where it fails, what it has changed by then is taken back at once: half of it would do harm. */
  readonly takesBack?: boolean;
  /** What is wrong afterwards, beyond the files, which are read back in any case. */
  verify?(host: Host): Promise<string | undefined>;
  /** What the user should hear although the step is done, such as that the kernel gave less than was requested. */
  remark?(host: Host): Promise<string | undefined>;
}

export function isDone(step: Step): boolean {
  return step.actions.length === 0;
}

/** A file as it stands, to be compared, journalled and put back. */
export interface Snapshot {
  readonly text: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The file, undefined where there is none. Refuses what could not be put back byte for byte. */
export async function readSnapshot(host: Host, path: string): Promise<Snapshot | undefined> {
  const stat = await host.stat(path);
  if (stat === undefined) {
    if ((await host.lstat(path)) !== undefined) throw refusal(path, 'is a symbolic link that leads nowhere');
    return undefined;
  }
  if (stat.kind !== 'file') throw refusal(path, `is a ${stat.kind}, not a file`);
  const text = await host.read(path);
  if (text.includes('\uFFFD')) throw refusal(path, 'is not UTF-8 text; it is left alone');
  return { text, mode: stat.mode, uid: stat.uid, gid: stat.gid };
}

function refusal(path: string, reason: string): VhostHostError {
  return new VhostHostError('SETUP_REFUSED', `${path} ${reason}`, { hint: `ls -l ${path}`, details: { path } });
}

const NEW_FILE_MODE = 0o644;

/** The state a write leads to. */
export function resultOf(action: WriteFile, before: Snapshot | undefined): Snapshot {
  return {
    text: action.text,
    mode: action.mode ?? before?.mode ?? NEW_FILE_MODE,
    uid: action.uid ?? before?.uid ?? 0,
    gid: action.gid ?? before?.gid ?? 0,
  };
}

export function sameFile(a: Snapshot | undefined, b: Snapshot | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.text === b.text && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

/** `mode 0755, owner 0:0`, as people compare files by. */
export function rights({ mode, uid, gid }: Pick<FileStat, 'mode' | 'uid' | 'gid'>): string {
  return `mode ${mode.toString(8).padStart(4, '0')}, owner ${uid}:${gid}`;
}

/** What a change to a file looks like to people: the diff, and a line where mode or owner change. */
export function fileDiff(path: string, before: Snapshot | undefined, after: Snapshot | undefined): string {
  const text = unifiedDiff(path, before?.text ?? '', after?.text ?? '');
  if (before === undefined) return after === undefined ? '' : `new file ${path}, ${rights(after)}\n${text}`;
  if (after === undefined) return `${path} is removed\n${text}`;
  return rights(before) === rights(after) ? text : `${path}: ${rights(before)} -> ${rights(after)}\n${text}`;
}

/** The writes that change something, with the diff of them all. */
export async function planWrites(
  host: Host,
  writes: readonly WriteFile[],
): Promise<{ readonly actions: readonly WriteFile[]; readonly diff: string }> {
  const actions: WriteFile[] = [];
  let diff = '';
  for (const action of writes) {
    const before = await readSnapshot(host, action.path);
    const after = resultOf(action, before);
    if (sameFile(before, after)) continue;
    actions.push(action);
    diff += fileDiff(action.path, before, after);
  }
  return { actions, diff };
}

/**
 * `actions` with a command after them that makes the system take note; when they are undone, the same (or
 * `undo`) runs after that, which is why it stands at both ends.
 */
export function followedBy(
  actions: readonly Action[],
  command: readonly string[],
  undo: readonly string[] = command,
): Action[] {
  return [{ kind: 'run', undo }, ...actions, { kind: 'run', command }];
}
