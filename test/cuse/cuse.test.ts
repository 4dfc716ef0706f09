import { strict as assert } from 'node:assert';
import { existsSync, statSync } from 'node:fs';
import { PingGuest } from '../helpers/guests/ping-guest.js';
import { until } from '../helpers/until.js';
import { EBUSY, claimTrouble, isTurnedAway, own, sayAnything } from './claims.js';
import { opened, pidsOf } from './processes.js';
import { DEVICE, GROUP, SHARED, SLOW, WIDE, scene } from './scene.js';

const DIMM = 128 << 20;

/** VH_CUSE_CLIENTS of native/cuse/port.h: two for each queue pair that a port may have. */
const CLIENTS = 128;

describe('a guest on /dev/usvhost-1', function () {
  this.timeout(2 * SLOW);

  before(() => scene.begin());

  it('pings one on vhost-user through the switch', async () => {
    await scene.asking.replies(3, SLOW);
    const [one, two] = await scene.vswitch.ports();
    assert.deepEqual([one?.device, one?.state, two?.device, two?.state], [DEVICE, 'ready', SHARED, 'ready']);
    const { mode, uid, gid } = statSync(DEVICE);
    assert.deepEqual([mode & 0o777, uid, gid], [0o640, 0, GROUP]);
    assert.ok(opened(scene.asking.process.pid).includes(DEVICE));
    assert.ok(!opened(scene.answering.process.pid).some((path) => path.includes('usvhost')));
    await scene.says(new RegExp(`${DEVICE}: ring 1 of process ${scene.asking.process.pid}: started`));
    assert.equal(scene.asking.process.stderr, '');
  });

  it('has the device for itself', async () => {
    assert.equal(await own(scene.scope, DEVICE, SLOW), EBUSY);
    await scene.says(new RegExp(`is rejected: the guest of process ${scene.asking.process.pid} is here`));
    await scene.asking.replies(2, SLOW);
  });

  it('goes on whatever others say to its device, and to one that nobody has', async () => {
    // The guest is one of them.
    assert.equal(await sayAnything(scene.scope, DEVICE, SLOW), `${CLIENTS - 1} ${EBUSY}`);
    assert.equal(await sayAnything(scene.scope, WIDE, SLOW), `${CLIENTS} ${EBUSY}`);
    await scene.says(new RegExp(`an open is rejected: there are ${CLIENTS} already`));
    assert.doesNotMatch(scene.said(), /the cuse bridge ended/);
    await scene.asking.replies(2, SLOW);
  });

  it('is refused where another has come by vhost-user', async () => {
    const env = { VHOST_HOST_WRAP_TRANSPORT: 'cuse', VHOST_HOST_WRAP_DEVICE: SHARED };
    const other = await PingGuest.start(scene.scope, { name: 'other', me: 3, runDir: scene.vswitch.runDir, env });
    await until(() => other.process.end, { deadline: SLOW, what: 'the end of the second guest' });
    assert.notEqual(other.process.end?.code, 0);
    await scene.says(new RegExp(`${SHARED}: process \\d+ is rejected: the switch's port has another guest`));
    await scene.asking.replies(2, SLOW);
  });

  it('may have several queues and be found by its address; then nobody comes by vhost-user', async () => {
    const env = { VHOST_HOST_WRAP_TRANSPORT: 'cuse' };
    const { runDir } = scene.vswitch;
    const wide = await PingGuest.start(scene.scope, { name: 'wide', me: 4, ask: 2, runDir, queues: 2, env });
    await wide.replies(2, SLOW);
    assert.equal(opened(wide.process.pid).filter((path) => path === WIDE).length, 2);
    const { socket, state } = await scene.vswitch.port('by-address');
    assert.equal(state, 'ready');
    assert.ok(await isTurnedAway(socket, SLOW));
    await scene.says(/port by-address \(2\): rejected: a second front end: the port has one already/);
    const trouble = await claimTrouble(runDir, 'by-address');
    assert.equal(trouble, 'port by-address is taken: a guest is connected to it');
    await wide.replies(1, SLOW);
    await wide.process.kill();
    await scene.free('by-address');
  });

  it('goes on after stop and cont, and after a reset', async () => {
    await scene.monitor(async (qmp) => {
      await qmp.run('stop');
      const from = scene.asking.process.stdout.length;
      await qmp.run('cont');
      await scene.asking.replies(2, SLOW);
      await qmp.run('system_reset');
      await scene.asking.process.waitFor(/up\n[^]*reply 2\n/, { deadline: SLOW, from });
    });
  });

  it('goes on while memory is plugged in, and has its frames there', async () => {
    const { memoryBytes } = await scene.vswitch.port('asking-hostnet1');
    await scene.monitor(async (qmp) => {
      const backend = { 'qom-type': 'memory-backend-memfd', id: 'more', size: DIMM, share: true, hugetlb: true };
      await qmp.run('object-add', backend);
      await qmp.run('device_add', { driver: 'pc-dimm', id: 'dimm', memdev: 'more' });
    });
    await scene.asking.replies(2, SLOW);
    assert.equal((await scene.vswitch.port('asking-hostnet1')).memoryBytes, memoryBytes + DIMM);
    const from = scene.asking.process.stdout.length;
    scene.asking.process.write('m');
    await scene.asking.process.waitFor(/moved\n(reply \d+\n[^]*?){3}/, { deadline: SLOW, from });
  });

  it('goes on when the bridge is killed', async () => {
    const [bridge = 0] = pidsOf('vh-cuse-bridge');
    process.kill(bridge, 'SIGKILL');
    await until(() => !pidsOf('vh-cuse-bridge').includes(bridge), { deadline: SLOW, what: 'its end' });
    await scene.asking.replies(3, SLOW);
    await scene.says(/the cuse bridge ended \(signal 9\), another goes on/);
  });

  it('goes on when the switch is killed and another one starts', async () => {
    await scene.vswitch.process?.kill();
    await scene.startSwitch();
    await scene.asking.replies(3, SLOW);
    const [one] = await scene.vswitch.ports();
    assert.deepEqual([one?.device, one?.state], [DEVICE, 'ready']);
  });

  it('loses the device with the process that keeps it, which the switch makes again for the next', async () => {
    const [supervisor = 0] = pidsOf('vh-cuse');
    process.kill(supervisor, 'SIGKILL');
    const gone = new RegExp(
      `port asking-hostnet1 \\(0\\): ${DEVICE} made again, .*; the guest that had it open has lost it`,
    );
    await until(() => gone.test(scene.said()) && existsSync(WIDE) && existsSync(SHARED), {
      deadline: SLOW,
      what: 'the devices to be there again',
    });
    // It has no network any more, and runs.
    assert.equal(scene.asking.process.end, undefined);
    await scene.asking.process.kill();
    await scene.free('asking-hostnet1');
    await scene.startAsking();
    await scene.asking.replies(2, SLOW);
    assert.notEqual(pidsOf('vh-cuse')[0], supervisor);
  });
});
