import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { frame } from '../helpers/net/frames.js';
import { freeHugepagesMb } from '../helpers/host/hugepages.js';
import { tempDir } from '../helpers/paths.js';
import { Switch, vhostHost } from '../helpers/switch.js';
import { until } from '../helpers/until.js';
import { RecordingGuest } from '../helpers/guests/virtio-user.js';
import type { RigOptions } from '../helpers/guests/virtio-user.js';
import { freshScope } from '../helpers/fresh-scope.js';

const macs = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' };
const nobody = { uid: 65534, gid: 65534 };

describe('the switch as a daemon', function () {
  this.timeout(90_000);
  const scope = freshScope();

  /** Two guests exchange a few frames: the switch does its work. */
  async function assertForwards(vswitch: Switch, options: RigOptions = {}): Promise<void> {
    const script = (from: string, to: string): Buffer[] =>
      Array.from({ length: 40 }, (_, seed) => frame({ to, from, length: 60 + seed * 30, seed }));
    const start = async (name: 'a' | 'b', frames: Buffer[]): Promise<RecordingGuest> => {
      const { socket } = await vswitch.addPort(name);
      const guest = await RecordingGuest.start(scope(), { socket, mac: macs[name] }, frames, options);
      await vswitch.portReady(name);
      await guest.go();
      return guest;
    };
    // The first only listens; its frames would find nobody.
    const a = await start('a', []);
    const sent = script(macs.b, macs.a);
    await start('b', sent);
    assert.deepEqual(await a.received(sent.length), sent);
  }

  it('starts, forwards, and leaves nothing but its log when it is stopped', async () => {
    const vswitch = await Switch.launch(scope());
    await assertForwards(vswitch);
    await vswitch.stop();
    assert.deepEqual(readdirSync(vswitch.runDir), ['switch.log']);
  });

  it('starts anew after it was killed, and clears up after the dead one', async () => {
    const first = await Switch.launch(scope());
    const { pid } = await first.status();
    const { socket } = await first.addPort('left-behind');
    process.kill(pid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`), { deadline: 10_000, what: 'the killed switch to be gone' });
    assert.ok(existsSync(socket), 'a killed switch cannot clear up');

    const second = await Switch.launch(scope(), { runDir: first.runDir });
    assert.ok(!existsSync(socket), 'the next one does');
    assert.deepEqual(await second.ports(), []);
    await assertForwards(second);
  });

  it('refuses a second start beside a running one, which goes on', async () => {
    const vswitch = await Switch.launch(scope());
    const { pid } = await vswitch.status();
    const { code, stderr } = await vswitch.cli('start');
    assert.equal(code, 1);
    assert.match(stderr, /already|running/);
    assert.equal((await vswitch.status()).pid, pid);
    await assertForwards(vswitch);
  });

  it('runs for a user without any rights, with guests of that user', async function () {
    if (process.getuid?.() !== 0) this.skip(); // Then every other test shows it.
    const home = await tempDir(scope(), nobody);
    const options = { user: nobody, env: { XDG_RUNTIME_DIR: home, HOME: home } };
    const runDir = `${home}/vhost-host`;
    // Which need no rights where a machine has them.
    const hugepages = (await freeHugepagesMb()) >= 64;
    // No --run-dir: it must find the user's own.
    const { code, stderr } = await vhostHost(scope(), ['start'], options);
    assert.equal(code, 0, stderr);
    const vswitch = Switch.at(scope(), runDir, options);
    scope().defer('the switch', () => vswitch.stop());
    assert.equal((await vswitch.status()).runDir, runDir);
    assert.equal((await vswitch.status()).hugepages, hugepages);
    await assertForwards(vswitch, { user: nobody });
  });
});
