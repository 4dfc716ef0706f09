import { readdir, readFile } from 'node:fs/promises';
import { runToEnd } from './child.js';
import type { ChildOptions, Finished } from './child.js';
import { root } from './paths.js';
import type { Scope } from './scope.js';

/** Programs of native/test/frontend: a vhost-user front end of our own, honest and hostile. */
export type FrontEndProgram =
  | 'live'
  | 'latency'
  | 'talk'
  | 'ask'
  | 'migrate'
  | 'queues'
  | 'partway'
  | 'gap'
  | 'hostile'
  | 'inject'
  | 'engine_main'
  | 'engine_main_asan';

const BUILD_DEADLINE_MS = 300_000;
const directory = `${root}native/build/test/frontend`;

/** Builds what is out of date. */
export async function buildFrontEnd(scope: Scope, ...programs: FrontEndProgram[]): Promise<void> {
  const args = ['-s', '-j2', '-C', `${root}native/test/frontend`, ...programs];
  const { code, stderr } = await runToEnd(scope, 'make', args, { deadline: BUILD_DEADLINE_MS });
  if (code !== 0) throw new Error(`native/test/frontend does not build: ${stderr}`);
}

export function frontEndPath(program: FrontEndProgram): string {
  return `${directory}/${program}`;
}

/** Runs one to its end and returns what it printed; it says itself what went wrong. */
export async function frontEnd(
  scope: Scope,
  program: FrontEndProgram,
  args: readonly string[],
  deadline = 60_000,
  user?: ChildOptions['user'],
): Promise<string> {
  const { code, stdout, stderr }: Finished = await runToEnd(scope, frontEndPath(program), args, {
    deadline,
    ...(user === undefined ? {} : { user }),
  });
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr || `exit code ${code}`}; after:\n${stdout}`);
  return stdout;
}

/** How many descriptors a process has open. */
export async function openDescriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Resident memory of a process in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const kib = (await readFile(`/proc/${pid}/status`, 'utf8')).match(/^VmRSS:\s+(\d+) kB/m)?.[1];
  return Number(kib) / 1024;
}
