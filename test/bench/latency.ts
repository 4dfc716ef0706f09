import { buildFrontEnd, frontEnd } from '../helpers/frontend.js';
import { withScope } from '../helpers/scope.js';
import type { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import type { Place } from './contenders/contender.js';

/** How long the first frame after an idle time takes from guest to guest, in microseconds. */
export interface Latency {
  readonly frames: number;
  readonly medianUs: number;
  readonly p90Us: number;
}

export interface LatencyRow {
  readonly idleUs: number;
  readonly busy: Latency;
  readonly adaptive: Latency;
  /** How often the adaptive switch's worker slept meanwhile, for each frame. */
  readonly sleepsPerFrame: number;
}

/** Long enough for the worker to have fallen asleep. */
const idleUs = 2000;

async function sleepsOf(vswitch: Switch): Promise<number> {
  return (await vswitch.status()).workers.reduce((sum, { sleeps }) => sum + sleeps, 0);
}

async function measured(
  scope: Scope,
  { switchCpu, hugepages }: Pick<Place, 'switchCpu' | 'hugepages'>,
  poll: 'busy' | 'adaptive',
  frames: number,
): Promise<{ latency: Latency; sleepsPerFrame: number }> {
  const args = ['--workers', String(switchCpu), '--poll', poll, ...(hugepages ? [] : ['--hugepages', 'off'])];
  const vswitch = await Switch.start(scope, { args });
  const sockets = [(await vswitch.addPort('a')).socket, (await vswitch.addPort('b')).socket];
  const before = await sleepsOf(vswitch);
  const latency = JSON.parse(
    await frontEnd(scope, 'latency', [...sockets, String(frames), String(idleUs)], 120_000),
  ) as Latency;
  return { latency, sleepsPerFrame: ((await sleepsOf(vswitch)) - before) / frames };
}

/** One switch after the other on the same CPU: a worker that polls would not let the other's wake up. */
export async function measureLatency(place: Pick<Place, 'switchCpu' | 'hugepages'>, frames = 500): Promise<LatencyRow> {
  await withScope((scope) => buildFrontEnd(scope, 'latency'));
  const busy = await withScope((scope) => measured(scope, place, 'busy', frames));
  const adaptive = await withScope((scope) => measured(scope, place, 'adaptive', frames));
  return { idleUs, busy: busy.latency, adaptive: adaptive.latency, sleepsPerFrame: adaptive.sleepsPerFrame };
}
