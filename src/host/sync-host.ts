import * as fs from 'node:fs';
import { errnoOf } from '../common/errors.js';
import type { ByteRange, Host } from './host.js';
import { describeStat, isMissing } from './stat.js';

/**
 * The part of the system that qemu-wrap's planner needs. It lives for milliseconds with every start of a
 * guest, so it reads at once instead of by way of promises and threads, and loads none of Node's streams.
 */
export type QuickHost = Pick<
  Host,
  | 'run'
  | 'read'
  | 'readOptional'
  | 'readBytes'
  | 'list'
  | 'stat'
  | 'lstat'
  | 'realpath'
  | 'readLink'
  | 'uid'
  | 'env'
  | 'now'
>;

/** What `look` finds; undefined where there is no such file. Failures are the promise's. */
async function found<T>(look: () => T): Promise<Awaited<T> | undefined> {
  try {
    return await look();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function readBytes(path: string, range?: ByteRange): Buffer {
  if (range === undefined) return fs.readFileSync(path);
  const descriptor = fs.openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(range.length);
    return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, range.length, range.offset));
  } finally {
    fs.closeSync(descriptor);
  }
}

export const quickHost: QuickHost = {
  // Only to start a switch, which takes longer than loading what that needs.
  run: async (...call) => (await import('./node-host.js')).realHost.run(...call),
  read: (path) => Promise.resolve().then(() => fs.readFileSync(path, 'utf8')),
  readOptional: (path) => found(() => fs.readFileSync(path, 'utf8')),
  readBytes: (path, range) => found(() => readBytes(path, range)),
  list: async (path) => (await found(() => fs.readdirSync(path))) ?? [],
  stat: (path) => found(() => describeStat(fs.statSync(path))),
  lstat: (path) => found(() => describeStat(fs.lstatSync(path))),
  realpath: (path) => found(() => fs.realpathSync(path)),
  readLink: (path) => found(() => fs.readlinkSync(path)),
  uid: () => process.getuid?.() ?? 0,
  env: (name) => process.env[name],
  now: () => Date.now(),
};

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Again until it can be done. The packages that run commands open this process's streams, and with that make stdin
 * and stdout ones that never wait.
 */
function patiently(work: () => number): number {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

/** Writes all of it before it returns, to a descriptor that may be a pipe. */
export function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) at += patiently(() => fs.writeSync(descriptor, bytes, at));
}

/** Waits for bytes until `parse` can make something of all that have come; fails where they end before that. */
export function readUntil<T>(descriptor: number, parse: (bytes: Buffer) => T | undefined): T {
  let bytes = Buffer.allocUnsafe(4096);
  for (let length = 0; ;) {
    if (length === bytes.length) bytes = Buffer.concat([bytes], 2 * length);
    const got = patiently(() => fs.readSync(descriptor, bytes, length, bytes.length - length, null));
    if (got === 0) throw new Error(`descriptor ${descriptor} ended early`);
    length += got;
    const parsed = parse(bytes.subarray(0, length));
    if (parsed !== undefined) return parsed;
  }
}
