import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { VhostHostError, hasCode } from '../../common/errors.js';
import { LogTail } from '../../switch/log/log-tail.js';
import { logPath } from '../../switch/run-dir/paths.js';
import { clientOf, print, runDirOf, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';

const LINES = 100;
const POLL_MS = 200;

interface LogOptions extends ClientOptions {
  readonly follow?: boolean;
  readonly lines: number;
}

function parseLines(text: string): number {
  if (text === 'all') return Infinity;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, or all.');
}

/** Where the switch writes it; of one that has ended, where it wrote it. */
async function findLog(context: CliContext, options: LogOptions): Promise<string> {
  const runDir = runDirOf(context, options);
  const fallback = logPath(runDir);
  try {
    const { log } = await clientOf(context, options).status();
    if (log !== null) return log;
  } catch (error) {
    const left = (await context.host.stat(fallback)) !== undefined;
    if (!left || !hasCode(error, 'SWITCH_NOT_RUNNING')) throw error;
    context.console.log(`no switch is running in ${runDir}; this is what the last one said`);
    return fallback;
  }
  throw new VhostHostError('COMMAND_FAILED', `the switch in ${runDir} runs in the foreground, its log is its stderr`);
}

async function logs(context: CliContext, options: LogOptions): Promise<void> {
  if (options.follow === true && options.json === true) {
    throw new VhostHostError('USAGE', '--json prints one object, and --follow has no end');
  }
  const log = await findLog(context, options);
  const tail = new LogTail(context.host, log);
  const all = (await tail.read()) ?? [];
  const lines = options.lines === 0 ? [] : all.slice(-options.lines);
  print(context, options, { log, lines }, () => [...lines]);
  while (options.follow === true) {
    await delay(POLL_MS);
    for (const line of (await tail.read()) ?? []) context.console.print(line);
  }
}

export function addLogs(program: Command, context: CliContext): void {
  withClientOptions(program.command('logs').description('show what the switch has logged'))
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('-n, --lines <n>', 'so many of the last lines, or all', parseLines, LINES)
    .action((options: LogOptions) => logs(context, options));
}
