import assert from 'node:assert/strict';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Scope, withScope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { Testpmd } from '../../helpers/guests/testpmd.js';
import { until } from '../../helpers/until.js';
import { CountingGuest, broadcast } from '../../helpers/guests/virtio-user.js';

const macA = '02:00:00:00:00:0a';
const macB = '02:00:00:00:00:0b';
const macC = '02:00:00:00:00:0c';

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

describe('ports and guests that come and go', function () {
  this.timeout(60_000);
  let noLeaks: () => Promise<void>;
  let scope: Scope;
  let vswitch: Switch;

  beforeEach(async () => {
    noLeaks = await watchForLeaks();
    scope = new Scope();
    vswitch = await Switch.start(scope);
  });

  afterEach(async () => {
    await scope.close();
    await noLeaks();
  });

  const socketOf = async (name: string, queues = 1): Promise<string> => (await vswitch.addPort(name, queues)).socket;

  /** Two NICs of one guest that send each other's frames back and forth without end. */
  async function circle(queues = 1): Promise<Testpmd> {
    const device = queues === 1 ? '' : `,queues=${queues},cq=1`;
    const vdevs = [
      `net_virtio_user0,mac=${macA},path=${await socketOf('a', queues)}${device}`,
      `net_virtio_user1,mac=${macB},path=${await socketOf('b', queues)}${device}`,
    ];
    const peers = [`--eth-peer=0,${macB}`, `--eth-peer=1,${macA}`];
    const args = ['--forward-mode=mac', ...peers, `--rxq=${queues}`, `--txq=${queues}`];
    const testpmd = await Testpmd.start(scope, { vdevs, args });
    for (const name of ['a', 'b']) await vswitch.portReady(name);
    await testpmd.command('start tx_first 4');
    return testpmd;
  }

  const packets = async (name: string): Promise<number> => (await vswitch.counters(name)).rxPackets;

  async function moreTraffic(name: string, more = 20_000): Promise<void> {
    const goal = (await packets(name)) + more;
    await until(async () => (await packets(name)) >= goal, {
      deadline: 20_000,
      what: `${more} more frames at ${name}`,
    });
  }

  /** Ends the traffic, lets the guest take what is still in its rings, and compares both sides' counts. */
  async function compareCounts(testpmd: Testpmd): Promise<void> {
    await testpmd.commands('stop', 'set fwd rxonly', 'start');
    for (const [nic, name] of ['a', 'b'].entries()) {
      await until(async () => (await testpmd.stats(nic)).rxPackets >= (await packets(name)), {
        deadline: 10_000,
        what: `the guest to take all frames of ${name}`,
      });
      const guest = await testpmd.stats(nic);
      const ours = await vswitch.counters(name);
      assert.equal(ours.txPackets, guest.txPackets, `frames sent at ${name}`);
      assert.equal(ours.txBytes, guest.txBytes, `bytes sent at ${name}`);
      assert.equal(ours.rxPackets, guest.rxPackets, `frames received at ${name}`);
      assert.equal(ours.rxBytes, guest.rxBytes, `bytes received at ${name}`);
    }
    const all = (await vswitch.stats()).filter(({ name }) => ['a', 'b'].includes(name)).map(({ counters }) => counters);
    const tx = all.reduce((total, { txPackets }) => total + txPackets, 0);
    const rx = all.reduce((total, { rxPackets, drops }) => total + rxPackets + sum(drops), 0);
    assert.equal(tx, rx, 'every frame was delivered or counted as dropped');
  }

  it('counts long traffic to the frame', async () => {
    const testpmd = await circle();
    await moreTraffic('a', 500_000);
    await compareCounts(testpmd);
  });

  for (const queues of [2, 8])
    it(`serves ${queues} queue pairs per port`, async () => {
      const testpmd = await circle(queues);
      await moreTraffic('a');
      const { rings, queues: made } = await vswitch.port('a');
      assert.equal(made, queues);
      assert.deepEqual(
        rings.filter(({ live }) => live).map(({ index }) => index),
        Array.from({ length: 2 * queues }, (_, index) => index),
      );
      await compareCounts(testpmd);
    });

  it('adds and removes ports under traffic', async () => {
    const testpmd = await circle();
    for (let round = 0; round < 5; round++) {
      const socket = await socketOf('c');
      await withScope(async (guestScope) => {
        const guest = await CountingGuest.start(guestScope, [{ socket, mac: macC }]);
        await vswitch.portReady('c');
        await guest.send(broadcast);
        await moreTraffic('a', 5000);
        // The guest is still connected, and its frames may be on their way.
        await vswitch.removePort('c');
      });
      assert.deepEqual(
        (await vswitch.ports()).map(({ name }) => name),
        ['a', 'b'],
      );
      assert.ok(!(await vswitch.macs()).some(({ mac }) => mac === macC), 'its address went with the port');
      await moreTraffic('a', 5000);
    }
    await testpmd.command('stop');
  });

  it('removes a port that carries the traffic', async () => {
    const testpmd = await circle();
    await moreTraffic('a', 5000);
    await vswitch.removePort('b');
    // What is left of the traffic has nowhere to go; the switch answers and takes new guests.
    assert.equal((await vswitch.status()).ports, 1);
    await testpmd.stop();
    const again = await CountingGuest.start(scope, [{ socket: await socketOf('b'), mac: macB }]);
    await vswitch.portReady('b');
    await again.send(broadcast);
    assert.equal((await vswitch.counters('b')).txPackets, 32);
  });

  it('takes a new guest at the port of one that was killed in full traffic', async () => {
    const testpmd = await circle();
    await moreTraffic('a', 5000);
    await testpmd.process.kill();
    const sockets = (await vswitch.ports()).map(({ socket }) => socket);
    await until(async () => (await vswitch.ports()).every(({ state }) => state === 'waiting'), {
      deadline: 10_000,
      what: 'the switch to see that its guest is gone',
    });
    const [before] = (await vswitch.stats()).map(({ counters }) => counters);
    const nics = sockets.map((socket, index) => ({ socket, mac: index === 0 ? macA : macB }));
    const guest = await CountingGuest.start(scope, nics);
    for (const name of ['a', 'b']) await vswitch.portReady(name);
    const sent = await guest.send(broadcast, { nic: 1 });
    await guest.received(sent, 0);
    assert.ok(before);
    assert.equal((await vswitch.counters('a')).rxPackets, before.rxPackets + sent, 'counters go on over a reconnect');
  });
});
