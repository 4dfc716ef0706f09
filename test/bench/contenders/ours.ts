import { buffersPerFrame } from '../cases.js';
import type { Case } from '../cases.js';
import type { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import type { Contender, Place, SwitchReading, Thread } from './contender.js';

/** Of its one worker. */
export async function workerReading(vswitch: Switch): Promise<SwitchReading & Thread> {
  const { workers, pid } = await vswitch.status();
  const [worker] = workers;
  if (worker === undefined) throw new Error('the switch has no worker');
  const { cycles, busyCycles, packets, tid } = worker;
  return { at: performance.now(), cycles, busyCycles, packets, pid, tid: tid ?? pid };
}

export async function drops(vswitch: Switch): Promise<string> {
  const counts = (await vswitch.stats()).flatMap(({ counters }) => Object.entries(counters.drops));
  const happened = counts.filter(([, count]) => count > 0).map(([reason, count]) => `${reason} ${count}`);
  return happened.join(', ') || 'none';
}

/** Of a switch that never sleeps, on its CPU. */
export function startArgs({ switchCpu, hugepages }: Place): string[] {
  return ['--workers', String(switchCpu), '--poll', 'busy', ...(hugepages ? [] : ['--hugepages', 'off'])];
}

/** A fresh switch of this project with two ports. */
export async function startOurs(scope: Scope, c: Case, place: Place): Promise<Contender> {
  if (buffersPerFrame(c) > 1 && !c.rings.mergeable) throw new Error(`${c.id}: frames need buffers that can be joined`);
  const vswitch = await Switch.start(scope, { args: startArgs(place) });
  const ports = [await vswitch.addPort('a'), await vswitch.addPort('b')];
  const { pid } = await vswitch.status();
  const resume = (): void => void process.kill(pid, 'SIGCONT');
  scope.defer('the halt of the switch', () => (vswitch.process?.end === undefined ? resume() : undefined));
  return {
    name: 'vhost-host',
    sockets: ports.map(({ socket }) => socket),
    ready: async () => {
      const [first] = await Promise.all(ports.map(({ name }) => vswitch.portReady(name)));
      return first?.features ?? [];
    },
    thread: () => workerReading(vswitch),
    reading: () => workerReading(vswitch),
    drops: () => drops(vswitch),
    pause: () => void process.kill(pid, 'SIGSTOP'),
    resume,
  };
}
