import { spawn } from 'node:child_process';
import type { StdioOptions } from 'node:child_process';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { VhostHostError, errnoOf, messageOf, printable } from './errors.js';

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
}

export interface DetachedChild {
  readonly pid: number;
  /** First line that the child writes on descriptor 3, or undefined when it ended without one. */
  readonly firstLine: Promise<string | undefined>;
  /** Lets this process end while the child goes on. */
  release(): void;
}

/**
 * Every effect on the system goes through here, so that tests can pass a fake keyed by exact argv
 * and exact path. Nothing else in `src/` imports execa or `node:fs`.
 */
export interface Host {
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  spawnDetached(command: string, args: readonly string[], logPath: string): Promise<DetachedChild>;
  read(path: string): Promise<string>;
  /** undefined where there is no such file; any other failure is thrown. */
  readOptional(path: string): Promise<string | undefined>;
  /** Replaces the file as a whole (temporary file, fsync, rename); mode applies to a new file. */
  write(path: string, text: string, mode?: number): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Like `stat`, but tells of a symbolic link itself: for whoever must not be led elsewhere. */
  lstat(path: string): Promise<FileStat | undefined>;
  mkdir(path: string, mode: number): Promise<void>;
  chown(path: string, uid: number, gid: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  unlink(path: string): Promise<void>;
  realpath(path: string): Promise<string | undefined>;
  uid(): number;
  env(name: string): string | undefined;
  now(): number;
}

function kindOf(stat: Stats): FileStat['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSocket()) return 'socket';
  if (stat.isSymbolicLink()) return 'symlink';
  return stat.isCharacterDevice() ? 'character' : 'other';
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function describe(work: Promise<Stats>): Promise<FileStat | undefined> {
  const stat = await orUndefined(work);
  if (stat === undefined) return undefined;
  return { kind: kindOf(stat), mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, size: stat.size };
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
      details: { command, args },
    });
  }
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
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
  const log = await fs.open(logPath, 'a', 0o640);
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

export const realHost: Host = {
  run,
  spawnDetached,
  read: (path) => fs.readFile(path, 'utf8'),
  readOptional: (path) => orUndefined(fs.readFile(path, 'utf8')),
  async write(path, text, mode) {
    const { default: writeFileAtomic } = await import('write-file-atomic');
    await writeFileAtomic(path, text, mode === undefined ? {} : { mode });
  },
  list: async (path) => (await orUndefined(fs.readdir(path))) ?? [],
  stat: (path) => describe(fs.stat(path)),
  lstat: (path) => describe(fs.lstat(path)),
  mkdir: async (path, mode) => void (await fs.mkdir(path, { recursive: true, mode })),
  chown: (path, uid, gid) => fs.chown(path, uid, gid),
  chmod: (path, mode) => fs.chmod(path, mode),
  unlink: async (path) => void (await orUndefined(fs.unlink(path))),
  realpath: (path) => orUndefined(fs.realpath(path)),
  uid: () => process.getuid?.() ?? 0,
  env: (name) => process.env[name],
  now: () => Date.now(),
};
