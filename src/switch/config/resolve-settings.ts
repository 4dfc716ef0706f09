import { VhostHostError } from '../../common/errors.js';
import type { Host } from '../../host/node-host.js';
import { LOG_LEVELS } from './config.js';
import type { Config, LoadedConfig, VM2VM_MODES } from './config.js';
import type { UplinkAdd } from '../model/schema.js';
import { mayGiveTo } from '../rights.js';
import { groupId, qemuGroup, resolveRunDir } from '../run-dir/paths.js';
import type { Transport } from '../model/schema.js';
import { checkVm2vm } from './vm2vm.js';
import { resolveZeroCopy } from './zero-copy.js';
import type { ZeroCopy } from './zero-copy.js';

export interface PortWish {
  readonly name: string;
  readonly socket?: string | undefined;
  readonly queues?: number | undefined;
  readonly offloads?: boolean | undefined;
  readonly transports?: readonly Transport[] | undefined;
  readonly devIndex?: number | undefined;
  readonly mac?: string | undefined;
  readonly vlan?: string | undefined;
  readonly macLimit?: number | undefined;
  readonly forwardReserved?: boolean | undefined;
  readonly owner?: string | undefined;
}

export type UplinkWish = UplinkAdd;

/** Everything a switch starts with, after defaults < file < flags. */
export interface Settings extends ZeroCopy {
  readonly configFile: string | null;
  readonly runDir: string;
  /** A CPU per worker, -1 for one that is not pinned. */
  readonly workers: readonly number[];
  readonly poll: 'adaptive' | 'busy';
  readonly mergeable: boolean;
  /** 0: a frame for a full guest is dropped at once. */
  readonly rxRetryNum: number;
  readonly rxRetryDelayUs: number;
  readonly macAgeing: number;
  readonly memoryMb: number;
  readonly hugepages: 'auto' | 'on' | 'off';
  readonly socketMode: number;
  /** -1: the group of the process. */
  readonly socketGid: number;
  /** The group that may claim ports through wrap.sock; -1: nobody but the owner. */
  readonly claimGid: number;
  /** /dev/<devBaseName>-N. */
  readonly devBaseName: string;
  readonly ports: readonly PortWish[];
  readonly uplinks: readonly UplinkWish[];
  /** VLAN mode of ports that have none of their own. */
  readonly vlan: string;
  readonly vlanStrip: boolean;
  readonly vm2vm: (typeof VM2VM_MODES)[number];
  /** Whether ports offer offloads that do not say. */
  readonly offloads: boolean;
  /** Seconds between tables of what was counted, in the log; 0: none. */
  readonly stats: number;
  /** Of this machine's memory, for DPDK to spread packet buffers over; undefined: as DPDK guesses. */
  readonly memoryChannels: number | undefined;
  readonly logLevel: number;
  /** Bytes of the log before it makes way for a new one, and old ones that stay. */
  readonly logMaxBytes: number;
  readonly logFiles: number;
}

/** What the command line sets; wins over the file. */
export interface Flags {
  readonly runDir?: string | undefined;
  readonly workers?: readonly number[] | undefined;
  readonly poll?: Settings['poll'] | undefined;
  readonly hugepages?: Settings['hugepages'] | undefined;
  readonly mergeable?: boolean | undefined;
  readonly rxRetry?: boolean | undefined;
  readonly rxRetryNum?: number | undefined;
  readonly rxRetryDelay?: number | undefined;
  readonly devBaseName?: string | undefined;
  readonly uplink?: readonly UplinkWish[] | undefined;
  readonly vlan?: string | undefined;
  readonly vlanStrip?: boolean | undefined;
  readonly vm2vm?: Settings['vm2vm'] | undefined;
  readonly zeroCopy?: boolean | undefined;
  readonly rxDescNum?: number | undefined;
  readonly txDescNum?: number | undefined;
  readonly offloads?: boolean | undefined;
  readonly stats?: number | undefined;
  readonly memoryMb?: number | undefined;
  readonly memoryChannels?: number | undefined;
  /** Beside those of the file. */
  readonly ports?: readonly PortWish[] | undefined;
}

