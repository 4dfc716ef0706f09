import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { VARIABLES } from '../../../../src/hostsetup/boot/grub/line.js';
import type { RunResult } from '../../../../src/host/host.js';

/** A shell of this machine run with files that are only in memory, which lie below a directory of their own then. */
export function runShell(
  [program = '', ...options]: readonly string[],
  args: readonly string[],
  read: (path: string) => string | undefined,
): RunResult {
  const dir = mkdtempSync(join(tmpdir(), 'vh-sourced-'));
  try {
    const there = args.map((arg) => {
      const text = arg.startsWith('/') ? read(arg) : undefined;
      if (text === undefined) return arg;
      mkdirSync(dirname(join(dir, arg)), { recursive: true });
      writeFileSync(join(dir, arg), text);
      return join(dir, arg);
    });
    const { status, stdout, stderr } = spawnSync(program, [...options, ...there], {
      cwd: dir,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', HOME: '/home/some one' },
      timeout: 10_000,
    });
    return { exitCode: status ?? 255, stdout, stderr };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What a shell makes of these files, one after the other; undefined where it does not take them. */
export function sourcedBy(
  shell: readonly string[],
  files: readonly { readonly path: string; readonly text: string }[],
): readonly string[] | undefined {
  const print = VARIABLES.map((name) => `"$${name}"`).join(' ');
  const script = `set -e; exec 3>&1 >&2; for f do . "$f"; done; printf '%s\\0' ${print} >&3`;
  const args = ['-c', script, 'sh', ...files.map(({ path }) => path)];
  const { exitCode, stdout } = runShell(shell, args, (path) => files.find((one) => one.path === path)?.text);
  return exitCode === 0 ? stdout.split('\0').slice(0, -1) : undefined;
}
