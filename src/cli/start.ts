import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { DevBaseName, HUGEPAGE_MODES, POLL_MODES, loadConfig } from '../switch/config.js';
import { parseCpuList } from '../switch/cpulist.js';
import { resolveSettings } from '../switch/settings.js';
import type { Flags } from '../switch/settings.js';
import type { CliContext } from './context.js';
import { launchDaemon } from './launch-daemon.js';
import { runDaemon } from './run-daemon.js';

interface StartOptions extends Flags {
  readonly devBasename?: string;
  readonly config?: string;
  readonly foreground?: boolean;
  readonly readyFd?: number;
}

function parseSwitch(text: string): boolean {
  if (text === '0' || text === '1') return text === '1';
  throw new InvalidArgumentError('0 or 1.');
}

function parseCount(text: string): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : NaN;
  if (value <= 1_000_000) return value;
  throw new InvalidArgumentError('a whole number up to 1000000.');
}

function parseDevBaseName(text: string): string {
  const result = DevBaseName.safeParse(text);
  if (result.success) return result.data;
  throw new InvalidArgumentError(`It ${result.error.issues[0]?.message ?? 'is no name'}.`);
}

function parseWorkers(text: string): readonly number[] {
  const result = parseCpuList(text);
  if ('cpus' in result) return result.cpus;
  throw new InvalidArgumentError(`${result.reason}.`);
}

/** The flags again, for the daemon's own command line. */
function daemonArguments(configFile: string | null, runDir: string, options: StartOptions): string[] {
  return [
    ...['start', '--foreground', '--ready-fd', '3', '--run-dir', runDir],
    ...(configFile === null ? [] : ['--config', configFile]),
    ...(options.workers === undefined ? [] : ['--workers', options.workers.join(',')]),
    ...(options.poll === undefined ? [] : ['--poll', options.poll]),
    ...(options.hugepages === undefined ? [] : ['--hugepages', options.hugepages]),
    ...(options.mergeable === undefined ? [] : ['--mergeable', options.mergeable ? '1' : '0']),
    ...(options.rxRetry === undefined ? [] : ['--rx-retry', options.rxRetry ? '1' : '0']),
    ...(options.rxRetryNum === undefined ? [] : ['--rx-retry-num', String(options.rxRetryNum)]),
    ...(options.rxRetryDelay === undefined ? [] : ['--rx-retry-delay', String(options.rxRetryDelay)]),
    ...(options.devBasename === undefined ? [] : ['--dev-basename', options.devBasename]),
  ];
}

async function start(context: CliContext, options: StartOptions): Promise<void> {
  const given = options.config === undefined ? undefined : resolve(context.cwd, options.config);
  const config = await loadConfig(context.host, given);
  const settings = await resolveSettings(context.host, config, { ...options, devBaseName: options.devBasename });
  if (options.foreground === true) await runDaemon(context, settings, options.readyFd);
  else await launchDaemon(context, settings, daemonArguments(config.file, settings.runDir, options));
}

export function addStart(program: Command, context: CliContext): void {
  program
    .command('start')
    .description('start the switch and wait until it is ready')
    .option('--config <file>', 'configuration file, JSON (default: /etc/vhost-host/switch.json for root, if there)')
    .option('--run-dir <dir>', "directory for sockets, lock and log (default: VHOST_HOST_RUN_DIR, else the user's own)")
    .option(
      '--workers <cpulist>',
      'CPUs to forward on, one worker each, such as 0,2-3 (default: one, on any)',
      parseWorkers,
    )
    .addOption(new Option('--poll <mode>', 'what idle workers do: sleep, or never sleep').choices(POLL_MODES))
    .addOption(new Option('--hugepages <mode>', 'use hugepages where free, always, or never').choices(HUGEPAGE_MODES))
    .option('--mergeable <0|1>', 'offer guests mergeable receive buffers (default: 1)', parseSwitch)
    .option('--rx-retry <0|1>', "try again when a guest's receive ring is full (default: 1)", parseSwitch)
    .option('--rx-retry-num <n>', 'how often to try again (default: 4)', parseCount)
    .option('--rx-retry-delay <us>', 'microseconds between tries (default: 15)', parseCount)
    .option('--dev-basename <name>', 'name of the devices of cuse ports (default: usvhost)', parseDevBaseName)
    .option('--foreground', 'do not go to the background; for a supervisor')
    .addOption(
      new Option('--ready-fd <n>', 'where the daemon tells its starter how it went').argParser(Number).hideHelp(),
    )
    .action((options: StartOptions) => start(context, options));
}
