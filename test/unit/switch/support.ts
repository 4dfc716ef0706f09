import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { VhostHostError } from '../../../src/common/errors.js';
import type { ErrorCode } from '../../../src/common/errors.js';
import { realHost } from '../../../src/host/node-host.js';
import type { Clock } from '../../../src/common/clock.js';
import type { Settings } from '../../../src/switch/config/settings.js';
import { startDaemon } from '../../../src/switch/daemon.js';
import type { Daemon } from '../../../src/switch/daemon.js';
import { FakeBinding } from '../../helpers/fake-binding.js';
import type { FileStat, Host } from '../../../src/host/host.js';

/** A directory with a short path (sockets), gone after the test. */
export async function withDir<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp('/tmp/vhu-');
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** A host that knows only the files and variables it is given; the rest of it is the real one. */
export function fakeHost(facts: {
  readonly uid?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly stats?: Readonly<Record<string, FileStat>>;
}): Host {
  const files = facts.files ?? {};
  return {
    ...realHost,
    uid: () => facts.uid ?? 0,
    env: (name) => facts.env?.[name],
    readOptional: (path) => Promise.resolve(files[path]),
    read: (path) => {
      const text = files[path];
      return text === undefined
        ? Promise.reject(Object.assign(new Error('missing'), { code: 'ENOENT' }))
        : Promise.resolve(text);
    },
    list: (path) => {
      const below = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      return Promise.resolve([...new Set(below.map((file) => file.slice(path.length + 1).split('/')[0] ?? ''))]);
    },
    lstat: (path) => Promise.resolve(facts.stats?.[path]),
    stat: (path) => Promise.resolve(facts.stats?.[path]),
  };
}

/** Time that stands still until it is told otherwise. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #work = new Set<() => void>();

  now(): number {
    return this.#now;
  }

  every(_ms: number, work: () => void): () => void {
    this.#work.add(work);
    return () => this.#work.delete(work);
  }

  /** Moves on, and runs what is due every second once. */
  advance(seconds: number): void {
    this.#now += seconds * 1000;
    for (const work of this.#work) work();
  }

  get running(): number {
    return this.#work.size;
  }
}

/** The error that `work` must end with. */
export async function failure(code: ErrorCode, work: Promise<unknown> | (() => unknown)): Promise<VhostHostError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof VhostHostError && error.code === code) return error;
    throw error;
  }
  throw new Error(`expected ${code}, but it succeeded`);
}

export function settingsFor(runDir: string, change: Partial<Settings> = {}): Settings {
  return {
    configFile: null,
    runDir,
    workers: [-1],
    poll: 'adaptive',
    mergeable: true,
    rxRetryNum: 4,
    rxRetryDelayUs: 15,
    macAgeing: 300,
    memoryMb: 64,
    hugepages: 'off',
    socketMode: 0o600,
    socketGid: -1,
    claimGid: -1,
    devBaseName: 'usvhost',
    ports: [],
    uplinks: [],
    vlan: 'none',
    vlanStrip: true,
    vm2vm: 'software',
    zeroCopy: false,
    rxDescriptors: 32,
    txDescriptors: 64,
    offloads: false,
    stats: 0,
    memoryChannels: undefined,
    logLevel: 6,
    logMaxBytes: 4096 * 1024,
    logFiles: 1,
    ...change,
  };
}

export interface Bench {
  readonly runDir: string;
  readonly binding: FakeBinding;
  readonly clock: FakeClock;
  readonly log: string[];
  readonly daemon: Daemon;
}

/** A daemon over a fake engine in a directory of its own, stopped after the test. */
export async function withDaemon(work: (bench: Bench) => Promise<void>, change: Partial<Settings> = {}): Promise<void> {
  await withDir(async (dir) => {
    const bench = await startBench(join(dir, 'run'), change);
    try {
      await work(bench);
    } finally {
      await bench.daemon.stop();
    }
  });
}

export async function startBench(
  runDir: string,
  change: Partial<Settings> = {},
  binding = new FakeBinding(),
  host: Host = realHost,
): Promise<Bench> {
  const clock = new FakeClock();
  const log: string[] = [];
  const write = (line: string): void => void log.push(line);
  const settings = settingsFor(runDir, change);
  const daemon = await startDaemon({ host, binding, settings, clock, version: '9.9.9', logsToFile: false, write });
  return { runDir, binding, clock, log, daemon };
}

/** Leaves a socket file behind that nobody listens on, as a killed process does. */
export async function leaveDeadSocket(path: string): Promise<void> {
  const { execFileSync } = await import('node:child_process');
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  try {
    execFileSync(process.execPath, ['-e', script, path], { stdio: 'ignore' });
  } catch {
    // Killed, as intended.
  }
}

/** Listens on a path while `work` runs. */
export async function whileListening<T>(path: string, work: () => Promise<T>): Promise<T> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    return await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
