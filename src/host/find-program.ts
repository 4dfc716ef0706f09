import { DAEMON_PATH } from './daemon-path.js';
import type { Host } from './host.js';

/** NixOS keeps its programs elsewhere. */
const PROGRAM_DIRS = [...DAEMON_PATH, '/run/current-system/sw/bin'];

type ProgramHost = Pick<Host, 'stat'>;

/** The first of these programs that is there. By files only: an image's programs are not run to be found. */
export async function findProgram(host: ProgramHost, ...names: readonly string[]): Promise<string | undefined> {
  for (const name of names) if ((await programPath(host, name)) !== undefined) return name;
  return undefined;
}

/** Where it is. */
export async function programPath(host: ProgramHost, name: string): Promise<string | undefined> {
  for (const dir of PROGRAM_DIRS) if ((await host.stat(`${dir}/${name}`)) !== undefined) return `${dir}/${name}`;
  return undefined;
}
