import { spawn } from 'node:child_process';
import type { StdioOptions } from 'node:child_process';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { VhostHostError, errnoOf, messageOf, printable } from '../common/errors.js';
import { describeStat, isMissing } from './sync-host.js';

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'socket' | 'character' | 'symlink' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** When the file or what is known about it was changed last; libvirt takes it for the age of an emulator. */
  readonly ctimeMs: number;
}

export interface DetachedChild {
  readonly pid: number;
  /** First line that the child writes on descriptor 3, or undefined when it ended without one. */
  readonly firstLine: Promise<string | undefined>;
  /** Lets this process end while the child goes on. */
  release(): void;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Every effect on the system goes through here, so that tests can pass a fake keyed by exact argv
 * and exact path. Nothing else in `src/` imports execa or `node:fs`, but for `quick-host.ts`.
 */
export interface Host {
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  spawnDetached(command: string, args: readonly string[], logPath: string): Promise<DetachedChild>;
  read(path: string): Promise<string>;
  /** undefined where there is no such file; any other failure is thrown. */
  readOptional(path: string): Promise<string | undefined>;
  /** Bytes of a file, all of them or those of `range`, fewer where it ends before; undefined where there is no such file. */
  readBytes(path: string, range?: ByteRange): Promise<Buffer | undefined>;
  /** Replaces the file as a whole (temporary file, fsync, rename); mode applies to a new file. */
  write(path: string, text: string, mode?: number): Promise<void>;
  /** Writes into a file that is there, by one call of the kernel: for files of sysfs and /proc. */
  writeInPlace(path: string, text: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Like `stat`, but tells of a symbolic link itself: for whoever must not be led elsewhere. */
  lstat(path: string): Promise<FileStat | undefined>;
  mkdir(path: string, mode: number): Promise<void>;
  /** Both of what has this name itself: a symbolic link is refused (ELOOP), whenever it came there. */
  chown(path: string, uid: number, gid: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** Which file has this name, whatever it is; undefined where none has. Stands as long as the file is open somewhere. */
  identity(path: string): Promise<string | undefined>;
  /** What has the new name goes. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Whether the directory is gone now; one that is not empty stays. */
  rmdir(path: string): Promise<boolean>;
  realpath(path: string): Promise<string | undefined>;
  /** What a symbolic link says, as it stands there; undefined where there is no symbolic link. */
  readLink(path: string): Promise<string | undefined>;
  uid(): number;
  env(name: string): string | undefined;
  now(): number;
}

async function identity(path: string): Promise<string | undefined> {
  const stat = await orUndefined(fs.lstat(path, { bigint: true }));
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function describe(work: Promise<Stats>): Promise<FileStat | undefined> {
  const stat = await orUndefined(work);
  return stat === undefined ? undefined : describeStat(stat);
}

async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  // Imported on first use: qemu-wrap plans without ever running a command, and start-up time counts there.
  const { execa } = await import('execa');
  const result = await execa(command, [...args], {
    reject: false,
    stdin: options.input === undefined ? 'ignore' : 'pipe',
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  if (result.exitCode === undefined) {
    throw new VhostHostError('COMMAND_FAILED', `${command}: ${printable(messageOf(result))}`, {
      details: { command, args, errno: errnoOf(result) },
    });
  }
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}

async function readBytes(path: string, range?: ByteRange): Promise<Buffer> {
  if (range === undefined) return fs.readFile(path);
  const { offset, length } = range;
  const file = await fs.open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The first line a stream gives before it ends; the rest is read and thrown away. */
function firstLineOf(stream: NodeJS.ReadableStream): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
    stream.on('error', () => resolve(undefined));
    stream.on('close', () => resolve(undefined));
  });
}

async function spawnDetached(command: string, args: readonly string[], logPath: string): Promise<DetachedChild> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = fs.constants;
  const log = await fs.open(logPath, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
  try {
    const stdio: StdioOptions = ['ignore', log.fd, log.fd, 'pipe'];
    const child = spawn(command, [...args], { detached: true, stdio, cwd: '/' });
    const ready = child.stdio[3] as NodeJS.ReadableStream & { destroy(): void };
    const firstLine = firstLineOf(ready);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    const release = (): void => {
      child.unref();
      ready.destroy();
    };
    return { pid: child.pid ?? 0, firstLine, release };
  } finally {
    await log.close();
  }
}

/**
 * By hand: write-file-atomic 7 takes a short write, which is how a disk says that it is getting full, for a
 * whole one, and puts the torn file in the place of the old.
 */
async function write(path: string, text: string, mode?: number): Promise<void> {
  const target = (await orUndefined(fs.realpath(path))) ?? path;
  const old = await orUndefined(fs.stat(target));
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`);
  const file = await fs.open(temporary, 'wx', mode ?? 0o666);
  try {
    try {
      await file.writeFile(text);
      if (old !== undefined) await keepOwner(file, old);
      if (mode !== undefined || old !== undefined) await file.chmod(mode ?? (old?.mode ?? 0) & 0o7777);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, target);
  } catch (error) {
    await fs.unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** Only root can give a file away; another user's rewrite makes it his own. */
async function keepOwner(file: fs.FileHandle, old: Stats): Promise<void> {
  try {
    await file.chown(old.uid, old.gid);
  } catch (error) {
    if (process.getuid?.() === 0 || errnoOf(error) !== 'EPERM') throw error;
  }
}

async function writeInPlace(path: string, text: string): Promise<void> {
  const file = await fs.open(path, fs.constants.O_WRONLY);
  try {
    await file.write(text);
  } finally {
    await file.close();
  }
}

/** Plainly first: of a read-only file system Node's recursive mkdir says that the parent is missing. */
async function mkdir(path: string, mode: number): Promise<void> {
  try {
    await fs.mkdir(path, { mode });
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'EEXIST') throw error;
    await fs.mkdir(path, { recursive: true, mode });
  }
}

/** open(2); Node does not name it. The descriptor stands for a place, and opens nothing. */
const O_PATH = 0o10000000;

/** Works on what `path` is at one moment, by a descriptor: a name may mean something else a moment later. */
async function atPlace(path: string, work: (place: string) => Promise<void>): Promise<void> {
  const file = await fs.open(path, O_PATH | fs.constants.O_NOFOLLOW);
  try {
    if ((await file.stat()).isSymbolicLink()) {
      throw Object.assign(new Error(`ELOOP: ${path} is a symbolic link`), { code: 'ELOOP' });
    }
    // There is no fchmod(2) for such a descriptor.
    await work(`/proc/self/fd/${file.fd}`);
  } finally {
    await file.close();
  }
}

async function rmdir(path: string): Promise<boolean> {
  try {
    await orUndefined(fs.rmdir(path));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function readLink(path: string): Promise<string | undefined> {
  try {
    return await orUndefined(fs.readlink(path));
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

export const realHost: Host = {
  run,
  spawnDetached,
  read: (path) => fs.readFile(path, 'utf8'),
  readOptional: (path) => orUndefined(fs.readFile(path, 'utf8')),
  readBytes: (path, range) => orUndefined(readBytes(path, range)),
  write,
  writeInPlace,
  list: async (path) => (await orUndefined(fs.readdir(path))) ?? [],
  stat: (path) => describe(fs.stat(path)),
  lstat: (path) => describe(fs.lstat(path)),
  mkdir,
  chown: (path, uid, gid) => atPlace(path, (place) => fs.chown(place, uid, gid)),
  chmod: (path, mode) => atPlace(path, (place) => fs.chmod(place, mode)),
  identity,
  rename: (from, to) => fs.rename(from, to),
  unlink: async (path) => void (await orUndefined(fs.unlink(path))),
  rmdir,
  realpath: (path) => orUndefined(fs.realpath(path)),
  readLink,
  uid: () => process.getuid?.() ?? 0,
  env: (name) => process.env[name],
  now: () => Date.now(),
};
