import assert from 'node:assert/strict';
import { Child } from '../../helpers/child.js';
import { buildFrontEnd, frontEnd, frontEndPath } from '../../helpers/frontend.js';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Scope, withScope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';

/** A guest may start, enable, disable and stop its queues in any order (frontend/queues.c says what must hold). */
describe('queue pairs in any order', function () {
  this.timeout(120_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let guest: string;
  let peer: string;

  before(async function () {
    this.timeout(400_000);
    noLeaks = await watchForLeaks();
    await buildFrontEnd(scope, 'queues', 'partway');
    vswitch = await Switch.start(scope);
    guest = (await vswitch.addPort('guest', 64)).socket;
    peer = (await vswitch.addPort('peer')).socket;
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  for (const ring of ['split', 'packed']) {
    for (const pairs of [1, 4, 64]) {
      it(`${ring} rings: each of ${pairs} pairs is served by its own state, whatever the others do`, async () => {
        const seed = String(Math.floor(Math.random() * 2 ** 32));
        const steps = pairs === 64 ? '40' : '120';
        const output = await frontEnd(scope, 'queues', [guest, peer, String(pairs), ring, steps, seed]);
        const { sent, delivered } = JSON.parse(output) as { sent: number; delivered: number };
        assert.ok(delivered > 0 && sent >= delivered, `seed ${seed}: ${delivered} of ${sent} frames`);
      });
    }
  }

  it('says how many pairs are in use', async () => {
    const port = await until(
      async () => {
        const found = await vswitch.port('guest');
        return found.state === 'waiting' ? found : undefined;
      },
      { deadline: 10_000, what: 'the front end to be gone' },
    );
    assert.equal(port.missing?.reason, 'no_front_end');
    assert.deepEqual([port.queuesInUse, port.queues], [0, 64]);
  });

  /** Where a front end with its guest has stopped, and what `ports` says of it. */
  const partway: readonly (readonly [string, string | null, number])[] = [
    ['connected', 'no_features', 0],
    ['features', 'no_memory', 0],
    ['memory', 'no_rings', 0],
    ['legacy', 'legacy_byte_order', 0],
    ['disabled', 'not_enabled', 0],
    ['sends', 'no_receive_queue', 1],
    ['receives', 'no_transmit_queue', 1],
    ['empty', 'no_receive_buffers', 1],
    ['all', null, 1],
  ];
  for (const [stage, reason, inUse] of partway) {
    it(`${stage}: ${reason ?? 'nothing'} is missing`, async () => {
      await withScope(async (front) => {
        const child = await Child.start(front, 'the front end', frontEndPath('partway'), [guest, stage]);
        await child.waitFor(/^there$/m, { deadline: 20_000 });
        const port = await vswitch.port('guest');
        assert.equal(port.missing?.reason ?? null, reason);
        assert.equal(port.state, reason === null || stage === 'empty' ? 'ready' : 'connected');
        assert.equal(port.queuesInUse, inUse);
        child.closeInput();
        assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output);
      });
    });
  }

  it('says once, with the reason, that a front end wanted more queues than there are', async () => {
    await withScope(async (front) => {
      const child = await Child.start(front, 'the front end', frontEndPath('partway'), [peer, 'asks']);
      await child.waitFor(/^there$/m, { deadline: 20_000 });
      const text = 'left when it heard of 1 queue pair: most likely its guest has more';
      // Its last front end is done with once the port waits again.
      await until(
        async () => (await vswitch.port('peer')).state === 'waiting' && (await vswitch.log()).includes(text),
        {
          deadline: 10_000,
          what: 'its line',
        },
      );
      assert.equal((await vswitch.log()).split(text).length, 2);
    });
  });
});
