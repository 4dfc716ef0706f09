import assert from 'node:assert/strict';
import { buildFrontEnd, frontEnd } from '../../helpers/frontend.js';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';

/** What the guest that moved says about itself. */
interface Told {
  /** Pages that the dirty log made it copy while frames flowed. */
  readonly live: number;
  readonly lost: { readonly source: number; readonly target: number };
}

describe('a guest moves to another port while frames flow, by the dirty log alone', function () {
  this.timeout(120_000);
  let scope: Scope;
  let noLeaks: () => Promise<void>;

  before(async function () {
    this.timeout(400_000);
    noLeaks = await watchForLeaks();
  });
  beforeEach(async () => {
    scope = new Scope();
    await buildFrontEnd(scope, 'migrate');
  });
  afterEach(() => scope.close());
  after(() => noLeaks());

  /** How many frames the port counts as dropped for these reasons. */
  async function dropped(vswitch: Switch, port: string, ...reasons: readonly string[]): Promise<number> {
    const { drops } = await vswitch.counters(port);
    return reasons.reduce((sum, reason) => sum + (drops[reason] ?? 0), 0);
  }

  for (const ring of ['split', 'packed']) {
    it(`${ring} rings: its memory arrives byte for byte, and no frame is lost uncounted`, async () => {
      const vswitch = await Switch.start(scope);
      const names = ['partner', 'source', 'target'];
      const sockets = await Promise.all(names.map(async (name) => (await vswitch.addPort(name)).socket));
      const { live, lost } = JSON.parse(await frontEnd(scope, 'migrate', [...sockets, ring])) as Told;
      assert.ok(live > 60, `pages were copied live: ${live}`);
      // Standing still for a message is a reason as well, and the sender's where the address is not known yet.
      const still = await dropped(vswitch, 'partner', 'tx_no_destination');
      const full = await dropped(vswitch, 'source', 'rx_ring_full', 'rx_not_ready');
      assert.equal(full + still, lost.source, 'lost by the source');
      // It heard floods before there was a guest: those are not ready, and nobody's.
      assert.equal(await dropped(vswitch, 'target', 'rx_ring_full'), lost.target, 'lost by the target');
      const [mac] = (await vswitch.macs()).filter(({ mac }) => mac === '02:00:00:00:00:02');
      assert.equal(mac?.port, 'target');
    });
  }
});
