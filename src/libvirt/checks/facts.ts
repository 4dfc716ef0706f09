import { basename } from 'node:path';
import { qemuIdentity, socketTrouble } from '../install/qemu-user.js';
import { QEMU_CONF, confValue } from '../qemu-conf/value.js';
import type { Domain } from '../domain/domain.js';
import type { Nic } from '../domain/nic.js';
import { apparmorIsOn } from '../../host/kernel/lsm.js';
import { readPools } from '../../host/kernel/hugepages.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { HOOK, isHook } from '../install/hook.js';
import type { FileStat, Host } from '../../host/host.js';

/** What a check may know of the host; gathered once per domain, so that the checks themselves are pure. */
export interface CheckFacts {
  readonly pools: Pools;
  /** The guest runs, and holds its hugepages. */
  readonly running: boolean;
  readonly appArmor: boolean;
  readonly emulator: FileStat | undefined;
  /** The QEMU behind the wrapper. */
  readonly realEmulator: { readonly path: string; readonly stat: FileStat | undefined };
  /** First number of the real QEMU's version; undefined where it does not say. */
  readonly qemuMajor: number | undefined;
  /** Why a socket cannot be used by the QEMU user; no entry where it can. */
  readonly sockets: ReadonlyMap<string, string>;
  /** Where libvirt puts shared memory that is neither hugepages nor memfd, and what file system that is. */
  readonly memoryDir: { readonly path: string; readonly filesystem: string };
  /** The running switch's ports; undefined where none runs or it cannot be asked. */
  readonly ports: readonly { readonly name: string; readonly socket: string; readonly queues: number }[] | undefined;
  readonly ours: (socket: string | undefined) => boolean;
  /** By number of an interface: who else is on its port. */
  readonly sharers: ReadonlyMap<number, Sharer>;
  /** libvirt's hook of ours is installed. */
  readonly hook: boolean;
}

/** Another interface on the same port, of this domain or of another. */
export interface Sharer {
  /** The port or socket, as users know it. */
  readonly what: string;
  /** Whose interface it is. */
  readonly who: string;
  /** What gives one of the two a port of its own. */
  readonly fix: string;
}

/** What only the composition root knows: the switch, and the wrapper's configuration. */
export interface CheckSurroundings {
  readonly running: boolean;
  readonly ports: CheckFacts['ports'];
  readonly ours: CheckFacts['ours'];
  readonly sharers: CheckFacts['sharers'];
  /** Named in the wrapper's configuration. */
  readonly realEmulator: string | undefined;
}

export function isWrapper(emulator: string | undefined): boolean {
  return emulator !== undefined && basename(emulator).startsWith('qemu-wrap');
}

/** How an interface gets at our switch; undefined where it does not. */
export function modeOf(
  domain: Pick<Domain, 'emulator'>,
  nic: Nic,
  ours: CheckFacts['ours'],
): 'native' | 'wrap' | undefined {
  if (nic.type === 'vhostuser') return ours(nic.socket) ? 'native' : undefined;
  return isWrapper(domain.emulator) && nic.driver === 'vhost' ? 'wrap' : undefined;
}

const QEMU_ARCHITECTURES: Readonly<Record<string, string>> = { i686: 'i386', armv7l: 'arm', ppc64le: 'ppc64' };

async function filesystemOf(host: Host, path: string): Promise<string> {
  for (const candidate of [path, '/var/lib']) {
    const { exitCode, stdout } = await host.run('stat', ['-f', '-c', '%T', '--', candidate]);
    if (exitCode === 0) return stdout.trim();
  }
  return 'unknown';
}

async function majorOf(host: Host, stat: FileStat | undefined, path: string): Promise<number | undefined> {
  if (stat === undefined) return undefined;
  const { stdout } = await host.run(path, ['--version'], { timeoutMs: 10_000 });
  const major = /version (\d+)\./.exec(stdout)?.[1];
  return major === undefined ? undefined : Number(major);
}

export async function gatherFacts(host: Host, domain: Domain, around: CheckSurroundings): Promise<CheckFacts> {
  const conf = (await host.readOptional(QEMU_CONF)) ?? '';
  const identity = await qemuIdentity(host, conf, domain.dacLabel);
  const sockets = new Map<string, string>();
  for (const { socket, mode } of domain.nics) {
    const trouble = socket === undefined || mode === 'server' ? undefined : await socketTrouble(host, socket, identity);
    if (socket !== undefined && trouble !== undefined) sockets.set(socket, trouble);
  }
  const behind = isWrapper(domain.emulator) ? undefined : domain.emulator;
  const arch = QEMU_ARCHITECTURES[domain.arch] ?? domain.arch;
  const real = around.realEmulator ?? behind ?? `/usr/bin/qemu-system-${arch}`;
  const realStat = await host.stat(real);
  const memoryDir = confValue(conf, 'memory_backing_dir') ?? '/var/lib/libvirt/qemu/ram';
  return {
    pools: await readPools(host),
    running: around.running,
    appArmor: await apparmorIsOn(host),
    emulator: domain.emulator === undefined ? undefined : await host.stat(domain.emulator),
    realEmulator: { path: real, stat: realStat },
    qemuMajor: domain.type === 'qemu' ? await majorOf(host, realStat, real) : undefined,
    sockets,
    memoryDir: { path: memoryDir, filesystem: await filesystemOf(host, memoryDir) },
    ports: around.ports,
    ours: around.ours,
    sharers: around.sharers,
    hook: isHook(await host.stat(HOOK)),
  };
}
