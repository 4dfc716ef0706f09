import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { IGNORED } from '../../../src/cli/daemon/signals.js';
import { runToEnd } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';

const deadline = 20_000;

describe('signals that reach a switch', function () {
  this.timeout(60_000);
  const scope = freshScope();

  it('change nothing where they have no meaning, in bursts neither, and open no debugger', async () => {
    const vswitch = await Switch.launch(scope());
    const { pid } = await vswitch.status();
    await vswitch.addPort('a');
    for (let i = 0; i < 50; i++) for (const signal of IGNORED) process.kill(pid, signal);
    assert.equal((await vswitch.status()).pid, pid);
    assert.equal((await vswitch.ports()).length, 1);
    const { code, stdout } = await runToEnd(scope(), 'ss', ['-ltnp']);
    assert.equal(code, 0);
    assert.ok(!stdout.includes(`pid=${pid},`), stdout);
  });

  for (const signal of ['SIGTERM', 'SIGQUIT', 'SIGALRM'] as const)
    it(`end it and leave nothing, while others come in a burst: ${signal}`, async () => {
      const vswitch = await Switch.launch(scope());
      const { pid } = await vswitch.status();
      await vswitch.addPort('a');
      process.kill(pid, signal);
      await until(
        async () => {
          try {
            for (const other of [...IGNORED, signal]) process.kill(pid, other);
          } catch {
            return true;
          }
          return (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z')).includes(') Z');
        },
        { deadline, what: 'the end of the switch' },
      );
      assert.deepEqual(await readdir(vswitch.runDir), ['switch.log']);
    });
});
