import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root; everything set-up makes lies below its `build/`. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const logDir = join(root, 'build', 'log');

/** A failure that a person can act on: one line, and what to type. */
export class TaskError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs a command and returns its stdout, or undefined when it cannot be run or fails. */
export function ask(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], cwd: root, ...options });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => (out += chunk));
    child.on('error', () => resolve(undefined));
    child.on('close', (code) => resolve(code === 0 ? out : undefined));
  });
}

/**
 * Runs a command whose long output belongs in a log file, not on the terminal. On failure the error names the
 * command and the log. `input` goes to its stdin; `env` is its whole environment.
 */
export async function runLogged(name, command, args, { input, env = process.env, cwd = root } = {}) {
  mkdirSync(logDir, { recursive: true });
  const log = join(logDir, `${name}.log`);
  appendFileSync(log, `\n$ ${[command, ...args].join(' ')}\n`);
  const fd = openSync(log, 'a');
  try {
    const child = spawn(command, args, {
      cwd,
      stdio: [input === undefined ? 'ignore' : 'pipe', fd, fd],
      env,
    });
    child.stdin?.end(input);
    const outcome = await new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code, signal) =>
        resolve(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`),
      );
    });
    if (outcome !== undefined)
      throw new TaskError(`${[command, ...args.slice(0, 2)].join(' ')} ${outcome}`, `less ${log}`);
  } finally {
    closeSync(fd);
  }
}

/** Runs a command on this terminal; resolves with its exit code (128 + signal number is left to the caller's shell). */
export function runShown(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', cwd: root, ...options });
    child.on('error', (error) => {
      say(`${command}: ${error.message}`);
      resolve(127);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** Entry point of a task script: one line and a hint on failure, exit code 1. */
export async function main(program, work) {
  try {
    await work();
  } catch (error) {
    const known = error instanceof TaskError;
    say(`${program}: ${known ? error.message : error.stack}`);
    if (known && error.hint !== undefined) say(`  ${error.hint}`);
    process.exitCode = 1;
  }
}
