import assert from 'node:assert/strict';
import { frame } from '../../helpers/net/frames.js';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Scope, withScope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';
import { RecordingGuest, broadcast } from '../../helpers/guests/virtio-user.js';

const macs = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' };
type Name = keyof typeof macs;
const names = ['a', 'b'] as const;

/** Every length from the shortest to the longest that matters, odd ones too, some tagged, some to everybody. */
function frames(from: string, to: string): Buffer[] {
  const lengths = [60, 61, 62, 63, 64, 65, 127, 128, 129, 1513, 1514];
  for (let length = 70; length < 1514; length += 17) lengths.push(length);
  return lengths.map((length, seed) =>
    frame({
      to: seed % 10 === 9 ? broadcast : to,
      from,
      length,
      seed,
      ...(seed % 3 === 0 ? { vlan: 42 + (seed % 2) } : {}),
    }),
  );
}

interface Variant {
  readonly title: string;
  readonly device?: string;
  readonly smallBuffers?: boolean;
  readonly features?: readonly string[];
  readonly withoutFeatures?: readonly string[];
}

const variants: readonly Variant[] = [
  { title: 'defaults', features: ['mrg_rxbuf'] },
  { title: 'mrg_rxbuf=0', device: 'mrg_rxbuf=0', withoutFeatures: ['mrg_rxbuf'] },
  { title: 'in_order=0', device: 'in_order=0' },
  { title: 'mrg_rxbuf=0, in_order=0', device: 'mrg_rxbuf=0,in_order=0', withoutFeatures: ['mrg_rxbuf'] },
  { title: 'vectorized=1', device: 'mrg_rxbuf=0,vectorized=1', withoutFeatures: ['mrg_rxbuf'] },
  { title: 'frames over several buffers', device: 'queue_size=1024', smallBuffers: true, features: ['mrg_rxbuf'] },
  { title: 'frames over several buffers, in_order=0', device: 'in_order=0,queue_size=1024', smallBuffers: true },
  { title: 'a ring of 1024', device: 'queue_size=1024' },
  { title: 'packed', device: 'packed_vq=1', features: ['packed_vq', 'mrg_rxbuf', 'in_order'] },
  { title: 'packed, in_order=0', device: 'packed_vq=1,in_order=0', withoutFeatures: ['in_order'] },
  { title: 'packed, mrg_rxbuf=0', device: 'packed_vq=1,mrg_rxbuf=0', features: ['packed_vq'] },
  {
    title: 'packed, vectorized=1',
    device: 'packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1',
    features: ['packed_vq', 'in_order'],
  },
  { title: 'packed, frames over several buffers', device: 'packed_vq=1,queue_size=1024', smallBuffers: true },
  { title: 'packed, a ring of 1000', device: 'packed_vq=1,queue_size=1000', features: ['packed_vq'] },
];

describe('frames between virtio-user guests arrive unchanged and in order', function () {
  this.timeout(60_000);
  let noLeaks: () => Promise<void>;
  const suite = new Scope();
  let vswitch: Switch;
  const sockets = { a: '', b: '' };

  before(async () => {
    noLeaks = await watchForLeaks();
    vswitch = await Switch.start(suite);
    for (const name of names) sockets[name] = (await vswitch.addPort(name)).socket;
  });

  after(async () => {
    await suite.close();
    await noLeaks();
  });

  for (const variant of variants) {
    it(variant.title, async () => {
      await withScope((scope) => exchange(scope, variant));
      // The next guests come to the same ports.
      const waiting = async (): Promise<boolean> => (await vswitch.ports()).every(({ state }) => state === 'waiting');
      await until(waiting, { deadline: 10_000, what: 'the switch to see the guests go' });
    });
  }

  async function exchange(scope: Scope, variant: Variant): Promise<void> {
    const sent = { a: frames(macs.a, macs.b), b: frames(macs.b, macs.a) };
    const before = { a: await vswitch.counters('a'), b: await vswitch.counters('b') };
    const start = (name: Name): Promise<RecordingGuest> => {
      const device = variant.device === undefined ? {} : { device: variant.device };
      const nic = { socket: sockets[name], mac: macs[name], ...device };
      return RecordingGuest.start(scope, nic, sent[name], {
        smallBuffers: variant.smallBuffers ?? false,
      });
    };
    const [a, b] = await Promise.all([start('a'), start('b')]);
    for (const name of names) {
      const { features } = await vswitch.portReady(name);
      for (const wanted of variant.features ?? [])
        assert.ok(features.includes(wanted), `${wanted} in ${features.join()}`);
      for (const not of variant.withoutFeatures ?? [])
        assert.ok(!features.includes(not), `no ${not} in ${features.join()}`);
    }

    await b.go();
    await a.go();
    const [gotA, gotB] = [await a.received(sent.b.length), await b.received(sent.a.length)];
    assertSame(gotB, sent.a, 'from a to b');
    assertSame(gotA, sent.b, 'from b to a');
    for (const [name, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const [was, now] = [before[name], await vswitch.counters(name)];
      const [txPackets, txBytes] = [now.txPackets - was.txPackets, now.txBytes - was.txBytes];
      const [rxPackets, rxBytes] = [now.rxPackets - was.rxPackets, now.rxBytes - was.rxBytes];
      assert.deepEqual([txPackets, txBytes], total(sent[name]), `sent by ${name}`);
      assert.deepEqual([rxPackets, rxBytes], total(sent[other]), `received by ${name}`);
      assert.deepEqual(
        Object.entries(now.drops).filter(([reason, count]) => count > (was.drops[reason] ?? 0)),
        [],
        `drops at ${name}`,
      );
    }
  }
});

function total(list: readonly Buffer[]): [number, number] {
  return [list.length, list.reduce((sum, { length }) => sum + length, 0)];
}

function assertSame(got: readonly Buffer[], wanted: readonly Buffer[], what: string): void {
  assert.equal(got.length, wanted.length, `number of frames ${what}`);
  got.forEach((data, index) => assert.ok(wanted[index]?.equals(data), `frame ${index} ${what} (${data.length} bytes)`));
}
