import { strict as assert } from 'node:assert';
import { createWriteStream, existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Writable } from 'node:stream';
import { goesOn } from '../helpers/guests/ping-guest.js';
import type { PingGuest } from '../helpers/guests/ping-guest.js';
import type { Qmp } from '../helpers/guests/qmp.js';
import { until } from '../helpers/until.js';
import { EINVAL, EPERM, giveCall } from './claims.js';
import { holdStream } from './held-stream.js';
import { pidsOf } from './processes.js';
import { ARRIVAL, DEVICE, SLOW, scene } from './scene.js';

let ways = 0;
/** Another switch takes its time here. */
const full = process.env.VHOST_HOST_TEST_FULL !== undefined;

/** It cannot end until `meanwhile` has: then frames have come that only the dirty log tells of. */
async function migrate(qmp: Qmp, to: () => Writable, meanwhile: () => Promise<void>): Promise<void> {
  const status = async (): Promise<string> => ((await qmp.run('query-migrate')) as { status: string }).status;
  const reach = (wanted: string): Promise<unknown> =>
    until(async () => (await status()) === wanted, { deadline: SLOW, what: `the migration to be ${wanted}` });
  const way = await holdStream(scene.scope, `${scene.dir}/way-${String(++ways)}`, SLOW);
  await qmp.run('migrate', { uri: way.uri });
  await reach('active');
  await meanwhile();
  assert.equal(await status(), 'active');
  await way.release(to());
  await reach('completed');
}

async function followed(before: PingGuest, after: PingGuest): Promise<void> {
  await after.replies(5, SLOW);
  goesOn(before.process.stdout, after.process.stdout);
  assert.doesNotMatch(after.process.stdout, /up\n/);
  assert.deepEqual([before.process.stderr, after.process.stderr], ['', '']);
}

/** Of a guest on /dev/usvhost-1, which `cuse.test.ts` has started. */
describe('migration of a guest on a device', function () {
  this.timeout(2 * SLOW);

  it('to a file while it pings, and back: it goes on with the next ping, its rings whole', async () => {
    const file = `${scene.dir}/file`;
    const source = scene.asking;
    await scene.monitor((qmp) =>
      migrate(
        qmp,
        () => createWriteStream(file),
        () => source.replies(5, SLOW),
      ),
    );
    await source.process.kill();
    await scene.startAsking('-incoming', `exec:cat ${file}`);
    await followed(source, scene.asking);
    const [one] = await scene.vswitch.ports();
    assert.deepEqual([one?.device, one?.state], [DEVICE, 'ready']);
  });

  const killed = full ? 'bridge and switch are' : 'the bridge is';
  it(`live to a QEMU on another device, though ${killed} killed on the way`, async () => {
    const incoming = `unix:${scene.dir}/incoming`;
    const arrived = await scene.guest('arriving', ['-incoming', incoming]);
    await until(() => existsSync(`${scene.dir}/incoming`), { deadline: SLOW, what: 'the other QEMU to listen' });
    const killBridge = async (): Promise<void> => {
      const [bridge = 0] = pidsOf('vh-cuse-bridge');
      process.kill(bridge, 'SIGKILL');
      await until(() => !pidsOf('vh-cuse-bridge').includes(bridge), { deadline: SLOW, what: 'its end' });
    };
    const kill = async (): Promise<void> => {
      await killBridge();
      if (full) {
        await scene.vswitch.process?.kill();
        await scene.startSwitch();
      }
      await scene.asking.replies(3, SLOW);
    };
    await scene.monitor((qmp) => migrate(qmp, () => connect(`${scene.dir}/incoming`), kill));
    await followed(scene.asking, arrived);
    // What has arrived has all that a guest has, also another bridge.
    await killBridge();
    await arrived.replies(3, SLOW);
    const { macs, device } = await scene.vswitch.port('arriving-hostnet1');
    assert.deepEqual([macs, device], [['52:54:00:00:00:01'], ARRIVAL]);
    await arrived.process.kill();
  });

  // Of all tests here that need more this is the last: it cannot be taken back.
  it('and a device has no guests where Yama forbids to take their descriptors, and says so', async () => {
    await scene.asking.process.kill();
    await scene.free('asking-hostnet1');
    assert.equal(await giveCall(scene.scope, DEVICE, 'device', SLOW), EINVAL);
    assert.equal(await giveCall(scene.scope, DEVICE, 'event', SLOW), 0);
    writeFileSync('/proc/sys/kernel/yama/ptrace_scope', '3');
    assert.equal(await giveCall(scene.scope, DEVICE, 'event', SLOW), EPERM);
    const why = /descriptor \d+ of process \d+ cannot be taken: .*kernel\.yama\.ptrace_scope below 3/;
    await scene.says(why);
  });
});
