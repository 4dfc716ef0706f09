import { readFile, readdir } from 'node:fs/promises';
import { featureNames } from '../../../src/switch/model/features.js';
import type { Scope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';
import type { Case } from '../cases.js';
import type { Contender, Place, SwitchReading, Thread } from './contender.js';
import { OvsProcess } from './ovs-process.js';
import { parseMap, parsePmdStats, parseVersion } from './ovs-stats.js';

/** Open vSwitch with DPDK: a bridge that learns addresses, one PMD thread. */

export const bridge = 'br0';
const ports = ['v0', 'v1'] as const;
const readyMs = 20_000;
/** Ethernet's header is not part of an MTU. */
const header = 14;

export interface Ovs {
  readonly process: OvsProcess;
  readonly version: string;
}

/** Starts it without ports: until it has one, it does not poll. */
export async function startOvs(scope: Scope, place: Place): Promise<Ovs> {
  const process = await OvsProcess.start(scope, [
    'other_config:dpdk-init=true',
    `other_config:pmd-cpu-mask=0x${(1n << BigInt(place.switchCpu)).toString(16)}`,
    'other_config:dpdk-extra="--no-pci --in-memory --no-telemetry"',
  ]);
  await process.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev');
  const dpdk = await process.vsctl('get', 'Open_vSwitch', '.', 'dpdk_version');
  const version = parseVersion(await process.appctl('version'), dpdk);
  return { process, version };
}

export async function pmdReading(process: OvsProcess): Promise<SwitchReading> {
  const { packets, busyCycles, idleCycles } = parsePmdStats(await process.appctl('dpif-netdev/pmd-stats-show'));
  return { at: performance.now(), packets, busyCycles, cycles: busyCycles + idleCycles };
}

/** The bits that a port's guest has negotiated, once it has. */
async function negotiated(process: OvsProcess, port: string): Promise<readonly string[] | undefined> {
  const status = parseMap(await process.vsctl('get', 'Interface', port, 'status'));
  const features = status.get('features');
  if (status.get('status') !== 'connected' || features === undefined) return undefined;
  return featureNames(BigInt(features));
}

export async function pmdThread(pid: number): Promise<Thread> {
  for (const tid of await readdir(`/proc/${pid}/task`)) {
    const name = await readFile(`/proc/${pid}/task/${tid}/comm`, 'utf8');
    if (name.startsWith('pmd-c')) return { pid, tid: Number(tid) };
  }
  throw new Error('Open vSwitch has no PMD thread');
}

/** Waits for a port's guest. */
export function featuresOf(process: OvsProcess, port: string): Promise<readonly string[]> {
  const what = `the guest of ${port} at Open vSwitch to be ready`;
  return until(() => negotiated(process, port), { deadline: readyMs, what });
}

/** Two fresh ports on a running Open vSwitch, gone with the scope. */
export async function addOvsPorts(scope: Scope, { process }: Ovs, c: Case): Promise<Contender> {
  const mtu = Math.max(1500, ...c.lengths.map((length) => length - header));
  scope.defer('the ports of Open vSwitch', async () => {
    for (const port of ports) await process.vsctl('--if-exists', 'del-port', bridge, port);
  });
  for (const port of ports) {
    await process.vsctl(
      ...['add-port', bridge, port, '--', 'set', 'Interface', port],
      // The switch listens, as ours does; the data path is that of dpdkvhostuserclient.
      ...['type=dpdkvhostuser', `mtu_request=${mtu}`],
    );
  }
  const resume = (): void => process.daemon.signal('SIGCONT');
  scope.defer('the halt of Open vSwitch', resume);
  return {
    name: 'Open vSwitch',
    sockets: ports.map((port) => `${process.dir}/${port}`),
    ready: async () => {
      const [first] = await Promise.all(ports.map((port) => featuresOf(process, port)));
      return first ?? [];
    },
    thread: () => pmdThread(process.daemon.pid),
    reading: () => pmdReading(process),
    drops: () => process.appctl('dpctl/show', '-s'),
    pause: () => process.daemon.signal('SIGSTOP'),
    resume,
  };
}
