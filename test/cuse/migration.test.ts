import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { PingGuest } from '../helpers/ping-guest.js';
import { Qmp } from '../helpers/qmp.js';
import { tempDir } from '../helpers/paths.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

/** Runs in the machine of `test/helpers/machine.ts`, where all is slow: see `test/machines/cuse.test.ts`. */

const SLOW = 240_000;

describe('migration of a guest on /dev/usvhost-1', function () {
  this.timeout(2 * SLOW);
  const scope = new Scope();
  let dir: string;
  let vswitch: Switch;

  before(async () => {
    assert.equal(hostname(), 'machine', 'this test changes /etc and belongs into its machine');
    for (const script of ['/etc/qemu-ifup', '/etc/qemu-ifdown']) {
      writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    }
    dir = await tempDir(scope);
    const ports = [{ name: 'moving-hostnet1', transports: ['cuse'] }, { name: 'staying-hostnet1' }];
    writeFileSync(`${dir}/switch.json`, JSON.stringify({ ports }));
    const args = ['--config', `${dir}/switch.json`, '--hugepages', 'off'];
    vswitch = await Switch.start(scope, { runDir: `${dir}/run`, args, deadline: SLOW });
  });
  after(() => scope.close());

  const moving = (args: readonly string[]): Promise<PingGuest> =>
    PingGuest.start(scope, { name: 'moving', me: 1, ask: 2, runDir: vswitch.runDir, args });
  const lastReply = (guest: PingGuest): number => Number(guest.process.stdout.match(/reply (\d+)\n(?![^]*reply)/)?.[1]);

  it('to a file while it pings, and back: it goes on with the next ping, its rings whole', async () => {
    await PingGuest.start(scope, { name: 'staying', me: 2, runDir: vswitch.runDir });
    const source = await moving(['-qmp', `unix:${dir}/qmp,server=on,wait=off`]);
    await source.replies(3, SLOW);
    const line = connect(`${dir}/qmp`);
    scope.defer('the monitor', () => void line.destroy());
    const qmp = await Qmp.greet(line);
    const status = async (): Promise<string> => ((await qmp.run('query-migrate')) as { status: string }).status;
    const reach = (wanted: string): Promise<unknown> =>
      until(async () => (await status()) === wanted, { deadline: SLOW, what: `the migration to be ${wanted}` });

    // Slower than it could end, until frames have come that only the dirty log tells of.
    await qmp.run('migrate-set-parameters', { 'max-bandwidth': 4096 });
    await qmp.run('migrate', { uri: `exec:cat > ${dir}/file` });
    await reach('active');
    await source.replies(5, SLOW);
    await qmp.run('migrate-set-parameters', { 'max-bandwidth': 1 << 30 });
    await reach('completed');
    await source.process.kill();
    const before = lastReply(source);
    assert.equal(source.process.stderr, '');

    const target = await moving(['-incoming', `exec:cat ${dir}/file`]);
    await target.replies(5, SLOW);
    const first = Number(target.process.stdout.match(/reply (\d+)/)?.[1]);
    const heard = target.process.stdout.slice(0, 1000);
    assert.ok(first === before + 1 || first === before + 2, `after reply ${before} came reply ${first}: ${heard}`);
    assert.doesNotMatch(target.process.stdout, /up\n/);
    assert.equal(target.process.stderr, '');
    const [one] = await vswitch.ports();
    assert.deepEqual([one?.device, one?.state], ['/dev/usvhost-1', 'ready']);
  });
});
