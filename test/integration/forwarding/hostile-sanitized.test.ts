import assert from 'node:assert/strict';
import { Child } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { buildFrontEnd, frontEnd, frontEndPath } from '../../helpers/frontend.js';
import { SECONDS, SEED } from '../../helpers/hostile.js';
import { tempDir } from '../../helpers/paths.js';
import { withScope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';

const REMOVALS = 12;

describe('hostile guests and front ends, with sanitizers', function () {
  this.timeout(180_000 + SECONDS * 1000);
  const scope = freshScope();

  before(async function () {
    this.timeout(400_000);
    await withScope((building) => buildFrontEnd(building, 'hostile', 'engine_main_asan'));
  });

  async function start(...sockets: readonly string[]): Promise<Child> {
    const engine = await Child.start(scope(), 'the engine', frontEndPath('engine_main_asan'), ['2', ...sockets]);
    await engine.waitFor(/^ready$/m, { deadline: 30_000 });
    return engine;
  }

  async function endsClean(engine: Child): Promise<void> {
    engine.write('quit\n');
    const end = await until(() => engine.end, { deadline: 30_000, what: 'the end of the engine' });
    assert.deepEqual(end, { code: 0, signal: null }, engine.output);
    assert.doesNotMatch(engine.output, /Sanitizer|runtime error/);
  }

  it(`no memory error and no undefined behaviour under all of it (seed ${SEED})`, async () => {
    const dir = await tempDir(scope());
    const [evil, other, flipping] = [`${dir}/evil`, `${dir}/other`, `${dir}/flipping`];
    const hostile = (part: string, args: readonly string[], deadline?: number): Promise<string> =>
      frontEnd(scope(), 'hostile', [part, ...args], deadline);
    const engine = await start(evil, other, flipping);
    await hostile('protocol', [evil]);
    await hostile('log', [evil, other]);
    for (const ring of ['split', 'packed']) {
      await hostile('memory', [evil, ring, '9']);
      await hostile('rings', [evil, ring, other]);
      await hostile('iommu', [evil, ring, other]);
    }
    await hostile('random', [evil, String(SECONDS), SEED], 60_000 + SECONDS * 1000);
    await hostile('kinds', [evil, other]);
    await hostile('closing', [evil, other]);
    // What keeps a port shut for a while comes last, and each on a port of its own.
    await hostile('eventfd', [evil, other]);
    await hostile('flip', [flipping, other]);
    await endsClean(engine);
  });

  it('ports that are removed in full traffic are left alone before their memory goes', async () => {
    const dir = await tempDir(scope());
    const peer = `${dir}/peer`;
    const engine = await start(peer);
    for (let round = 0; round < REMOVALS; round++) {
      const socket = `${dir}/removed`;
      let from = engine.stdout.length;
      engine.write(`add ${socket}\n`);
      const id = (await engine.waitFor(/^(\d+)\n/, { deadline: 30_000, from }))[1];
      const ring = round % 2 === 0 ? 'split' : 'packed';
      const guest = await Child.start(scope(), 'the guest', frontEndPath('hostile'), ['removed', socket, ring, peer]);
      await guest.waitFor(/^flowing$/m, { deadline: 30_000 });
      from = engine.stdout.length;
      engine.write(`remove ${id}\n`);
      await engine.waitFor(/^0\n/, { deadline: 30_000, from });
      assert.deepEqual(await guest.ended, { code: 0, signal: null }, guest.output);
    }
    await endsClean(engine);
  });
});
