import { spawn } from 'node:child_process';
import type { StdioOptions } from 'node:child_process';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { VhostHostError, errnoOf, messageOf, printable } from '../common/errors.js';
import { describeStat, isMissing } from './stat.js';
import type { ByteRange, DetachedChild, FileStat, Host, RunOptions, RunResult } from './host.js';

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
