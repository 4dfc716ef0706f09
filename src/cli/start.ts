import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { HUGEPAGE_MODES, POLL_MODES, loadConfig } from '../switch/config.js';
import { parseCpuList } from '../switch/cpulist.js';
import { resolveSettings } from '../switch/settings.js';
import type { Flags } from '../switch/settings.js';
import type { CliContext } from './context.js';
import { launchDaemon } from './launch-daemon.js';
import { runDaemon } from './run-daemon.js';

interface StartOptions extends Flags {
  readonly config?: string;
  readonly foreground?: boolean;
  readonly readyFd?: number;
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
  ];
}

async function start(context: CliContext, options: StartOptions): Promise<void> {
  const given = options.config === undefined ? undefined : resolve(context.cwd, options.config);
  const config = await loadConfig(context.host, given);
  const settings = await resolveSettings(context.host, config, options);
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
    .option('--foreground', 'do not go to the background; for a supervisor')
    .addOption(
      new Option('--ready-fd <n>', 'where the daemon tells its starter how it went').argParser(Number).hideHelp(),
    )
    .action((options: StartOptions) => start(context, options));
}
