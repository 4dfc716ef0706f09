import { once } from 'node:events';
import { spawn } from 'node:child_process';

/** Programs that are started, timed and over in less than a second. */

export interface Call {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * Variables for Node reach neither side: with NODE_EXTRA_CA_CERTS alone an empty program takes three times as long,
 * and the planner, which is started without them, would look like the faster of the two. With a command of vhost-host, which
 * keeps them, it would hide how long that takes.
 */
export function withoutNodeVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_')));
}

/** Milliseconds until it has ended, and ended well; what it prints is not looked at. */
export async function timeOf({ command, args }: Call, env: NodeJS.ProcessEnv): Promise<number> {
  const begin = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
  const [code] = (await once(child, 'exit')) as [number | null];
  const time = performance.now() - begin;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}`);
  return time;
}
