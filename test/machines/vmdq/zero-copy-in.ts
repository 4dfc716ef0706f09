import assert from 'node:assert/strict';
import { frame } from '../../helpers/net/frames.js';
import { finished, packet } from '../../helpers/net/ip-frames.js';
import type { Machine } from '../../helpers/guests/machine/machine.js';
import type { Talker } from '../../helpers/guests/machine/talker.js';
import { until } from '../../helpers/until.js';
import { broadcast } from '../../helpers/guests/virtio-user.js';

/** Of device 2. */
const TAG = 1002;
const outside = '02:00:00:00:01:01';
const DEADLINE_MS = 40_000;
/** What the card's ring takes at once without losing any in silence. */
const BURST = 20;
/** Receive descriptors of a pool's queue: the default of `rxDescriptors` (src/switch/config/zero-copy.ts). */
const RING = 32;
/** Short ones, but for one in each burst: a guest tells what it hears by a slow terminal. */
const lengths = [60, 61, 64, 67, 70, 80, 91, 100, 110, 127];
const longs = [300, 577, 1000, 1400, 1513, 1514];

function tagged(inner: Buffer, vlan: number): Buffer {
  return Buffer.concat([inner.subarray(0, 12), Buffer.from([0x81, 0, vlan >> 8, vlan & 0xff]), inner.subarray(12)]);
}

/** Enough to tell frames apart in a failure. */
function told(data: Buffer): string {
  return `${data.length} ${data.toString('hex', 0, 20)}`;
}

/** A guest behind a pool of the card, and what has been put into its memory by that. */
class Lander {
  constructor(
    readonly machine: Machine,
    readonly guest: Talker,
    readonly mac: string,
    readonly tag: number,
    /** Stands before each frame where the guest tells it (`offloads`). */
    readonly header = Buffer.alloc(0),
  ) {}

  async landed(): Promise<number> {
    return (await this.machine.vswitch.uplink('net')).zeroCopiedIn ?? NaN;
  }

  /** Frames for it, as it is to see them. */
  frames(seed: number): Buffer[] {
    const long = longs[seed % longs.length] ?? 1514;
    return Array.from({ length: BURST }, (_, i) =>
      frame({
        to: this.mac,
        from: outside,
        length: i === 3 ? long : (lengths[i % lengths.length] ?? 60),
        seed: seed + i,
      }),
    );
  }

  /** Sends frames from outside; what it then hears is just what it is to see. */
  async hears(sees: readonly Buffer[], sent = sees.map((inner) => tagged(inner, this.tag))): Promise<void> {
    const wanted = sees.map((inner) => Buffer.concat([this.header, inner]));
    const before = (await this.guest.heard()).length;
    this.machine.cable.send(...sent);
    // What came in place of what is missing says more than that it is missing.
    const all = await this.guest.received(before + wanted.length).catch(() => this.guest.heard());
    const got = all.slice(before);
    assert.deepEqual(got.map(told), wanted.map(told), `heard before: ${all.slice(0, before).map(told).join(', ')}`);
    assert.deepEqual(got, wanted);
  }

  /** Frames come until the card has no buffers but the guest's, which it gets one for each frame. */
  async settle(sees: (inner: Buffer) => Buffer = (inner) => inner): Promise<void> {
    await until(
      async () => {
        const before = await this.landed();
        const frames = this.frames(before);
        await this.hears(
          frames.map(sees),
          frames.map((inner) => tagged(inner, this.tag)),
        );
        return (await this.landed()) === before + BURST;
      },
      { deadline: DEADLINE_MS, what: 'a card that has no buffers but those of the guest' },
    );
  }

  /** Says who it is. What comes for it now comes by pool 0, until it has a pool of its own. */
  async greet(): Promise<void> {
    const { cable } = this.machine;
    const before = cable.frames.length;
    const hello = frame({ to: broadcast, from: this.mac, length: 60 });
    await this.guest.send(Buffer.concat([this.header, hello]));
    assert.deepEqual(await cable.received(1, before), [tagged(hello, this.tag)]);
  }

  async hasPool(): Promise<void> {
    const taken = async () => (await this.machine.vswitch.uplink('net')).pools?.taken ?? [];
    await until(async () => (await taken()).some((pool) => pool.mac === this.mac), {
      deadline: DEADLINE_MS,
      what: `a pool for ${this.mac}`,
    });
  }
}

