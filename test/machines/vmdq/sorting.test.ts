import assert from 'node:assert/strict';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Machine } from '../../helpers/guests/machine/machine.js';
import type { Talker } from '../../helpers/guests/machine/talker.js';
import { Scope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';
import { broadcast } from '../../helpers/guests/virtio-user.js';
import { describeOffloads } from './card-offloads.js';
import { describeSwitching } from './switching.js';
import { describeWithoutIommu } from './without-iommu.js';
import { multicast, outside, plain, tagged } from './frames.js';
import { describeZeroCopy } from './zero-copy.js';

const macs = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' } as const;
type Name = keyof typeof macs;
/** 1000 + device number. */
const tags = { a: 1000, b: 1001 } as const;

describe('vmdq: frames between a card and guests', function () {
  this.timeout(300_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let machine: Machine;
  const guests = {} as Record<Name, Talker>;

  before(async () => {
    noLeaks = await watchForLeaks({ pages: false });
    machine = await Machine.boot(scope);
    await machine.start({ vlan: 'auto' });
    for (const name of ['a', 'b'] as const) guests[name] = await machine.guest(name);
  });
  after(async () => {
    await scope.close();
    await noLeaks();
  });

  it('a guest is known by its first frame, which leaves the machine under its tag', async () => {
    for (const name of ['a', 'b'] as const) {
      const from = machine.cable.frames.length;
      await guests[name].send(plain(broadcast, macs[name], tags[name]));
      assert.deepEqual(await machine.cable.received(1, from), [tagged(broadcast, macs[name], tags[name], tags[name])]);
      const id = tags[name] - 1000;
      await machine.says(
        new RegExp(`^DATA: \\(${id}\\) MAC_ADDRESS ${macs[name]} and VLAN_TAG ${tags[name]} registered$`, 'm'),
      );
    }
  });

  async function sorts(): Promise<void> {
    const heard = { a: (await guests.a.heard()).length, b: (await guests.b.heard()).length };
    const before = await machine.vswitch.uplinkStats('net');
    machine.cable.send(
      tagged(macs.a, outside, 1, tags.a),
      tagged(macs.a, outside, 2, tags.b),
      tagged(macs.b, outside, 3, 5),
      tagged('02:00:00:00:00:0c', outside, 4, 1002),
      plain(macs.a, outside, 5),
      plain('02:00:00:00:00:0c', outside, 6),
      tagged(macs.b, outside, 7, tags.b),
      tagged(broadcast, outside, 8, tags.a),
      tagged(multicast, outside, 11, tags.b),
      tagged(macs.b, outside, 9, 0x6000 | tags.b),
      tagged(macs.a, outside, 10, tags.a),
    );
    const got = async (name: Name, count: number): Promise<Buffer[]> =>
      (await guests[name].received(heard[name] + count)).slice(heard[name]);
    assert.deepEqual(await got('a', 3), [
      plain(macs.a, outside, 1),
      plain(broadcast, outside, 8),
      plain(macs.a, outside, 10),
    ]);
    const forB = [plain(macs.b, outside, 7), plain(multicast, outside, 11), plain(macs.b, outside, 9)];
    assert.deepEqual(await got('b', 3), forB);
    const unknown = async (): Promise<number> =>
      ((await machine.vswitch.uplinkStats('net')).counters.drops.tx_unknown_unicast ?? 0) -
      (before.counters.drops.tx_unknown_unicast ?? 0);
    await until(async () => (await unknown()) === 5, { deadline: 10_000, what: 'five frames of unknown unicast' });
  }
  const table = 'each guest gets what has its address and its tag, untagged; nobody gets anything else';
  const pools = async (): Promise<readonly string[] | undefined> =>
    (await machine.vswitch.uplink('net')).pools?.taken.map(({ pool, id, mac }) => `${pool} ${id} ${mac}`);

  it('each guest has a pool of the card, by its address', async () => {
    const wanted = [`1 0 ${macs.a}`, `2 1 ${macs.b}`].join();
    await until(async () => (await pools())?.join() === wanted, { deadline: 10_000, what: 'two pools' });
    assert.equal((await machine.vswitch.uplink('net')).pools?.count, 7);
  });

  it(`by VMDq, ${table}`, sorts);

  it('guests reach each other in the switch, not by the card', async () => {
    const [from, heard] = [machine.cable.frames.length, (await guests.b.heard()).length];
    await guests.a.send(plain(macs.b, macs.a, 21), plain(broadcast, macs.a, 22));
    const got = (await guests.b.received(heard + 2)).slice(heard);
    assert.deepEqual(got, [plain(macs.b, macs.a, 21), plain(broadcast, macs.a, 22)]);
    assert.deepEqual(await machine.cable.received(1, from), [tagged(broadcast, macs.a, 22, tags.a)]);
  });

  it('a guest that has gone has no pool any more, and gets it again when it is back', async () => {
    await guests.a.end();
    await until(async () => (await pools())?.join() === `2 1 ${macs.b}`, { deadline: 10_000, what: 'one pool' });
    guests.a = await machine.talker('a');
    await guests.a.send(plain(broadcast, macs.a, 20));
    await until(async () => (await pools())?.length === 2, { deadline: 10_000, what: 'two pools again' });
    await sorts();
  });

  it(`a port of another VLAN mode ends VMDq; then in software, ${table}`, async () => {
    await machine.vswitch.addPort('other', 1, 'none');
    await machine.says(/uplink net \(256\): VMDq is given up/);
    await until(
      async () =>
        (await machine.vswitch.uplink('net')).pools === null && (await machine.vswitch.uplink('net')).state === 'up',
      {
        deadline: 20_000,
        what: 'the uplink without pools',
      },
    );
    await sorts();
  });

  describeOffloads(() => machine);
  describeSwitching(() => machine);
  describeZeroCopy(() => machine);
  describeWithoutIommu(() => machine);
});
