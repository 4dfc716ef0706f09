import assert from 'node:assert/strict';
import { guestBeside, switchBeside, watchBeside } from '../helpers/beside.js';
import { Guest } from '../helpers/guests/guest.js';
import { ping } from '../helpers/net/network.js';
import { recipePort } from '../helpers/host/recipe.js';
import { until } from '../helpers/until.js';
import { Scope } from '../helpers/scope.js';
import type { Switch } from '../helpers/switch.js';

const PAIRS = 4;

/** A driver starts with one queue pair (virtio 1.2, 5.1.6.5.5), and uses no more than it has processors. */
describe('guests that use fewer queue pairs than their port has', function () {
  this.timeout(180_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let peer: Guest;
  const guests = new Map<number, Guest>();

  async function boot(processors: number): Promise<void> {
    const { args, ...options } = guestBeside({
      name: `mq${processors}`,
      mac: `52:54:00:00:00:3${processors}`,
      runDir: vswitch.runDir,
      queues: PAIRS,
    });
    const guest = await Guest.boot(scope, { ...options, args: [...args, '-smp', String(processors)] });
    guests.set(processors, guest);
  }

  before(async () => {
    noLeaks = await watchBeside();
    vswitch = await switchBeside(scope);
    const plain = guestBeside({ name: 'peer', mac: '52:54:00:00:00:30', runDir: vswitch.runDir });
    [peer] = await Promise.all([Guest.boot(scope, plain), boot(1), boot(2), boot(PAIRS)]);
    await peer.address('10.0.0.1/24');
  });
  after(async () => {
    await scope.close();
    await noLeaks();
  });

  for (const processors of [1, 2]) {
    it(`${processors} of ${PAIRS}: it is served by those, also after a reset`, async () => {
      const guest = guests.get(processors);
      assert.ok(guest);
      const used = async (): Promise<number[]> =>
        (await vswitch.port(recipePort(`mq${processors}`))).rings.filter(({ live }) => live).map(({ index }) => index);
      for (let round = 0; round < 2; round++) {
        if (round > 0) await guest.reboot();
        await guest.address(`10.0.0.${processors + 1}/24`);
        await ping(guest, '10.0.0.1');
        await ping(peer, `10.0.0.${processors + 1}`);
        assert.equal((await vswitch.port(recipePort(`mq${processors}`))).state, 'ready');
        assert.deepEqual(
          await used(),
          Array.from({ length: 2 * processors }, (_, index) => index),
        );
      }
    });
  }

  it(`by its own choice (ethtool -L): it is served by as many of ${PAIRS}, up and down, while frames flow`, async () => {
    const guest = guests.get(PAIRS);
    assert.ok(guest);
    const inUse = async (): Promise<number> => (await vswitch.port(recipePort(`mq${PAIRS}`))).queuesInUse;
    await guest.address(`10.0.0.${PAIRS + 1}/24`);
    await peer.sh(`ping -q -i 0.02 10.0.0.${PAIRS + 1} >/tmp/flow 2>&1 & echo $! >/tmp/flow.pid`);
    for (const pairs of [1, PAIRS, 2, 3, 1, PAIRS]) {
      await guest.sh(`channels eth0 ${pairs}`);
      await until(async () => (await inUse()) === pairs, { deadline: 20_000, what: `${pairs} pairs in use` });
      await ping(guest, '10.0.0.1');
      await ping(peer, `10.0.0.${PAIRS + 1}`);
    }
    await peer.sh('kill -INT $(cat /tmp/flow.pid)');
    await guest.reboot();
    await guest.address(`10.0.0.${PAIRS + 1}/24`);
    await ping(peer, `10.0.0.${PAIRS + 1}`);
  });
});
