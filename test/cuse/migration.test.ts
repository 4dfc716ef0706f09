import { strict as assert } from 'node:assert';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { PingGuest } from '../helpers/ping-guest.js';
import { Qmp } from '../helpers/qmp.js';
import { tempDir } from '../helpers/paths.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';
import { EINVAL, EPERM, giveCall } from './claims.js';
import { pidsOf } from './processes.js';

/** Runs in the machine of `test/helpers/machine.ts`, where all is slow: see `test/machines/cuse.test.ts`. */

const SLOW = 240_000;

/** A QEMU whose guest moves away, by its monitor. */
class Source {
  private constructor(private readonly qmp: Qmp) {}

  static async at(scope: Scope, path: string): Promise<Source> {
    const line = connect(path);
    scope.defer('the monitor', () => void line.destroy());
    return new Source(await Qmp.greet(line));
  }

  private reach(wanted: string): Promise<unknown> {
    const status = async (): Promise<string> => ((await this.qmp.run('query-migrate')) as { status: string }).status;
    return until(async () => (await status()) === wanted, { deadline: SLOW, what: `the migration to be ${wanted}` });
  }

  /** Slower than it could end until `meanwhile` has: then frames have come that only the dirty log tells of. */
  async migrate(uri: string, meanwhile: () => Promise<void>): Promise<void> {
    await this.qmp.run('migrate-set-parameters', { 'max-bandwidth': 4096 });
    await this.qmp.run('migrate', { uri });
    await this.reach('active');
    await meanwhile();
    await this.qmp.run('migrate-set-parameters', { 'max-bandwidth': 1 << 30 });
    await this.reach('completed');
  }
}

describe('migration of a guest on /dev/usvhost-1', function () {
  this.timeout(2 * SLOW);
  const scope = new Scope();
  let dir: string;
  let vswitch: Switch;
  let target: PingGuest;

  before(async () => {
    assert.equal(hostname(), 'machine', 'this test changes /etc and belongs into its machine');
    for (const script of ['/etc/qemu-ifup', '/etc/qemu-ifdown']) {
      writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    }
    dir = await tempDir(scope);
    const ports = [
      { name: 'moving-hostnet1', transports: ['cuse'] },
      { name: 'staying-hostnet1' },
      { name: 'arriving-hostnet1', transports: ['cuse'] },
    ];
    writeFileSync(`${dir}/switch.json`, JSON.stringify({ ports }));
    const args = ['--config', `${dir}/switch.json`, '--hugepages', 'off'];
    vswitch = await Switch.start(scope, { runDir: `${dir}/run`, args, deadline: SLOW });
  });
  after(() => scope.close());

  const log = (): string => readFileSync(`${dir}/run/switch.log`, 'utf8');
  const moving = (args: readonly string[], name = 'moving'): Promise<PingGuest> =>
    PingGuest.start(scope, { name, me: 1, ask: 2, runDir: vswitch.runDir, args });
  const monitored = (path: string): readonly string[] => ['-qmp', `unix:${path},server=on,wait=off`];
  /** It goes on with the next ping, of which the old one may not have finished to tell. */
  const followed = async (before: PingGuest, after: PingGuest): Promise<void> => {
    await after.replies(5, SLOW);
    const last = Number(before.process.stdout.match(/reply (\d+)\n(?![^]*reply)/)?.[1]);
    const first = Number(after.process.stdout.match(/reply (\d+)/)?.[1]);
    const heard = after.process.stdout.slice(0, 1000);
    assert.ok(first === last + 1 || first === last + 2, `after reply ${last} came reply ${first}: ${heard}`);
    assert.doesNotMatch(after.process.stdout, /up\n/);
    assert.deepEqual([before.process.stderr, after.process.stderr], ['', '']);
  };

  it('to a file while it pings, and back: it goes on with the next ping, its rings whole', async () => {
    await PingGuest.start(scope, { name: 'staying', me: 2, runDir: vswitch.runDir });
    const source = await moving(monitored(`${dir}/first`));
    await source.replies(3, SLOW);
    const monitor = await Source.at(scope, `${dir}/first`);
    await monitor.migrate(`exec:cat > ${dir}/file`, () => source.replies(5, SLOW));
    await source.process.kill();

    target = await moving(['-incoming', `exec:cat ${dir}/file`, ...monitored(`${dir}/second`)]);
    await followed(source, target);
    const [one] = await vswitch.ports();
    assert.deepEqual([one?.device, one?.state], ['/dev/usvhost-1', 'ready']);
  });

  it('live to a QEMU on another device, though the bridge is killed on the way', async () => {
    const arrived = await moving(['-incoming', `unix:${dir}/incoming`], 'arriving');
    await until(() => existsSync(`${dir}/incoming`), { deadline: SLOW, what: 'the other QEMU to listen' });
    const monitor = await Source.at(scope, `${dir}/second`);
    await monitor.migrate(`unix:${dir}/incoming`, async () => {
      const [bridge = 0] = pidsOf('vh-cuse-bridge');
      process.kill(bridge, 'SIGKILL');
      await until(() => !pidsOf('vh-cuse-bridge').includes(bridge), { deadline: SLOW, what: 'its end' });
      await target.replies(3, SLOW);
    });
    await followed(target, arrived);
    const { macs, device } = await vswitch.port('arriving-hostnet1');
    assert.deepEqual([macs, device], [['52:54:00:00:00:01'], '/dev/usvhost-2']);
    assert.match(log(), /the cuse bridge ended \(signal 9\), another goes on/);
  });

  // The last of all: this cannot be taken back.
  it('and a device has no guests where Yama forbids to take their descriptors, and says so', async () => {
    await target.process.kill();
    const yama = '/proc/sys/kernel/yama/ptrace_scope';
    assert.equal(await giveCall(scope, '/dev/usvhost-1', SLOW), EINVAL);
    writeFileSync(yama, '3');
    assert.equal(await giveCall(scope, '/dev/usvhost-1', SLOW), EPERM);
    assert.match(log(), /descriptor \d+ of process \d+ cannot be taken: .*kernel\.yama\.ptrace_scope below 3/);
  });
});
