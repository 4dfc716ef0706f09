import { VhostHostError, printable } from '../../common/errors.js';
import { answeredError } from '../../switch/client/response.js';
import { nodeFlags } from '../../common/node-flags.js';
import { logPath, prepareRunDir } from '../../switch/run-dir/paths.js';
import type { Settings } from '../../switch/config/settings.js';
import type { CliContext } from '../shared/context.js';
import type { Host } from '../../host/host.js';

/** More than any start takes that comes to an end, also on a slow and busy machine. */
const DEADLINE_MS = 60_000;
const SHOWN_LOG_LINES = 3;
/** Starts the daemon in the background and waits for its word; fails with the daemon's own reason. */
export async function launchDaemon(context: CliContext, settings: Settings, args: readonly string[]): Promise<void> {
  const { host, console } = context;
  const { runDir, socketGid } = settings;
  await prepareRunDir(host, runDir, socketGid);
  const log = logPath(runDir);
  const logStart = (await host.stat(log))?.size ?? 0;
  const flags = nodeFlags('command', context.nodeVersion) ?? [];
  const child = await host.spawnDetached(context.node, [...flags, context.script, ...args], log);
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), DEADLINE_MS)));
  try {
    const line = await Promise.race([child.firstLine, deadline]);
    if (line === 'late') {
      process.kill(child.pid, 'SIGTERM');
      throw startFailed(`the switch was not ready within ${DEADLINE_MS / 1000} s`, log);
    }
    if (line === undefined)
      throw startFailed(`the switch ended while starting${await lastWords(host, log, logStart)}`, log);
    const { ready, error } = JSON.parse(line) as { ready?: boolean; error?: unknown };
    if (ready !== true) throw answeredError({ status: 500, body: { error } }) ?? startFailed('no reason given', log);
    console.print(`switch running in ${runDir} (process ${child.pid})`);
  } finally {
    clearTimeout(timer);
    child.release();
  }
}

function startFailed(message: string, log: string): VhostHostError {
  return new VhostHostError('SWITCH_START_FAILED', message, { hint: `less ${log}`, details: { log } });
}

/** What the daemon wrote last in this start. */
async function lastWords(host: Host, log: string, from: number): Promise<string> {
  const text = Buffer.from((await host.readOptional(log)) ?? '')
    .subarray(from)
    .toString();
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0 ? '' : `: ${lines.slice(-SHOWN_LOG_LINES).map(printable).join(' | ')}`;
}
