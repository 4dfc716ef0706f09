import assert from 'node:assert/strict';
import { Child } from '../helpers/child.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { root } from '../helpers/paths.js';
import { withScope } from '../helpers/scope.js';
import { within } from '../helpers/until.js';

describe('the demo', function () {
  this.timeout(150_000);

  const demo = (scope: Parameters<typeof Child.start>[0]): Promise<Child> =>
    Child.start(scope, 'the demo', process.execPath, [`${root}build/test/e2e/demo.js`]);

  it('ends with the line that says that all pings were answered, and leaves nothing behind', async () => {
    const noLeaks = await watchForLeaks();
    await withScope(async (scope) => {
      const child = await demo(scope);
      const { code } = await within(child.ended, { deadline: 120_000, what: 'the end of the demo' });
      assert.equal(code, 0, child.output);
      assert.equal(child.stdout.trimEnd().split('\n').at(-1), 'demo: guest-a -> guest-b 10/10 replies');
      assert.match(child.stdout, /guest-a-hostnet1 .*\n(.*\n)*.*guest-b-hostnet1/);
    });
    await noLeaks();
  });

  it('takes everything down when it is interrupted', async () => {
    const noLeaks = await watchForLeaks();
    await withScope(async (scope) => {
      const child = await demo(scope);
      // The guests are about to start by then.
      await child.waitFor(/qemu-wrap -name guest=guest-b/, { deadline: 60_000, stream: 'stderr' });
      child.signal('SIGINT');
      const { code } = await within(child.ended, { deadline: 30_000, what: 'the end of the demo' });
      assert.equal(code, 130, child.output);
    });
    await noLeaks();
  });
});
