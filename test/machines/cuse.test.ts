import { strict as assert } from 'node:assert';
import { Machine } from '../helpers/machine.js';
import { root } from '../helpers/paths.js';
import { withScope } from '../helpers/scope.js';

interface Report {
  readonly stats: { readonly passes: number; readonly failures: number; readonly pending: number };
  readonly failures: readonly { readonly fullTitle: string; readonly err: { readonly message?: string } }[];
}

/** Minutes on a busy machine: an emulator in an emulator. */
const DEADLINE_MS = 14 * 60_000;

describe('cuse: a machine with that module', function () {
  this.timeout(DEADLINE_MS + 120_000);

  it('all of test/cuse passes there', () =>
    withScope(async (scope) => {
      const machine = await Machine.boot(scope);
      const mocha = 'node node_modules/mocha/bin/mocha.js --bail --reporter json "build/test/cuse/*.test.js"';
      const { output } = await machine.run(`cd ${root} && ${mocha} 2>/tmp/mocha.stderr`, { deadline: DEADLINE_MS });
      const report = JSON.parse(output.slice(output.indexOf('{'))) as Report;
      const failed = report.failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message ?? ''}`);
      assert.deepEqual(failed, []);
      assert.deepEqual([report.stats.passes, report.stats.pending], [9, 0]);
    }));
});
