import { VhostHostError } from '../../common/errors.js';
import { LOG_LEVELS } from './config.js';
import type { Config, LoadedConfig } from './config.js';
import { mayGiveTo } from '../rights.js';
import { groupId, qemuGroup, resolveRunDir } from '../run-dir/paths.js';
import { checkVm2vm } from './vm2vm.js';
import type { Flags, Settings } from './settings.js';
import { resolveZeroCopy } from './zero-copy.js';
import type { Host } from '../../host/host.js';

/** As --rx-retry, --rx-retry-num and --rx-retry-delay of DPDK's vhost example, with its defaults. */
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

async function wantedGroup(host: Host, config: Config, file: string | null): Promise<number> {
  const name = config.socket?.group;
  if (name === undefined) return (await qemuGroup(host)) ?? -1;
  const gid = /^\d+$/.test(name) ? Number(name) : await groupId(host, name);
  if (gid !== undefined) return gid;
  throw new VhostHostError('CONFIG_INVALID', `socket.group: there is no group "${name}" in ${file ?? 'the settings'}`, {
    hint: `addgroup --system ${name}`,
  });
}