/** As the original's --rx-retry, --rx-retry-num and --rx-retry-delay, with its defaults. */
function rxRetry(config: Config, flags: Flags): Pick<Settings, 'rxRetryNum' | 'rxRetryDelayUs'> {
  const on = flags.rxRetry ?? config.rxRetry ?? true;
  return {
    rxRetryNum: on ? (flags.rxRetryNum ?? config.rxRetryNum ?? 4) : 0,
    rxRetryDelayUs: flags.rxRetryDelay ?? config.rxRetryDelay ?? 15,
  };
}

/** Found out here, and not when the first socket is given to it. */
async function socketGroup(host: Host, config: Config, file: string | null): Promise<number> {
  const gid = await wantedGroup(host, config, file);
  if (gid === -1 || (await mayGiveTo(host, gid))) return gid;
  const what = `socket.group: sockets cannot be given to group ${config.socket?.group ?? gid}, which is none of the switch's own`;
  throw new VhostHostError('CONFIG_INVALID', what, {
    hint:
      host.uid() === 0
        ? `for the service: sudo vhost-host setup --boot${file === null ? '' : ` --config ${file}`}`
        : `usermod -a -G ${config.socket?.group ?? gid} "$(id -un)", and log in anew`,
  });
}

async function wantedGroup(host: Host, config: Config, file: string | null): Promise<number> {
  const name = config.socket?.group;
  if (name === undefined) return (await qemuGroup(host)) ?? -1;
  const gid = /^\d+$/.test(name) ? Number(name) : await groupId(host, name);
  if (gid !== undefined) return gid;
  throw new VhostHostError('CONFIG_INVALID', `socket.group: there is no group "${name}" in ${file ?? 'the settings'}`, {
    hint: `addgroup --system ${name}`,
  });
}

function chooseRunDir(host: Host, config: Config, flags: Flags): string {
  if (flags.runDir !== undefined) return resolveRunDir(host, flags.runDir);
  // The environment belongs to the call at hand, the file to the machine: the nearer one wins.
  const env = host.env('VHOST_HOST_RUN_DIR');
  return resolveRunDir(host, env === undefined || env === '' ? config.runDir : undefined);
}

export async function resolveSettings(host: Host, { file, config }: LoadedConfig, flags: Flags): Promise<Settings> {
  const gid = await socketGroup(host, config, file);
  const vm2vm = flags.vm2vm ?? config.vm2vm ?? 'software';
  const settings: Settings = {
    configFile: file,
    runDir: chooseRunDir(host, config, flags),
    workers: flags.workers ?? config.workers ?? [-1],
    poll: flags.poll ?? config.poll ?? 'adaptive',
    mergeable: flags.mergeable ?? config.mergeable ?? true,
    ...rxRetry(config, flags),
    macAgeing: config.macAgeing ?? 300,
    memoryMb: flags.memoryMb ?? config.memoryMb ?? 64,
    memoryChannels: flags.memoryChannels ?? config.memoryChannels,
    hugepages: flags.hugepages ?? config.hugepages ?? 'auto',
    socketMode: config.socket?.mode ?? (gid === -1 ? 0o600 : 0o660),
    socketGid: gid,
    claimGid: gid,
    devBaseName: flags.devBaseName ?? config.devBaseName ?? 'usvhost',
    ports: [...(config.ports ?? []), ...(flags.ports ?? [])],
    uplinks: [...(config.uplinks ?? []), ...(flags.uplink ?? [])],
    vlan: flags.vlan ?? config.vlan ?? 'none',
    vlanStrip: flags.vlanStrip ?? config.vlanStrip ?? true,
    vm2vm,
    ...resolveZeroCopy(config, flags, vm2vm),
    offloads: flags.offloads ?? config.offloads ?? false,
    stats: flags.stats ?? config.stats ?? 0,
    logMaxBytes: (config.logMaxKb ?? 4096) * 1024,
    logFiles: config.logFiles ?? 1,
    logLevel: LOG_LEVELS[config.logLevel ?? 'notice'],
  };
  checkVm2vm(settings);
  return settings;
}
