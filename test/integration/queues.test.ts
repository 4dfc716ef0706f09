import assert from 'node:assert/strict';
import { buildFrontEnd, frontEnd } from '../helpers/frontend.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';

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
    await buildFrontEnd(scope, 'queues');
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

  it('says how many pairs are in use, and what is missing', async () => {
    const port = await vswitch.port('guest');
    assert.equal(port.state, 'waiting');
    assert.equal(port.missing?.reason, 'no_front_end');
    assert.deepEqual([port.queuesInUse, port.queues], [0, 64]);
  });
});
