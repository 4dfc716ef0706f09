import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockPath, logPath } from '../../../src/switch/run-dir/paths.js';
import { watchForLeaks } from '../../helpers/leaks.js';
import { tempDir } from '../../helpers/paths.js';
import { Scope } from '../../helpers/scope.js';
import { Switch, vhostHost } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';
import { CountingGuest, broadcast } from '../../helpers/guests/virtio-user.js';

const macs = ['02:00:00:00:00:1a', '02:00:00:00:00:1b'] as const;
const SOON = { deadline: 20_000, what: 'the switch to notice' };

describe('the run directory of a switch', function () {
  this.timeout(90_000);
  let noLeaks: () => Promise<void>;
  let scope: Scope;

  beforeEach(async () => {
    noLeaks = await watchForLeaks();
    scope = new Scope();
  });

  afterEach(async () => {
    await scope.close();
    await noLeaks();
  });

  it('is emptied: nobody gets in beside the switch, guests go on, and new ones find their sockets', async () => {
    const vswitch = await Switch.launch(scope);
    const { pid } = await vswitch.status();
    const sockets = [(await vswitch.addPort('a')).socket, (await vswitch.addPort('b')).socket] as const;
    const old = await CountingGuest.start(scope, [{ socket: sockets[0], mac: macs[0] }]);
    await vswitch.portReady('a');
    // In one go: what the switch writes between two of them would be in a log that is removed next.
    for (const name of readdirSync(vswitch.runDir)) rmSync(join(vswitch.runDir, name));
    // At once, before the switch has looked: the lock on the directory itself is what refuses it.
    const second = await vhostHost(scope, ['start', '--run-dir', vswitch.runDir]);
    assert.notEqual(second.code, 0);
    assert.match(second.stderr, new RegExp(`a switch is running in ${vswitch.runDir} \\(process ${pid}\\) already`));
    await until(async () => (await vswitch.status().catch(() => undefined))?.pid === pid, SOON);
    assert.equal((await readFile(lockPath(vswitch.runDir), 'utf8')).trim(), String(pid));
    await vswitch.says(/files of this switch were removed from the run directory/);
    await vswitch.says(/port a \(0\): its socket was gone and is made anew/);
    await vswitch.says(/port b \(1\): its socket was gone and is made anew/);
    const fresh = await CountingGuest.start(scope, [{ socket: sockets[1], mac: macs[1] }]);
    await vswitch.portReady('b');
    assert.equal((await vswitch.port('a')).state, 'ready', 'the guest that was there is still there');
    const sent = await fresh.send(broadcast);
    await old.received(sent);
    await vswitch.stop();
    assert.deepEqual((await readdir(vswitch.runDir)).sort(), ['switch.log']);
  });

  it('has a socket of somebody else by the end: that one stays', async () => {
    const vswitch = await Switch.launch(scope);
    const { socket } = await vswitch.addPort('a');
    await rm(socket);
    await writeFile(socket, 'theirs');
    await vswitch.stop();
    assert.equal(await readFile(socket, 'utf8'), 'theirs');
    await rm(socket);
  });

  it('has a log that ends at its bound, and one that is moved away is begun anew on SIGHUP', async () => {
    const config = join(await tempDir(scope), 'switch.json');
    await writeFile(config, '{"logMaxKb": 1024}');
    const vswitch = await Switch.launch(scope, { args: ['--config', config] });
    const { pid } = await vswitch.status();
    const log = logPath(vswitch.runDir);
    await writeFile(log, `${'x'.repeat(1024)}\n`.repeat(1025), { flag: 'a' });
    await until(async () => (await stat(`${log}.1`).catch(() => undefined)) !== undefined, SOON);
    await until(async () => ((await stat(log).catch(() => undefined))?.size ?? Infinity) < 1024, SOON);
    await rename(log, `${log}.mine`);
    process.kill(pid, 'SIGHUP');
    await vswitch.addPort('after');
    await vswitch.says(/port after \(0\) added/);
  });
});
