import { strict as assert } from 'node:assert';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { PingGuest } from '../helpers/ping-guest.js';
import { Qmp } from '../helpers/qmp.js';
import { tempDir } from '../helpers/paths.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';
import { EBUSY, claimTrouble, isTurnedAway, own, sayAnything } from './claims.js';
import { cuseDevices, freePages, opened, pidsOf, stuck } from './processes.js';

/** Runs in the machine of `test/helpers/machine.ts`, where all is slow: see `test/machines/cuse.test.ts`. */

const SLOW = 240_000;
const DEVICE = '/dev/usvhost-1';
/** Of a port that a guest finds by its address. */
const WIDE = '/dev/usvhost-7';
/** Of a port whose guest has come by its socket. */
const SHARED = '/dev/usvhost-8';
const DIMM = 128 << 20;
/** Some group, whom the devices are opened to. */
const GROUP = 4711;

describe('a guest on /dev/usvhost-1', function () {
  this.timeout(2 * SLOW);
  const scope = new Scope();
  const pages = freePages();
  let dir: string;
  let config: string;
  let vswitch: Switch;
  let asking: PingGuest;
  let answering: PingGuest;
  let log = '';

  const startSwitch = async (): Promise<void> => {
    const args = ['--config', config, '--hugepages', 'off'];
    vswitch = await Switch.start(scope, { runDir: `${dir}/run`, args, deadline: SLOW });
  };
  const startAsking = (): Promise<PingGuest> => {
    const args = ['-qmp', `unix:${dir}/qmp,server=on,wait=off`];
    const memory = '64,slots=2,maxmem=1G';
    return PingGuest.start(scope, { name: 'asking', me: 1, ask: 2, runDir: vswitch.runDir, memory, args });
  };
  const monitor = async (work: (qmp: Qmp) => Promise<void>): Promise<void> => {
    const line = connect(`${dir}/qmp`);
    const undefer = scope.defer('the monitor', () => void line.destroy());
    await work(await Qmp.greet(line));
    line.destroy();
    undefer();
  };
  const free = (name: string): Promise<unknown> =>
    until(async () => (await vswitch.port(name)).state === 'waiting', { deadline: SLOW, what: `${name} to be free` });
  /** What the switch said, all of them, and the bridge. */
  const said = (): string => log + vswitch.process?.output + readFileSync(`${dir}/run/switch.log`, 'utf8');

  before(async () => {
    assert.equal(hostname(), 'machine', 'this test changes /etc and belongs into its machine');
    for (const script of ['/etc/qemu-ifup', '/etc/qemu-ifdown']) {
      writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    }
    dir = await tempDir(scope);
    config = `${dir}/switch.json`;
    const both = ['user', 'cuse'];
    const ports = [
      { name: 'asking-hostnet1', transports: ['cuse'] },
      { name: 'answering-hostnet1', transports: both, devIndex: 8 },
      { name: 'by-address', mac: '52:54:00:00:00:04', transports: both, queues: 2, devIndex: 7 },
    ];
    writeFileSync(config, JSON.stringify({ ports, socket: { mode: '0640', group: String(GROUP) } }));
    await startSwitch();
    answering = await PingGuest.start(scope, { name: 'answering', me: 2, runDir: vswitch.runDir });
    asking = await startAsking();
  });
  after(() => scope.close());

  it('pings one on vhost-user through the switch', async () => {
    await asking.replies(3, SLOW);
    const [one, two] = await vswitch.ports();
    assert.deepEqual([one?.device, one?.state, two?.device, two?.state], [DEVICE, 'ready', SHARED, 'ready']);
    const { mode, uid, gid } = statSync(DEVICE);
    assert.deepEqual([mode & 0o777, uid, gid], [0o640, 0, GROUP]);
    assert.ok(opened(asking.process.pid).includes(DEVICE));
    assert.ok(!opened(answering.process.pid).some((path) => path.includes('usvhost')));
    assert.match(said(), new RegExp(`${DEVICE}: ring 1 of process ${asking.process.pid}: started`));
    assert.equal(asking.process.stderr, '');
  });

  it('has the device for itself', async () => {
    assert.equal(await own(scope, DEVICE, SLOW), EBUSY);
    assert.match(said(), new RegExp(`is refused: the guest of process ${asking.process.pid} is here`));
    await asking.replies(2, SLOW);
  });

  it('goes on whatever others say to its device, and to one that nobody has', async () => {
    // VH_CUSE_CLIENTS of native/cuse/port.h, of which the guest is one.
    assert.equal(await sayAnything(scope, DEVICE, SLOW), `15 ${EBUSY}`);
    assert.equal(await sayAnything(scope, WIDE, SLOW), `16 ${EBUSY}`);
    assert.match(said(), /an open is refused: there are 16 already/);
    assert.doesNotMatch(said(), /the cuse bridge ended/);
    await asking.replies(2, SLOW);
  });

  it('is refused where another has come by vhost-user', async () => {
    const env = { VHOST_HOST_WRAP_TRANSPORT: 'cuse', VHOST_HOST_WRAP_DEVICE: SHARED };
    const other = await PingGuest.start(scope, { name: 'other', me: 3, runDir: vswitch.runDir, env });
    await until(() => other.process.end, { deadline: SLOW, what: 'the end of the second guest' });
    assert.notEqual(other.process.end?.code, 0);
    assert.match(said(), new RegExp(`${SHARED}: process \\d+ is refused: the switch's port has another guest`));
    await asking.replies(2, SLOW);
  });

  it('may have several queues and be found by its address; then nobody comes by vhost-user', async () => {
    const env = { VHOST_HOST_WRAP_TRANSPORT: 'cuse' };
    const { runDir } = vswitch;
    const wide = await PingGuest.start(scope, { name: 'wide', me: 4, ask: 2, runDir, queues: 2, env });
    await wide.replies(2, SLOW);
    assert.equal(opened(wide.process.pid).filter((path) => path === WIDE).length, 2);
    const { socket, state } = await vswitch.port('by-address');
    assert.equal(state, 'ready');
    assert.ok(await isTurnedAway(socket, SLOW));
    assert.match(said(), /port by-address \(2\): refused: a second front end: the port has one already/);
    const trouble = await claimTrouble(runDir, 'by-address');
    assert.equal(trouble, 'port by-address is taken: a guest is connected to it');
    await wide.replies(1, SLOW);
    await wide.process.kill();
    await free('by-address');
  });

  it('goes on after stop and cont, and after a reset', async () => {
    await monitor(async (qmp) => {
      await qmp.run('stop');
      const from = asking.process.stdout.length;
      await qmp.run('cont');
      await asking.replies(2, SLOW);
      await qmp.run('system_reset');
      await asking.process.waitFor(/up\n[^]*reply 2\n/, { deadline: SLOW, from });
    });
  });

  it('goes on while memory is plugged in, and has its frames there', async () => {
    const { memoryBytes } = await vswitch.port('asking-hostnet1');
    await monitor(async (qmp) => {
      const backend = { 'qom-type': 'memory-backend-memfd', id: 'more', size: DIMM, share: true, hugetlb: true };
      await qmp.run('object-add', backend);
      await qmp.run('device_add', { driver: 'pc-dimm', id: 'dimm', memdev: 'more' });
    });
    await asking.replies(2, SLOW);
    assert.equal((await vswitch.port('asking-hostnet1')).memoryBytes, memoryBytes + DIMM);
    const from = asking.process.stdout.length;
    asking.process.write('m');
    await asking.process.waitFor(/moved\n(reply \d+\n[^]*?){3}/, { deadline: SLOW, from });
  });

  it('goes on when the bridge is killed', async () => {
    const [bridge = 0] = pidsOf('vh-cuse-bridge');
    process.kill(bridge, 'SIGKILL');
    await until(() => !pidsOf('vh-cuse-bridge').includes(bridge), { deadline: SLOW, what: 'its end' });
    await asking.replies(3, SLOW);
    assert.match(said(), /the cuse bridge ended \(signal 9\), another goes on/);
  });

  it('goes on when the switch is killed and another one starts', async () => {
    log += vswitch.process?.output ?? '';
    await vswitch.process?.kill();
    await startSwitch();
    await asking.replies(3, SLOW);
    const [one] = await vswitch.ports();
    assert.deepEqual([one?.device, one?.state], [DEVICE, 'ready']);
  });

  it('loses the device with the process that keeps it, which the switch makes again for the next', async () => {
    const [supervisor = 0] = pidsOf('vh-cuse');
    process.kill(supervisor, 'SIGKILL');
    const gone = new RegExp(
      `port asking-hostnet1 \\(0\\): ${DEVICE} made again, .*; the guest that had it open has lost it`,
    );
    await until(() => gone.test(said()) && existsSync(WIDE) && existsSync(SHARED), {
      deadline: SLOW,
      what: 'the devices to be there again',
    });
    // It has no network any more, and runs.
    assert.equal(asking.process.end, undefined);
    await asking.process.kill();
    await free('asking-hostnet1');
    asking = await startAsking();
    await asking.replies(2, SLOW);
    assert.notEqual(pidsOf('vh-cuse')[0], supervisor);
  });

  it('leaves nothing behind when it is killed', async () => {
    await asking.process.kill();
    await free('asking-hostnet1');
    assert.equal(asking.process.stderr.includes('falling back'), false);
    await answering.process.stop();
    await until(() => freePages() === pages, { deadline: SLOW, what: 'the hugepages to be back' });
    assert.deepEqual(pidsOf('qemu-system-x86_64'), []);
    await until(() => stuck().length === 0, { deadline: SLOW, what: `the end of ${stuck().join(', ')}` });
  });

  it('its device goes with the switch', async () => {
    assert.ok(existsSync(DEVICE));
    vswitch.process?.signal('SIGTERM');
    await until(() => vswitch.process?.end, { deadline: SLOW, what: 'the end of the switch' });
    await until(() => pidsOf('vh-cuse').length === 0, { deadline: SLOW, what: 'the end of the supervisor' });
    assert.deepEqual(cuseDevices(), []);
    assert.deepEqual(
      readdirSync('/dev').filter((name) => name.startsWith('usvhost')),
      [],
    );
    assert.deepEqual(pidsOf('vh-cuse-bridge'), []);
    assert.deepEqual(readdirSync(`${dir}/run`), ['switch.log']);
  });
});
