import { VhostHostError, messageOf, printable } from '../common/errors.js';
import { request } from './client/http.js';
import { apiSocketPath, lockPath, prepareRunDir } from './run-dir/paths.js';
import type { Settings } from './config/settings.js';
import type { NativeBinding } from './addon/native.js';
import type { Unwind } from '../common/cleanup-stack.js';
import type { Host } from '../host/host.js';

/** How long the other switch may take to say who it is, for the error's sake only. */
const ASK_MS = 2000;

async function otherPid(runDir: string): Promise<number | undefined> {
  try {
    const { body } = await request(apiSocketPath(runDir), 'GET', '/v1/status', undefined, { timeoutMs: ASK_MS });
    const pid = (body as { pid?: unknown } | undefined)?.pid;
    return typeof pid === 'number' ? pid : undefined;
  } catch {
    // It starts or stops at this moment, or hangs; the lock alone decides that it is there.
    return undefined;
  }
}

/** A device number of stat(2) as /proc/locks writes it. */
function inLocks(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return [major, minor].map((number) => number.toString(16).padStart(2, '0')).join(':');
}

/**
 * Processes that hold a flock(2) on a file, by /proc/locks; those that only wait are none. `file`: its identity. Some
 * file systems (btrfs) have another device number there than in stat(2): what no lock has does not tell files apart.
 */
export function holders(locks: string, file: string): readonly number[] {
  const [device = '', inode = ''] = file.split(':');
  const entries = [...locks.matchAll(/^\d+: FLOCK +\S+ +\S+ +(\d+) (\S+):(\d+) /gm)];
  const alike = entries.filter(([, , , number]) => number === inode);
  const same = alike.filter(([, , on]) => on === inLocks(BigInt(device)));
  return (same.length > 0 ? same : alike).map(([, pid]) => Number(pid));
}

/**
 * Whether only other users' processes hold the lock on the directory. Whoever may read it, such as the group that runs
 * QEMU, can take that; none of them may keep a switch from starting.
 */
async function heldByStrangers(host: Host, path: string): Promise<boolean> {
  const found = holders((await host.readOptional('/proc/locks')) ?? '', (await host.identity(path)) ?? '');
  const users = await Promise.all(found.map(async (pid) => (await host.stat(`/proc/${pid}`))?.uid));
  return users.length > 0 && users.every((uid) => uid !== undefined && uid !== host.uid());
}

interface Held {
  /** -1: not held, because a stranger holds it. */
  readonly fd: number;
  /** Which file it is, whatever has its name by now. */
  readonly file: string | undefined;
}

export interface LockParts {
  readonly host: Host;
  readonly binding: Pick<NativeBinding, 'lock' | 'lockDirectory' | 'unlock'>;
  readonly settings: Pick<Settings, 'runDir' | 'socketGid'>;
}

/**
 * What makes a run directory one switch's own: a lock on the directory itself, which stands whatever is removed in it,
 * and one on the file that says which process the switch is.
 */
export class RunDirLock {
  readonly #parts: LockParts;
  #directory: Held;
  #file: Held;

  private constructor(parts: LockParts, directory: Held, file: Held) {
    this.#parts = parts;
    this.#directory = directory;
    this.#file = file;
  }

  /** undefined while another switch has it. */
  static async take(parts: LockParts): Promise<RunDirLock | undefined> {
    const { host, binding, settings } = parts;
    await prepareRunDir(host, settings.runDir, settings.socketGid);
    const directory = await holdDirectory(parts);
    if (directory === undefined) return undefined;
    try {
      const file = await hold(parts, lockPath(settings.runDir), (path) => binding.lock(path));
      if (file !== undefined) return new RunDirLock(parts, directory, file);
    } catch (error) {
      letGo(binding, directory);
      throw error;
    }
    letGo(binding, directory);
    return undefined;
  }

  /** Whether the directory by that name is still the one that is held. */
  async isOurs(): Promise<boolean> {
    return (await this.#parts.host.identity(this.#parts.settings.runDir)) === this.#directory.file;
  }

  /** Holds what has been made anew by somebody, or makes it. `lost`: another switch lives there now. */
  async tend(): Promise<'kept' | 'renewed' | 'lost'> {
    const { host, binding, settings } = this.#parts;
    const path = lockPath(settings.runDir);
    const moved = !(await this.isOurs());
    if (!moved && (await host.identity(path)) === this.#file.file) return 'kept';
    if (moved) {
      const next = await RunDirLock.take(this.#parts);
      if (next === undefined) return 'lost';
      this.#letGo();
      this.#directory = next.#directory;
      this.#file = next.#file;
      return 'renewed';
    }
    const file = await hold(this.#parts, path, (at) => binding.lock(at));
    if (file === undefined) return 'lost';
    binding.unlock(this.#file.fd);
    this.#file = file;
    return 'renewed';
  }

  async release(): Promise<void> {
    const { host, settings } = this.#parts;
    const path = lockPath(settings.runDir);
    // The file goes while the lock is still held: afterwards it may be another switch's.
    if ((await host.identity(path)) === this.#file.file) await host.unlink(path);
    this.#letGo();
  }

  #letGo(): void {
    letGo(this.#parts.binding, this.#file);
    letGo(this.#parts.binding, this.#directory);
  }
}

function letGo(binding: LockParts['binding'], { fd }: Held): void {
  if (fd !== -1) binding.unlock(fd);
}

async function holdDirectory(parts: LockParts): Promise<Held | undefined> {
  const { host, binding, settings } = parts;
  const held = await hold(parts, settings.runDir, (path) => binding.lockDirectory(path));
  if (held !== undefined || !(await heldByStrangers(host, settings.runDir))) return held;
  return { fd: -1, file: await host.identity(settings.runDir) };
}

async function hold({ host }: LockParts, path: string, lock: (path: string) => number): Promise<Held | undefined> {
  try {
    const fd = lock(path);
    return fd === -1 ? undefined : { fd, file: await host.identity(path) };
  } catch (error) {
    throw new VhostHostError('RUN_DIR_UNUSABLE', `cannot lock ${path}: ${printable(messageOf(error))}`, {
      cause: error,
    });
  }
}

/** Makes the run directory this process's own until `unwind`; refuses while another switch lives in it. */
export async function takeRunDir(parts: LockParts, unwind: Unwind): Promise<RunDirLock> {
  const { runDir } = parts.settings;
  const lock = await RunDirLock.take(parts);
  if (lock === undefined) {
    const pid = await otherPid(runDir);
    const who = pid === undefined ? '' : ` (process ${pid})`;
    throw new VhostHostError('SWITCH_RUNNING', `a switch is running in ${runDir}${who} already`, {
      hint: `vhost-host stop --run-dir ${runDir}`,
      details: pid === undefined ? { runDir } : { runDir, pid },
    });
  }
  unwind.push('the lock', () => lock.release());
  return lock;
}