/** Cases for a machine whose switch has two ports and zero copy; they end it and start another. */
export function describeZeroCopyIn(machineOf: () => Machine): void {
  describe('to guests', () => {
    const mac = '02:00:00:00:00:0c';
    let lander: Lander;

    const enters = async (): Promise<void> => {
      const guest = await machineOf().talker('in', { offloads: true });
      lander = new Lander(machineOf(), guest, mac, TAG, Buffer.alloc(10));
      await lander.greet();
    };
    const taken = /device 2: uplink net does not give \d+ of its buffers back; its memory is taken from the card/;

    it('what comes from outside is put into its buffers by the card, byte for byte', async () => {
      assert.equal((await machineOf().vswitch.cli('ports', 'add', 'in', '--offloads')).code, 0);
      await enters();
      await lander.settle();
      const before = await lander.landed();
      for (let turn = 0; turn < longs.length; turn++) await lander.hears(lander.frames(turn));
      assert.equal(await lander.landed(), before + longs.length * BURST);
    });

    it('a guest gets nothing that is too long, not its own or its own words, and loses no buffer by that', async () => {
      const long = [1519, 1523, 2000].map((length) => frame({ to: mac, from: outside, length }));
      const other = frame({ to: '02:00:00:00:00:99', from: outside, length: 500 });
      const returned = frame({ to: broadcast, from: mac, length: 300 });
      const odd = [...long, returned, other].map((inner) => tagged(inner, TAG));
      const untagged = Array.from({ length: 14 }, () => frame({ to: mac, from: outside, length: 300 }));
      for (let turn = 0; turn < 3; turn++) {
        const some = lander.frames(turn).slice(2, 4);
        await lander.hears(some, [...untagged, ...odd, ...some.map((inner) => tagged(inner, TAG))]);
      }
    });

    it('group frames, which others get too, come between them', async () => {
      const group = frame({ to: broadcast, from: outside, length: 700 });
      const [first, ...others] = lander.frames(7);
      assert.ok(first);
      await lander.hears([first, group, ...others]);
    });

    it('the guest is told which frames the card has checked', async () => {
      const whole = packet({ v6: false, tcp: true, to: mac, from: outside, payload: Buffer.alloc(200, 7) });
      const right = finished(whole, true);
      const before = (await lander.guest.heard()).length;
      const landed = await lander.landed();
      machineOf().cable.send(tagged(right, TAG));
      const [got] = (await lander.guest.received(before + 1)).slice(before);
      assert.deepEqual(got, Buffer.concat([Buffer.from([2]), Buffer.alloc(9), right]));
      assert.equal(await lander.landed(), landed + 1);
    });

    it('guests that die while the card has their buffers get them all back; the next one has the same', async () => {
      for (let turn = 0; turn < 3; turn++) {
        const lost = lander.frames(turn).map((inner) => tagged(inner, TAG));
        machineOf().cable.send(...lost);
        await lander.guest.end();
        await enters();
      }
      await lander.settle();
      assert.doesNotMatch(await machineOf().log(), taken);
    });

    it('a card without a link loses the memory of a guest that goes; the next one loses no frame by that', async () => {
      await machineOf().link(false);
      await lander.guest.end();
      await machineOf().says(taken);
      await machineOf().link(true);
      await until(async () => (await machineOf().vswitch.uplink('net')).state === 'up', {
        deadline: DEADLINE_MS,
        what: 'a link',
      });
      await enters();
      // By pool 0 first, by its own as soon as the card has given back what it kept.
      for (let turn = 0; turn < 2; turn++) await lander.hears(lander.frames(turn));
      await lander.hasPool();
      for (let turn = 0; turn * BURST < 2 * RING; turn++) await lander.hears(lander.frames(turn));
      await lander.guest.end();
      await enters();
      await lander.settle();
    });

    it('with --vm2vm 2 frames go from guest to guest without a copy on either side, and tags stay on', async () => {
      await machineOf().stop();
      const config = { vlan: 'auto', vlanStrip: false, vm2vm: 'hardware', zeroCopy: true, workers: [0, 1] } as const;
      await machineOf().start(config);
      const from = new Lander(machineOf(), await machineOf().guest('b'), '02:00:00:00:00:0b', 1000);
      const to = new Lander(machineOf(), await machineOf().guest('c'), '02:00:00:00:00:0d', 1001);
      await from.greet();
      await to.greet();
      await from.hasPool();
      await to.hasPool();
      await to.settle((inner) => tagged(inner, 1001));
      const [landed, sent] = [await to.landed(), (await machineOf().vswitch.uplink('net')).zeroCopied ?? NaN];
      const inner = frame({ to: to.mac, from: from.mac, length: 1200, seed: 5 });
      const before = (await to.guest.heard()).length;
      await from.guest.send(inner);
      assert.deepEqual((await to.guest.received(before + 1)).slice(before), [inner]);
      assert.deepEqual(
        [await to.landed(), (await machineOf().vswitch.uplink('net')).zeroCopied],
        [landed + 1, sent + 1],
      );
    });
  });
}
