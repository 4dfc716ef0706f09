import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { launcherTable } from '../../../src/common/node-flags.js';

/** What the stand-in for QEMU was started with. */
export interface Report {
  readonly pid: number;
  readonly args: readonly Buffer[];
  /** Descriptor number to inode. */
  readonly fds: ReadonlyMap<number, number>;
  readonly sigchld: string;
}

export interface Outcome {
  readonly pid: number | undefined;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** undefined when the emulator never ran. */
  readonly report: Report | undefined;
}

/** The launcher is tested as it is shipped and once more under the sanitizers. */
export const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  plain: ['-O2'],
  'with sanitizers': ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
};

export function textsOf({ report }: Outcome): string[] {
  return (report?.args ?? []).map((arg) => arg.toString());
}

/** A guest that has to be planned. */
export const GUEST = '-netdev tap,id=h1,vhost=on,vhostfd=30 -device virtio-net-pci,netdev=h1 -m 64'.split(' ');

/** A dead process that init has not collected yet does not count. */
export function isAlive(pid: string): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

const FLAGS = ['-std=c11', '-Wall', '-Wextra', '-Wconversion', '-Werror', '-g'];

function compile(flags: readonly string[], sources: readonly string[], output: string): void {
  execFileSync('cc', [...FLAGS, ...flags, '-o', output, ...sources]);
}

function parseReport(text: string): Report {
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '));
  const of = (kind: string): string[][] => lines.filter(([first]) => first === kind).map((line) => line.slice(1));
  return {
    pid: Number(of('pid')[0]?.[0]),
    args: of('arg').map(([hex]) => Buffer.from(hex ?? '', 'hex')),
    fds: new Map(of('fd').map(([fd, inode]) => [Number(fd), Number(inode)])),
    sigchld: of('sigchld')[0]?.[0] ?? '',
  };
}

/** A copy of the installed package in a directory of its own, with a launcher compiled for this test. */
export class TestPackage {
  readonly root = mkdtempSync(join(tmpdir(), 'vh-launch-'));
  readonly wrapper = join(this.root, 'bin', 'qemu-wrap');
  readonly launcher = join(this.root, 'native', 'build', 'Release', 'vh-launch');
  readonly emulator = join(this.root, 'fake-qemu');
  readonly config = join(this.root, 'qemu-wrap.json');
  readonly runDir = join(this.root, 'run');
  private readonly reportPath = join(this.root, 'report');

  constructor(flags: readonly string[]) {
    for (const dir of [dirname(this.launcher), dirname(this.wrapper), this.runDir])
      mkdirSync(dir, { recursive: true, mode: 0o700 });
    const sources = readdirSync('native/launch').filter((name) => name.endsWith('.c'));
    compile(
      flags,
      sources.map((name) => join('native/launch', name)),
      this.launcher,
    );
    compile([], ['test/unit/launch/fake-emulator.c'], this.emulator);
    copyFileSync('bin/qemu-wrap', this.wrapper);
    mkdirSync(join(this.root, 'build'));
    this.reset();
  }

  /** Puts a planner of the test's own in place of the real one. */
  usePlanner(source: string): void {
    rmSync(join(this.root, 'build'), { recursive: true });
    mkdirSync(join(this.root, 'build', 'bundle', 'cli'), { recursive: true });
    this.write('wrap-start.cjs', source);
    this.write('node.table', launcherTable());
  }

  /** A file beside the planner; only after usePlanner(). */
  write(name: string, text: string): void {
    writeFileSync(join(this.root, 'build', 'bundle', 'cli', name), text);
  }

  forget(name: string): void {
    rmSync(join(this.root, 'build', 'bundle', 'cli', name));
  }

  /** Of a file that a program of the test wrote. */
  linesOf(name: string): string[] {
    return readFileSync(join(this.root, name), 'utf8').split('\n').slice(0, -1);
  }

  /** Back to the real planner and an empty configuration. */
  reset(): void {
    writeFileSync(this.config, '{}');
    rmSync(join(this.root, 'build'), { recursive: true });
    symlinkSync(resolve('build'), join(this.root, 'build'));
  }

  /** A shell script that ends by starting the wrapper, for what Node's spawn cannot do. */
  script(body: string): string {
    const path = join(this.root, 'script');
    writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    return path;
  }

  start(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    extra: readonly (number | 'ignore')[] = [],
    program: string = this.wrapper,
  ): ChildProcess {
    rmSync(this.reportPath, { force: true });
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...extra];
    return spawn(program, args, {
      stdio,
      env: {
        PATH: process.env['PATH'],
        VHOST_HOST_EMULATOR: this.emulator,
        VHOST_HOST_WRAP_CONFIG: this.config,
        VHOST_HOST_RUN_DIR: this.runDir,
        FAKE_EMULATOR_REPORT: this.reportPath,
        ...env,
      },
    });
  }

  async finish(child: ChildProcess): Promise<Outcome> {
    const texts = { stdout: '', stderr: '' };
    child.stdout?.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { pid: child.pid, code, signal, ...texts, report: this.readReport() };
  }

  run(...how: Parameters<TestPackage['start']>): Promise<Outcome> {
    return this.finish(this.start(...how));
  }

  private readReport(): Report | undefined {
    try {
      return parseReport(readFileSync(this.reportPath, 'utf8'));
    } catch {
      return undefined;
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
