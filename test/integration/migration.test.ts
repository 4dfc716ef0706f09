import assert from 'node:assert/strict';
import { buildFrontEnd, frontEnd } from '../helpers/frontend.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';

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

  async function dropped(vswitch: Switch): Promise<Record<'source' | 'target', Readonly<Record<string, number>>>> {
    return { source: (await vswitch.counters('source')).drops, target: (await vswitch.counters('target')).drops };
  }

  for (const ring of ['split', 'packed']) {
    it(`${ring} rings: its memory arrives byte for byte, and no frame is lost uncounted`, async () => {
      const vswitch = await Switch.start(scope);
      const names = ['partner', 'source', 'target'];
      const sockets = await Promise.all(names.map(async (name) => (await vswitch.addPort(name)).socket));
      const { live, lost } = JSON.parse(await frontEnd(scope, 'migrate', [...sockets, ring])) as Told;
      assert.ok(live > 60, `pages were copied live: ${live}`);
      const { source, target } = await dropped(vswitch);
      // Standing still for a message is a reason as well; the target heard floods before there was a guest.
      assert.equal((source.rx_ring_full ?? 0) + (source.rx_not_ready ?? 0), lost.source, 'lost by the source');
      assert.equal(target.rx_ring_full ?? 0, lost.target, 'lost by the target');
      const [mac] = (await vswitch.macs()).filter(({ mac }) => mac === '02:00:00:00:00:02');
      assert.equal(mac?.port, 'target');
    });
  }
});
