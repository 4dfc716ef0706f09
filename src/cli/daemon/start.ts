import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { HUGEPAGE_MODES, POLL_MODES, loadConfig } from '../../switch/config/config.js';
import { endsWithSession } from '../../switch/run-dir/login-session.js';
import type { Flags } from '../../switch/config/settings.js';
import type { CliContext } from '../shared/context.js';
import { OPTIONS } from '../shared/help-groups.js';
import { launchDaemon } from './launch-daemon.js';
import { addEalOptions, meaningOf } from './legacy-vhost.js';
import type { EalOptions } from './legacy-vhost.js';
import { runDaemon } from './run-daemon.js';
import {
  parseCount,
  parseDevBaseName,
  parseSwitch,
  parseVlanMode,
  parseVm2vm,
  parseWorkers,
} from './option-parsers.js';
import { parseUplink } from '../switch/uplinks.js';
import { resolveSettings } from '../../switch/config/resolve-settings.js';

interface StartOptions
  extends Omit<Flags, 'memoryMb' | 'memoryChannels' | 'ports' | 'offloads' | 'devBaseName'>, EalOptions {
  readonly devBasename?: string;
  readonly config?: string;
  readonly foreground?: boolean;
  readonly readyFd?: number;
  /** All flags as one: how the command hands them to the daemon that it starts. */
  readonly flags?: Flags;
}

function known<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

/** The options proper, and what those of DPDK's vhost example mean; where both say something, the proper one wins. */
async function flagsOf(context: CliContext, options: StartOptions, words: readonly string[]): Promise<Flags> {
  if (options.flags !== undefined) return options.flags;
  const { runDir, workers, poll, hugepages, mergeable, rxRetry, rxRetryNum, rxRetryDelay } = options;
  const { uplink = [], vlan, vlanStrip, vm2vm, stats, devBasename: devBaseName } = options;
  const { zeroCopy, rxDescNum, txDescNum } = options;
  const own = { runDir, workers, poll, hugepages, mergeable, rxRetry, rxRetryNum, rxRetryDelay };
  const meaning = await meaningOf(context.host, context.cwd, options, words);
  for (const note of meaning?.notes ?? []) context.console.log(note);
  const uplinks = [...uplink, ...(meaning?.flags.uplink ?? [])];
  return known({
    ...known(meaning?.flags ?? {}),
    ...known({ ...own, vlan, vlanStrip, vm2vm, stats, devBaseName, zeroCopy, rxDescNum, txDescNum }),
    uplink: uplinks,
  });
}

async function start(context: CliContext, words: readonly string[], options: StartOptions): Promise<void> {
  const given = options.config === undefined ? undefined : resolve(context.cwd, options.config);
  // Once: the daemon that the command starts reads the same file again.
  const warn = options.readyFd === undefined ? (line: string): void => context.console.log(line) : undefined;
  const config = await loadConfig(context.host, given, options.runDir, warn);
  const flags = await flagsOf(context, options, words);
  const settings = await resolveSettings(context.host, config, flags);
  const warning = options.readyFd === undefined ? await endsWithSession(context.host, settings.runDir) : undefined;
  if (warning !== undefined) context.console.log(warning);
  if (options.foreground === true) {
    await runDaemon(context, settings, options.readyFd);
    return;
  }
  const { runDir } = settings;
  const file = config.file === null ? [] : ['--config', config.file];
  const args = ['start', '--foreground', '--ready-fd', '3', ...file, '--flags', JSON.stringify({ ...flags, runDir })];
  await launchDaemon(context, settings, args);
}

export function addStart(program: Command, context: CliContext): void {
  const command = program
    .command('start')
    .description('start the switch and wait until it is ready')
    .option('--config <file>', 'configuration file, JSON (default: /etc/vhost-host/switch.json for root, if there)')
    .option('--run-dir <dir>', "directory for sockets, lock and log (default: VHOST_HOST_RUN_DIR, else the user's own)")
    .optionsGroup('Workers and memory:')
    .option(
      '--workers <cpulist>',
      'CPUs to forward on, one worker each, such as 0,2-3 (default: one, on any)',
      parseWorkers,
    )
    .addOption(new Option('--poll <mode>', 'what idle workers do: sleep, or never sleep').choices(POLL_MODES))
    .addOption(new Option('--hugepages <mode>', 'use hugepages where free, always, or never').choices(HUGEPAGE_MODES))
    .optionsGroup('Guests:')
    .option('--mergeable <0|1>', 'offer guests mergeable receive buffers (default: 1)', parseSwitch)
    .option('--rx-retry <0|1>', "try again when a guest's receive ring is full (default: 1)", parseSwitch)
    .option('--rx-retry-num <n>', 'how often to try again (default: 4)', parseCount)
    .option('--rx-retry-delay <us>', 'microseconds between tries (default: 15)', parseCount)
    .option('--dev-basename <name>', 'name of the devices of cuse ports (default: usvhost)', parseDevBaseName)
    .optionsGroup('Network:')
    .option('--uplink <name=device>', 'reach the network by this card or device of DPDK (repeatable)', parseUplink)
    .option('--vlan <mode>', 'VLANs of ports that have no mode of their own (default: none)', parseVlanMode)
    .option('--vlan-strip <0|1>', 'take the tag off for guests on "auto" ports (default: 1)', parseSwitch)
    .option(
      '--vm2vm <0|1|2>',
      'guest to guest: by the network only, in the switch (default: 1), by the card',
      parseVm2vm,
    )
    .optionsGroup('Zero copy:')
    .option('--zero-copy <0|1>', 'let cards read and write frames in guest memory (default: 0)', parseSwitch)
    .option('--rx-desc-num <n>', 'with zero copy: descriptors to receive with (default: 32)', parseCount)
    .option('--tx-desc-num <n>', 'with zero copy: descriptors to send with (default: 64)', parseCount)
    .optionsGroup(OPTIONS)
    .option('--stats <seconds>', 'print what was counted every so often, into the log', parseCount)
    .option('--foreground', 'do not go to the background; for a supervisor')
    .addOption(
      new Option('--ready-fd <n>', 'where the daemon tells its starter how it went').argParser(Number).hideHelp(),
    )
    .addOption(new Option('--flags <json>').argParser((text) => JSON.parse(text) as Flags).hideHelp());
  addEalOptions(command).action((words: string[], options: StartOptions) => start(context, words, options));
}
