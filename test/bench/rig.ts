import type { Scope } from '../helpers/scope.js';
import { withScope } from '../helpers/scope.js';
import type { Switch } from '../helpers/switch.js';
import { Testpmd } from '../helpers/testpmd.js';
import type { Port } from '../../src/switch/schema.js';
import { foreignShare, ticks } from './machine.js';

/** What one measurement is made with. */
export interface Setting {
  /** Bytes of a frame, without its checksum. */
  readonly size: number;
  readonly seconds: number;
  readonly switchCpu: number;
  readonly guestCpu: number;
  readonly hugepages: boolean;
}

export interface Figures {
  /** Frames per second that the two guests received together. */
  readonly packetsPerSecond: number;
  readonly dropsPerSecond: number;
  /** Cycles of the worker's busy rounds per frame; the figure that counts where the guest is the limit. */
  readonly cyclesPerPacket: number;
  /** Share of the worker's time in rounds that moved a frame. */
  readonly busy: number;
  /** Share of both CPUs that others took. */
  readonly foreign: number;
  readonly features: readonly string[];
}

interface Reading {
  readonly at: number;
  readonly received: number;
  readonly drops: number;
  readonly cycles: number;
  readonly busyCycles: number;
  readonly packets: number;
}

const macs = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'] as const;
const bursts = 16;

async function startGuests(scope: Scope, ports: readonly Port[], setting: Setting): Promise<Testpmd> {
  const testpmd = await Testpmd.start(scope, {
    vdevs: ports.map(({ socket }, index) => `net_virtio_user${index},mac=${macs[index] ?? ''},path=${socket},queues=1`),
    cpus: String(setting.guestCpu),
    hugepages: setting.hugepages,
    memoryMb: 256,
    args: [
      ...['--forward-mode=mac', `--eth-peer=0,${macs[1]}`, `--eth-peer=1,${macs[0]}`],
      ...['--txd=1024', '--rxd=1024', '--total-num-mbufs=16384'],
    ],
  });
  await testpmd.commands(`set txpkts ${setting.size}`, `start tx_first ${bursts}`);
  return testpmd;
}

async function read(vswitch: Switch, testpmd: Testpmd): Promise<Reading> {
  const stats = await vswitch.stats();
  const { workers } = await vswitch.status();
  const [a, b] = [await testpmd.stats(0), await testpmd.stats(1)];
  const at = performance.now();
  const dropped = stats.flatMap(({ counters }) => Object.values(counters.drops)).reduce((x, y) => x + y, 0);
  const [worker] = workers;
  if (worker === undefined) throw new Error('the switch has no worker');
  const { cycles, busyCycles, packets } = worker;
  return { at, received: a.rxPackets + b.rxPackets, drops: dropped, cycles, busyCycles, packets };
}

/** A timer, since a rate is what is measured; nothing is waited for by it. */
function passTime(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** One measurement with fresh guests: warms up, then counts over a window. */
export function measure(vswitch: Switch, ports: readonly Port[], setting: Setting): Promise<Figures> {
  return withScope(async (scope) => {
    const testpmd = await startGuests(scope, ports, setting);
    const features = (await Promise.all(ports.map(({ name }) => vswitch.portReady(name))))[0]?.features ?? [];
    const cpus = [setting.switchCpu, setting.guestCpu];
    const pids = [vswitch.process?.pid ?? 0, testpmd.process.pid];
    await passTime(0.5);
    const ticksBefore = await ticks(cpus, pids);
    const before = await read(vswitch, testpmd);
    await passTime(setting.seconds);
    const after = await read(vswitch, testpmd);
    const ticksAfter = await ticks(cpus, pids);
    const seconds = (after.at - before.at) / 1000;
    const packets = after.packets - before.packets;
    if (packets === 0) throw new Error('the switch moved no frame');
    return {
      packetsPerSecond: (after.received - before.received) / seconds,
      dropsPerSecond: (after.drops - before.drops) / seconds,
      cyclesPerPacket: (after.busyCycles - before.busyCycles) / packets,
      busy: (after.busyCycles - before.busyCycles) / (after.cycles - before.cycles),
      foreign: foreignShare(ticksBefore, ticksAfter, seconds, cpus.length),
      features,
    };
  });
}
