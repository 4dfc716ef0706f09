import { strict as assert } from 'node:assert';
import { copyFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodeFlags } from '../../src/common/node-flags.js';
import { bundle } from '../helpers/bundle.js';
import { kernel } from '../helpers/guests/guest.js';
import { Machine } from '../helpers/guests/machine.js';
import { drivers } from '../helpers/guests/machine/package.js';
import { root } from '../helpers/paths.js';
import { withScope } from '../helpers/scope.js';

interface Report {
  readonly stats: { readonly passes: number; readonly failures: number; readonly pending: number };
  readonly tests: readonly { readonly title: string; readonly duration?: number }[];
  readonly failures: readonly { readonly fullTitle: string; readonly err: { readonly message?: string } }[];
}

const CLI = `${root}build/machine/bundle/vhost-host.mjs`;
const TESTS = `${root}build/machine/bundle/tests.mjs`;
/** Tests in test/cuse. */
const TOLD = 16;
/** As the launcher starts it; the machine sees the Node of this one. */
const SHEBANG = `#!/usr/bin/env -S node ${nodeFlags('command', process.version)?.join(' ')}`;

/** With Linux as a guest, and with libvirt (`npm run e2e:cuse -- --full`). */
const full = process.env.VHOST_HOST_TEST_FULL !== undefined;
const TOLD_IN_FULL = 20;
/** Minutes on a busy machine: an emulator in an emulator. */
const DEADLINE_MS = (full ? 36 : 14) * 60_000;

describe('cuse: a machine with that module', function () {
  this.timeout(DEADLINE_MS + 120_000);

  it('all of test/cuse passes there', () =>
    withScope(async (scope) => {
      bundle('build/src/cli/main.js', CLI, SHEBANG);
      bundle('build/test/cuse/main.js', TESTS);
      if (full) copyFileSync(kernel, `${root}build/machine/bundle/vmlinux`);
      const machine = await Machine.boot(scope);
      const few = drivers(/^(bus_pci|bus_vdev|mempool_ring)$/);
      const home = dirname(few[0] ?? '');
      await machine.sh(`mkdir /run/few && cp ${few.join(' ')} /run/few && mount --bind /run/few ${home}`);
      const command = `cd ${root} && VHOST_HOST_TEST_CLI=${CLI} ${full ? 'VHOST_HOST_TEST_FULL=1 ' : ''}node ${TESTS} 2>/tmp/stderr`;
      const { output } = await machine.run(command, { deadline: DEADLINE_MS });
      const report = JSON.parse(output.slice(output.indexOf('{'))) as Report;
      for (const { title, duration = 0 } of report.tests) process.stderr.write(`      ${title} (${duration} ms)\n`);
      const failed = report.failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message ?? ''}`);
      const log = failed.length > 0 ? await machine.sh('tail -c 6000 /tmp/stderr') : '';
      assert.deepEqual(failed, [], log);
      assert.deepEqual([report.stats.passes, report.stats.pending], [full ? TOLD_IN_FULL : TOLD, 0]);
    }));
});
