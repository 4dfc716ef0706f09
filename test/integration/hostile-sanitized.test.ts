import assert from 'node:assert/strict';
import { Child } from '../helpers/child.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { buildFrontEnd, frontEnd, frontEndPath } from '../helpers/frontend.js';
import { SECONDS, SEED } from '../helpers/hostile.js';
import { tempDir } from '../helpers/paths.js';
import { withScope } from '../helpers/scope.js';
import { until } from '../helpers/until.js';

describe('hostile guests and front ends, with sanitizers', function () {
  this.timeout(180_000 + SECONDS * 1000);
  const scope = freshScope();

  before(async function () {
    this.timeout(400_000);
    await withScope((building) => buildFrontEnd(building, 'hostile', 'engine_main_asan'));
  });

  it(`no memory error and no undefined behaviour under all of it (seed ${SEED})`, async () => {
    const dir = await tempDir(scope());
    const [evil, other] = [`${dir}/evil`, `${dir}/other`];
    const hostile = (part: string, args: readonly string[], deadline?: number): Promise<string> =>
      frontEnd(scope(), 'hostile', [part, ...args], deadline);
    const engine = await Child.start(scope(), 'the engine', frontEndPath('engine_main_asan'), ['2', evil, other]);
    await engine.waitFor(/^ready$/m, { deadline: 30_000 });
    await hostile('protocol', [evil]);
    await hostile('log', [evil, other]);
    for (const ring of ['split', 'packed']) {
      await hostile('memory', [evil, ring, '9']);
      await hostile('rings', [evil, ring, other]);
      await hostile('iommu', [evil, ring, other]);
    }
    await hostile('random', [evil, String(SECONDS), SEED], 60_000 + SECONDS * 1000);
    await hostile('eventfd', [evil, other]);
    engine.write('quit\n');
    const end = await until(() => engine.end, { deadline: 30_000, what: 'the end of the engine' });
    assert.deepEqual(end, { code: 0, signal: null }, engine.output);
    assert.doesNotMatch(engine.output, /Sanitizer|runtime error/);
  });
});
