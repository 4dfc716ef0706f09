import assert from 'node:assert/strict';
import { buildFrontEnd, frontEnd } from '../../helpers/frontend.js';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import type { PortStats } from '../../../src/switch/model/schema.js';

type Counters = PortStats['counters'];

/** What one of the two guests says about itself. */
interface Told {
  readonly sent: number;
  readonly received: number;
}

const ROUNDS = '200';
const scenarios = {
  flow: 'while nothing changes',
  memory: 'while the memory tables of running guests change',
  enable: 'while rings are disabled and enabled',
  swap: 'while call and kick descriptors are replaced',
  base: 'while rings are stopped and started where they stopped',
  reset: 'while drivers start anew',
  reconnect: 'while front ends vanish in mid-burst and come back',
};

describe('live changes, to the frame', function () {
  this.timeout(120_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let sockets: string[];

  before(async function () {
    this.timeout(400_000);
    noLeaks = await watchForLeaks();
    await buildFrontEnd(scope, 'live');
    vswitch = await Switch.start(scope);
    sockets = [(await vswitch.addPort('a')).socket, (await vswitch.addPort('b')).socket];
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  /** Drops since `before`, of those reasons whose names begin with `prefix`. */
  function drops(now: Counters, before: Counters, prefix: string): number {
    return Object.entries(now.drops)
      .filter(([reason]) => reason.startsWith(prefix))
      .reduce((sum, [reason, count]) => sum + count - (before.drops[reason] ?? 0), 0);
  }

  async function counters(): Promise<Record<'a' | 'b', Counters>> {
    return { a: await vswitch.counters('a'), b: await vswitch.counters('b') };
  }

  for (const ring of ['split', 'packed']) {
    for (const [scenario, what] of Object.entries(scenarios)) {
      it(`${ring} rings: no frame is lost uncounted, doubled, reordered or damaged ${what}`, async () => {
        const before = await counters();
        const output = await frontEnd(scope, 'live', [scenario, ...sockets, ring, ROUNDS]);
        const told = JSON.parse(output) as Record<'a' | 'b', Told>;
        const now = await counters();

        for (const [from, to] of [
          ['a', 'b'],
          ['b', 'a'],
        ] as const) {
          const sent = now[from].txPackets - before[from].txPackets;
          const delivered = now[to].rxPackets - before[to].rxPackets;
          const lost = drops(now[from], before[from], 'tx_') + drops(now[to], before[to], 'rx_');
          assert.equal(sent, told[from].sent, `taken from ${from}`);
          assert.equal(delivered, told[to].received, `received by ${to}`);
          assert.equal(sent - delivered, lost, `every frame from ${from} that ${to} did not get is counted`);
          assert.ok(delivered > 0, `${to} got frames`);
        }
      });
    }
  }
});
