import assert from 'node:assert/strict';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { CountingGuest, broadcast } from '../../helpers/guests/virtio-user.js';

const macA = '02:00:00:00:00:0a';
const macB = '02:00:00:00:00:0b';
const macC = '02:00:00:00:00:0c';
const nobody = '02:00:00:00:00:99';

describe('forwarding between virtio-user guests', function () {
  this.timeout(60_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  /** NIC 0 at port a. */
  let sender: CountingGuest;
  /** NIC 0 at port b, NIC 1 at port c. */
  let receivers: CountingGuest;

  before(async () => {
    noLeaks = await watchForLeaks();
    vswitch = await Switch.start(scope);
    const socket = async (name: string) => (await vswitch.addPort(name)).socket;
    const [a, b, c] = [await socket('a'), await socket('b'), await socket('c')];
    receivers = await CountingGuest.start(scope, [
      { socket: b, mac: macB },
      { socket: c, mac: macC },
    ]);
    sender = await CountingGuest.start(scope, [{ socket: a, mac: macA }]);
    for (const name of ['a', 'b', 'c']) await vswitch.portReady(name);
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  /** What a step added to the counters of each port. */
  async function counted(
    step: () => Promise<void>,
  ): Promise<Record<string, { tx: number; rx: number; rxBytes: number }>> {
    const before = await vswitch.stats();
    await step();
    return Object.fromEntries(
      (await vswitch.stats()).map(({ name, counters }, index) => {
        const was = before[index]?.counters;
        assert.ok(was, `port ${name} was there before`);
        assert.deepEqual(counters.drops, was.drops, `drops at port ${name}`);
        const tx = counters.txPackets - was.txPackets;
        return [name, { tx, rx: counters.rxPackets - was.rxPackets, rxBytes: counters.rxBytes - was.rxBytes }];
      }),
    );
  }

  it('floods frames to an address it does not know', async () => {
    const [b, c] = [await receivers.stats(0), await receivers.stats(1)];
    const delta = await counted(async () => {
      const sent = await sender.send(nobody, { bursts: 2, length: 100 });
      assert.equal(sent, 64);
      await receivers.received(b.rxPackets + sent, 0);
      await receivers.received(c.rxPackets + sent, 1);
    });
    assert.deepEqual(delta, {
      a: { tx: 64, rx: 0, rxBytes: 0 },
      b: { tx: 0, rx: 64, rxBytes: 6400 },
      c: { tx: 0, rx: 64, rxBytes: 6400 },
    });
  });

  it('learns where an address is, says so, and sends there only', async () => {
    const [a, c0] = [await sender.stats(), await receivers.stats(1)];
    const flooded = await receivers.send(broadcast, { nic: 0 });
    await sender.received(a.rxPackets + flooded);
    await receivers.received(c0.rxPackets + flooded, 1);
    await vswitch.says(new RegExp(`^DATA: \\(1\\) MAC_ADDRESS ${macB} and VLAN_TAG 1001 registered$`, 'm'));
    const learned = (await vswitch.macs()).find(({ mac }) => mac === macB);
    assert.equal(learned?.port, 'b');

    const [b, c] = [await receivers.stats(0), await receivers.stats(1)];
    const delta = await counted(async () => {
      const sent = await sender.send(macB, { bursts: 4, length: 1500 });
      assert.equal((await receivers.received(b.rxPackets + sent, 0)).rxPackets, b.rxPackets + sent);
    });
    assert.deepEqual(delta, {
      a: { tx: 128, rx: 0, rxBytes: 0 },
      b: { tx: 0, rx: 128, rxBytes: 128 * 1500 },
      c: { tx: 0, rx: 0, rxBytes: 0 },
    });
    assert.equal((await receivers.stats(1)).rxPackets, c.rxPackets);
  });

  it('gives broadcasts to every other port, and none back', async () => {
    const [a, b, c] = [await sender.stats(), await receivers.stats(0), await receivers.stats(1)];
    const delta = await counted(async () => {
      const sent = await receivers.send(broadcast, { nic: 1 });
      await sender.received(a.rxPackets + sent);
      await receivers.received(b.rxPackets + sent, 0);
    });
    assert.deepEqual(Object.fromEntries(Object.entries(delta).map(([name, { tx, rx }]) => [name, [tx, rx]])), {
      a: [0, 32],
      b: [0, 32],
      c: [32, 0],
    });
    assert.equal((await receivers.stats(1)).rxPackets, c.rxPackets);
  });

  it('follows an address that moves to another port', async () => {
    const moving = '02:00:00:00:00:77';
    const place = async () => (await vswitch.macs()).find(({ mac }) => mac === moving)?.port;
    const [a, b, c0] = [await sender.stats(), await receivers.stats(0), await receivers.stats(1)];

    await receivers.rename(0, moving);
    await receivers.send(broadcast, { nic: 0 });
    await sender.received(a.rxPackets + 32);
    await receivers.received(c0.rxPackets + 32, 1);
    assert.equal(await place(), 'b');

    await receivers.rename(0, macB);
    await receivers.rename(1, moving);
    await receivers.send(broadcast, { nic: 1 });
    await sender.received(a.rxPackets + 64);
    await receivers.received(b.rxPackets + 32, 0);
    assert.equal(await place(), 'c');

    const c = await receivers.stats(1);
    await sender.send(moving, { bursts: 1 });
    await receivers.received(c.rxPackets + 32, 1);
    assert.equal((await receivers.stats(0)).rxPackets, b.rxPackets + 32, 'b saw only the broadcast of c');
  });
});
