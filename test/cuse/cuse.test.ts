import { strict as assert } from 'node:assert';
import { existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
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
const DEVICE = '/dev/usvhost-1';

function pidsOf(name: string): number[] {
  const nameOf = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    } catch {
      return ''; // It has ended.
    }
  };
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && nameOf(pid) === name)
    .map(Number);
}

function opened(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

const freePages = (): string => readFileSync('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages', 'utf8');

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
  /** What the switch said, all of them, and the bridge. */
  const said = (): string => log + vswitch.process?.output + readFileSync(`${dir}/run/switch.log`, 'utf8');

  before(async () => {
    assert.equal(hostname(), 'machine', 'this test changes /etc and belongs into its machine');
    for (const script of ['/etc/qemu-ifup', '/etc/qemu-ifdown']) {
      writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    }
    dir = await tempDir(scope);
    config = `${dir}/switch.json`;
    const wide = { name: 'wide-hostnet1', transports: ['user', 'cuse'], queues: 2, devIndex: 7 };
    const ports = [{ name: 'asking-hostnet1', transports: ['cuse'] }, { name: 'answering-hostnet1' }, wide];
    writeFileSync(config, JSON.stringify({ ports }));
    await startSwitch();
    const { runDir } = vswitch;
    const args = ['-qmp', `unix:${dir}/qmp,server=on,wait=off`];
    asking = await PingGuest.start(scope, { name: 'asking', me: 1, ask: 2, runDir, args });
    answering = await PingGuest.start(scope, { name: 'answering', me: 2, runDir });
  });
  after(() => scope.close());

  it('pings one on vhost-user through the switch', async () => {
    await asking.replies(3, SLOW);
    const [one, two] = await vswitch.ports();
    assert.deepEqual([one?.device, one?.state, two?.device, two?.state], [DEVICE, 'ready', null, 'ready']);
    assert.ok(opened(asking.process.pid).includes(DEVICE));
    assert.ok(!opened(answering.process.pid).some((path) => path.includes('usvhost')));
    assert.match(said(), new RegExp(`${DEVICE}: ring 1 of process ${asking.process.pid}: started`));
    assert.equal(asking.process.stderr, '');
  });

  it('has the device for itself', async () => {
    const env = { VHOST_HOST_WRAP_TRANSPORT: 'cuse', VHOST_HOST_WRAP_DEVICE: DEVICE };
    const other = await PingGuest.start(scope, { name: 'other', me: 3, runDir: vswitch.runDir, env });
    await until(() => other.process.end, { deadline: SLOW, what: 'the end of the second guest' });
    assert.notEqual(other.process.end?.code, 0);
    assert.match(said(), new RegExp(`is refused: the guest of process ${asking.process.pid} is here`));
    await asking.replies(2, SLOW);
  });

  it('may have several queues, each with the device open for itself', async () => {
    const env = { VHOST_HOST_WRAP_TRANSPORT: 'cuse' };
    const { runDir } = vswitch;
    const wide = await PingGuest.start(scope, { name: 'wide', me: 4, ask: 2, runDir, queues: 2, env });
    await wide.replies(2, SLOW);
    assert.equal(opened(wide.process.pid).filter((path) => path === '/dev/usvhost-7').length, 2);
    await wide.process.kill();
    await until(async () => (await vswitch.port('wide-hostnet1')).state === 'waiting', {
      deadline: SLOW,
      what: 'its port to be free',
    });
  });

  it('goes on after stop and cont, and after a reset', async () => {
    const line = connect(`${dir}/qmp`);
    scope.defer('the monitor', () => void line.destroy());
    const qmp = await Qmp.greet(line);
    await qmp.run('stop');
    const from = asking.process.stdout.length;
    await qmp.run('cont');
    await asking.replies(2, SLOW);
    await qmp.run('system_reset');
    await asking.process.waitFor(/up\n[^]*reply 2\n/, { deadline: SLOW, from });
    line.destroy();
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

  it('leaves nothing behind when it is killed', async () => {
    await asking.process.kill();
    await until(async () => (await vswitch.port('asking-hostnet1')).state === 'waiting', {
      deadline: SLOW,
      what: 'the port to be free',
    });
    assert.equal(asking.process.stderr.includes('falling back'), false);
    await answering.process.stop();
    await until(() => freePages() === pages, { deadline: SLOW, what: 'the hugepages to be back' });
  });

  it('its device goes with the switch', async () => {
    assert.ok(existsSync(DEVICE));
    vswitch.process?.signal('SIGTERM');
    await until(() => vswitch.process?.end, { deadline: SLOW, what: 'the end of the switch' });
    await until(() => !existsSync(DEVICE) && pidsOf('vh-cuse').length === 0, { deadline: SLOW, what: 'no device' });
    assert.deepEqual(readdirSync(`${dir}/run`), ['switch.log']);
  });
});
