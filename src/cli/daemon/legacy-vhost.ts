import { basename, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import { DevBaseName } from '../../switch/config/config.js';
import { allowedCpus, parseCpuList } from '../../switch/model/cpulist.js';
import type { Flags, UplinkSpec } from '../../switch/config/settings.js';
import { bitsOf } from './bitmask.js';
import { pickDevices } from './legacy-vhost-devices.js';
import { parseCount, parseSwitch, parseVm2vm } from './option-parsers.js';
import type { Host } from '../../host/host.js';

/**
 * The command line of DPDK's vhost example, of 2014 and of today: EAL's options, `--`, its own. What it
 * says becomes the flags of `start`; what has no meaning here is told, or refused where it would change what frames
 * do.
 */

/** EAL's, before the `--`. */
export interface EalOptions {
  readonly coremask?: readonly number[];
  readonly corelist?: readonly number[];
  readonly memoryChannels?: number;
  readonly socketMem?: number;
  readonly hugeDir?: string;
  readonly allow?: readonly string[];
  readonly vdev?: readonly string[];
}

/** Its own, behind it. */
interface AppOptions extends Pick<
  Flags,
  | 'vm2vm'
  | 'mergeable'
  | 'rxRetry'
  | 'rxRetryNum'
  | 'rxRetryDelay'
  | 'vlanStrip'
  | 'zeroCopy'
  | 'rxDescNum'
  | 'txDescNum'
> {
  readonly portmask?: number;
  readonly devBasename?: string;
  readonly socketFile?: readonly string[];
  readonly stats?: number;
  readonly tso?: boolean;
  readonly txCsum?: boolean;
  readonly totalNumMbufs?: number;
  readonly promiscuous?: boolean;
}

export interface Meaning {
  readonly flags: Flags;
  /** What is accepted and changes nothing, a line each. */
  readonly notes: readonly string[];
}

function parseMask(text: string): number {
  const value = /^(0x)?[0-9a-f]{1,8}$/i.test(text) ? parseInt(text.replace(/^0x/i, ''), 16) : 0;
  if (value > 0) return value;
  throw new InvalidArgumentError('a hexadecimal mask such as 0x1.');
}

function parseCoremask(text: string): readonly number[] {
  return bitsOf(parseMask(text));
}

function parseCorelist(text: string): readonly number[] {
  const result = parseCpuList(text);
  if ('cpus' in result) return result.cpus;
  throw new InvalidArgumentError(`${result.reason}.`);
}

/** MiB for each NUMA node, of which DPDK's memory is the sum. */
function parseSocketMem(text: string): number {
  const sum = text.split(',').reduce((all, part) => all + parseCount(part), 0);
  if (sum >= 16) return sum;
  throw new InvalidArgumentError('at least 16 MiB.');
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function addEalOptions(start: Command): Command {
  return start
    .optionsGroup('Options of DPDK and of its vhost example:')
    .option('-c, --coremask <hex>', 'CPUs, as for DPDK: the first for control, the others forward', parseCoremask)
    .option('-l, --corelist <list>', 'the same as a list', parseCorelist)
    .option('-n, --memory-channels <n>', 'memory channels of this machine', parseCount)
    .option('--socket-mem <MiB>', "memory for DPDK's own use, for each NUMA node", parseSocketMem)
    .option('--huge-dir <dir>', 'accepted: hugepages are taken without a mount')
    .option('-a, --allow <device>', 'a PCI device for -p to count (repeatable)', collect)
    .option('--vdev <device>', 'a virtual device for -p to count (repeatable)', collect)
    .argument('[app...]', "the options of DPDK's vhost example, behind --")
    .addHelpText('after', appText);
}

/** What the example's own options are called; what they mean here is said by those of the same name above. */
function appText(): string {
  const names = appCommand().options.map(({ flags }) => `  ${flags}`);
  return ["\nOptions of DPDK's vhost example, behind --:", ...names].join('\n');
}

function appCommand(): Command {
  return new Command('--')
    .exitOverride()
    .helpOption(false)
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .option('-p, --portmask <hex>', '', parseMask)
    .option('-P, --promiscuous')
    .option('--dev-basename <name>')
    .option('--socket-file <path>', '', collect)
    .option('--vm2vm <0|1|2>', '', parseVm2vm)
    .option('--mergeable <0|1>', '', parseSwitch)
    .option('--stats <seconds>', '', parseCount)
    .option('--rx-retry <0|1>', '', parseSwitch)
    .option('--rx-retry-num <n>', '', parseCount)
    .option('--rx-retry-delay <us>', '', parseCount)
    .option('--zero-copy <0|1>', '', parseSwitch)
    .option('--rx-desc-num <n>', '', parseCount)
    .option('--tx-desc-num <n>', '', parseCount)
    .option('--vlan-strip <0|1>', '', parseSwitch)
    .option('--tso <0|1>', '', parseSwitch)
    .option('--tx-csum <0|1>', '', parseSwitch)
    .option('--total-num-mbufs <n>', '', parseCount)
    .option('--client', '', () => refuse('--client', 'guests connect to the switch, not the switch to guests'));
}

function refuse(option: string, reason: string): never {
  throw new VhostHostError('USAGE', `${option}: ${reason}`, { hint: 'vhost-host start --help' });
}

/** What is not there, or does not go together. */
function refuseWhatIsMissing(app: AppOptions): void {
  if (app.tso === true && app.txCsum !== true) refuse('--tso 1', 'needs --tx-csum 1, as segments need checksums');
  if (app.tso === false && app.txCsum === true) refuse('--tx-csum 1', 'comes with --tso 1 only');
}

/** Workers: the first CPU is the control thread's where there are others, as in DPDK's vhost example. */
function workersOf(cpus: readonly number[] | undefined, procStatus: string, notes: string[]): Flags['workers'] {
  if (cpus === undefined) return undefined;
  const allowed = allowedCpus(procStatus) ?? cpus;
  const there = cpus.filter((cpu) => allowed.includes(cpu));
  const missing = cpus.filter((cpu) => !allowed.includes(cpu));
  if (there.length === 0) refuse('-c', `this process may only run on CPU ${allowed.join(', ')}`);
  if (missing.length > 0) notes.push(`CPU ${missing.join(', ')}: not there for this process, going on without`);
  return there.length === 1 ? there : there.slice(1);
}

function portsOf(app: AppOptions, cwd: string): Flags['ports'] {
  const files = [...(app.socketFile ?? []), ...(app.devBasename === undefined ? [] : [app.devBasename])];
  return files.map((file) => {
    const socket = resolve(cwd, file);
    return { name: basename(socket).replace(/[^\w.-]/g, '_'), socket };
  });
}

/** Undefined where nothing of it was used. */
export async function meaningOf(
  host: Host,
  cwd: string,
  eal: EalOptions,
  words: readonly string[],
): Promise<Meaning | undefined> {
  const legacy = words.length > 0 || eal.coremask !== undefined || eal.corelist !== undefined;
  const app = appCommand()
    .parse([...words], { from: 'user' })
    .opts<AppOptions>();
  const devices = [...(eal.allow ?? []), ...(eal.vdev ?? [])];
  if (!legacy && devices.length === 0 && eal.socketMem === undefined && eal.memoryChannels === undefined) {
    return undefined;
  }
  refuseWhatIsMissing(app);
  const notes = eal.hugeDir === undefined ? [] : ['--huge-dir: not needed, hugepages are taken without a mount'];
  const { vm2vm, mergeable, rxRetry, rxRetryNum, rxRetryDelay, vlanStrip, stats, totalNumMbufs } = app;
  const { zeroCopy, rxDescNum, txDescNum } = app;
  const picked = await pickDevices(host, { ...eal, portmask: app.portmask }, notes);
  const shared: Omit<UplinkSpec, 'name' | 'device'> = {
    ...(totalNumMbufs === undefined ? {} : { buffers: Math.floor(totalNumMbufs / Math.max(1, picked.length)) }),
    ...(app.promiscuous === true ? { unknownUnicast: 'flood' as const } : {}),
  };
  const procStatus = (await host.readOptional('/proc/self/status')) ?? '';
  const flags = {
    ...{ vm2vm, mergeable, rxRetry, rxRetryNum, rxRetryDelay, vlanStrip, stats },
    ...{ zeroCopy, rxDescNum, txDescNum },
    workers: workersOf(eal.coremask ?? eal.corelist, procStatus, notes),
    memoryMb: eal.socketMem,
    memoryChannels: eal.memoryChannels,
    vlan: words.length > 0 ? 'auto' : undefined,
    // A name is one of devices as well; a path is of a socket only.
    devBaseName: DevBaseName.safeParse(app.devBasename).data,
    offloads: app.txCsum,
    ports: portsOf(app, cwd),
    uplink: picked.map((device, index) => ({ name: `port${index}`, device, ...shared })),
  };
  return { flags, notes };
}
