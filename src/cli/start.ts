import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { HUGEPAGE_MODES, POLL_MODES, loadConfig } from '../switch/config.js';
import { parseCpuList } from '../switch/cpulist.js';
import { resolveSettings } from '../switch/settings.js';
import type { Flags, Settings } from '../switch/settings.js';
import { VLAN_FAULT, parseVlan } from '../switch/vlan.js';
import type { CliContext } from './context.js';
import { launchDaemon } from './launch-daemon.js';
import { runDaemon } from './run-daemon.js';
import { parseUplink } from './uplinks.js';

interface StartOptions extends Flags {
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

function parseWorkers(text: string): readonly number[] {
  const result = parseCpuList(text);
  if ('cpus' in result) return result.cpus;
  throw new InvalidArgumentError(`${result.reason}.`);
}

function parseVlanMode(text: string): string {
  if (parseVlan(text) !== undefined) return text;
  throw new InvalidArgumentError(`It ${VLAN_FAULT}.`);
}

function parseVm2vm(text: string): Settings['vm2vm'] {
  if (text === '0' || text === '1') return text === '0' ? 'off' : 'software';
  if (text !== '2') throw new InvalidArgumentError('0, 1 or 2.');
  throw new InvalidArgumentError('2 needs a card that switches between guests (VMDQ), which is not supported yet.');
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
    ...(options.uplink ?? []).flatMap(({ name, device }) => ['--uplink', `${name}=${device}`]),
    ...(options.vlan === undefined ? [] : ['--vlan', options.vlan]),
    ...(options.vlanStrip === undefined ? [] : ['--vlan-strip', options.vlanStrip ? '1' : '0']),
    ...(options.vm2vm === undefined ? [] : ['--vm2vm', options.vm2vm === 'off' ? '0' : '1']),
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
    .option('--mergeable <0|1>', 'offer guests mergeable receive buffers (default: 1)', parseSwitch)
    .option('--rx-retry <0|1>', "try again when a guest's receive ring is full (default: 1)", parseSwitch)
    .option('--rx-retry-num <n>', 'how often to try again (default: 4)', parseCount)
    .option('--rx-retry-delay <us>', 'microseconds between tries (default: 15)', parseCount)
    .option('--uplink <name=device>', 'reach the network by this card or device of DPDK (repeatable)', parseUplink)
    .option('--vlan <mode>', 'VLANs of ports that have no mode of their own (default: none)', parseVlanMode)
    .option('--vlan-strip <0|1>', 'take the tag off for guests on "auto" ports (default: 1)', parseSwitch)
    .option('--vm2vm <0|1|2>', 'guest to guest: by the network only, in the switch (default: 1), by the card', parseVm2vm)
    .option('--foreground', 'do not go to the background; for a supervisor')
    .addOption(
      new Option('--ready-fd <n>', 'where the daemon tells its starter how it went').argParser(Number).hideHelp(),
    )
    .action((options: StartOptions) => start(context, options));
}
