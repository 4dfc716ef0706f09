import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { watchForLeaks } from '../helpers/leaks.js';
import { tempDir } from '../helpers/paths.js';
import { PingGuest } from '../helpers/guests/ping-guest.js';
import { Qmp } from '../helpers/guests/qmp.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

const DEADLINE_MS = 60_000;
const MAC = '52:54:00:00:00:02';

describe('live migration of a QEMU guest on vhost-user', function () {
  this.timeout(4 * DEADLINE_MS);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let dir: string;
  let vswitch: Switch;
  let asking: PingGuest;
  let answering: PingGuest;
  let qmp: Qmp;

  before(async () => {
    noLeaks = await watchForLeaks();
    dir = await tempDir(scope);
    vswitch = await Switch.start(scope);
    const { runDir } = vswitch;
    const args = ['-qmp', `unix:${dir}/qmp,server=on,wait=off`];
    asking = await PingGuest.start(scope, { name: 'asking', me: 1, ask: 2, runDir, env });
    answering = await PingGuest.start(scope, { name: 'answering', me: 2, runDir, args, env });
    await asking.replies(3, DEADLINE_MS);
    const line = connect(`${dir}/qmp`);
    scope.defer('the monitor', () => void line.destroy());
    qmp = await Qmp.greet(line);
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  /** Two that start at once may both count on the same free hugepages. */
  const env = { VHOST_HOST_WRAP_HUGEPAGES: 'off' };

  const migration = async (): Promise<string> => ((await qmp.run('query-migrate')) as { status: string }).status;
  const reach = (status: string): Promise<unknown> =>
    until(async () => (await migration()) === status, { deadline: DEADLINE_MS, what: `the migration to be ${status}` });

  it('goes on as it was when the migration is cancelled', async () => {
    // Slower than it could ever end.
    await qmp.run('migrate-set-parameters', { 'max-bandwidth': 4096 });
    await qmp.run('migrate', { uri: 'exec:cat > /dev/null' });
    await reach('active');
    await asking.replies(5, DEADLINE_MS);
    await qmp.run('migrate_cancel');
    await reach('cancelled');
    await asking.replies(5, DEADLINE_MS);
    await qmp.run('migrate-set-parameters', { 'max-bandwidth': 1 << 30 });
  });

  it('answers at another port afterwards, without having said a word, and its rings are whole', async () => {
    const args = ['-incoming', `unix:${dir}/incoming`];
    const target = await PingGuest.start(scope, { name: 'target', me: 2, runDir: vswitch.runDir, args, env });
    await until(() => existsSync(`${dir}/incoming`), { deadline: DEADLINE_MS, what: 'the other QEMU to listen' });
    await qmp.run('migrate', { uri: `unix:${dir}/incoming` });
    await reach('completed');
    // The asking guest sends to the address that it knows, and nobody else speaks: the switch was told by QEMU.
    await asking.replies(10, DEADLINE_MS);
    assert.equal((await vswitch.macs()).find(({ mac }) => mac === MAC)?.port, 'target-hostnet1');
    assert.equal((await vswitch.port('target-hostnet1')).state, 'ready');
    assert.equal((await vswitch.port('answering-hostnet1')).state, 'connected');
    for (const { process } of [asking, answering, target])
      assert.deepEqual([process.stderr, process.end], ['', undefined]);
  });
});
