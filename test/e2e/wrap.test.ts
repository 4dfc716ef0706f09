import assert from 'node:assert/strict';
import { Guest } from '../helpers/guests/guest.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { ping } from '../helpers/net/network.js';
import { tempDir } from '../helpers/paths.js';
import { recipeGuest, recipePort } from '../helpers/host/recipe.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { runToEnd } from '../helpers/child.js';

const guests = ['a', 'b'].map((name, i) => ({ name, mac: `52:54:00:00:01:0${i}`, address: `10.0.1.${i + 1}` }));

describe('guests of qemu-wrap and the life of the switch', function () {
  this.timeout(180_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let a: Guest;
  let b: Guest;

  before(async () => {
    noLeaks = await watchForLeaks();
    vswitch = await Switch.launch(scope);
    const booted = guests.map(async (guest) => {
      const options = recipeGuest({ ...guest, runDir: vswitch.runDir });
      // Two that start at once may both count on the same free hugepages.
      const env = { ...options.env, VHOST_HOST_WRAP_HUGEPAGES: 'off' };
      const up = await Guest.boot(scope, { ...options, env, msi: true });
      await up.address(`${guest.address}/24`);
      return up;
    });
    [a, b] = (await Promise.all(booted)) as [Guest, Guest];
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  const comeBack = async (): Promise<void> => {
    for (const { name } of guests) await vswitch.portReady(recipePort(name));
    await ping(a, guests[1]?.address ?? '');
    await ping(b, guests[0]?.address ?? '');
  };

  it('a guest whose processor is emulated runs without MSI-X, which QEMU 7.2 would not survive', async () => {
    await ping(a, guests[1]?.address ?? '');
    assert.doesNotMatch(await a.sh('cat /proc/interrupts'), /MSI/);
  });

  it('they outlive a switch that is stopped, and are back when it starts', async () => {
    await vswitch.stop();
    assert.equal((await a.run('true')).status, 0, 'the guest runs on without a switch');
    assert.equal((await vswitch.cli('start')).code, 0);
    await comeBack();
  });

  it('they outlive a switch that is killed', async () => {
    const { pid } = await vswitch.status();
    process.kill(pid, 'SIGKILL');
    assert.equal((await vswitch.cli('start')).code, 0);
    await comeBack();
  });

  it('a start that came to nothing does not keep the port from the next one', async () => {
    const { command, args } = recipeGuest({ name: 'e', mac: '52:54:00:00:01:0e', runDir: vswitch.runDir });
    const env = { VHOST_HOST_RUN_DIR: vswitch.runDir };
    for (const round of ['first', 'second']) {
      const { code, stderr } = await runToEnd(scope, command, [...args, '-name', 'e', '-machine', 'wrong'], { env });
      assert.deepEqual([code, /unsupported machine type/.test(stderr)], [1, true], `${round}: ${stderr}`);
    }
    assert.deepEqual([(await vswitch.port(recipePort('e'))).state], ['waiting']);
    const beside = { ...env, VHOST_HOST_EMULATOR: '/bin/echo' };
    const { code, stdout } = await runToEnd(scope, command, [...args, '-name', 'e'], { env: beside });
    assert.deepEqual([code, stdout.includes(`port-${recipePort('e')}.sock`)], [0, true]);
  });

  it('by hand, a guest that finds no switch has one started, and is told so', async () => {
    const runDir = await tempDir(scope);
    const { command, args } = recipeGuest({ name: 'd', mac: '52:54:00:00:01:0d', runDir });
    const started = Switch.at(scope, runDir);
    scope.defer('the switch that was started', () => started.stop());
    const env = { VHOST_HOST_RUN_DIR: runDir, VHOST_HOST_EMULATOR: '/bin/echo' };
    const { code, stdout, stderr } = await runToEnd(scope, command, args, { env });
    assert.deepEqual([code, stderr], [0, `qemu-wrap: started the switch in ${runDir} (vhost-host stop ends it)\n`]);
    assert.match(stdout, new RegExp(`path=${(await started.ports())[0]?.socket}`));
  });

  it('below libvirt, a guest that finds no switch is told so in one line, and QEMU does not start', async () => {
    const runDir = await tempDir(scope);
    const { command, args } = recipeGuest({ name: 'c', mac: '52:54:00:00:01:0c', runDir });
    const libvirt = ['-chardev', 'null,id=charmonitor', '-mon', 'chardev=charmonitor,mode=control'];
    const { code, stdout, stderr } = await runToEnd(scope, command, [...args, ...libvirt], {
      env: { VHOST_HOST_RUN_DIR: runDir },
    });
    assert.deepEqual(
      [code, stdout, stderr],
      [1, '', `qemu-wrap: no switch is running in ${runDir}\n  vhost-host start\n`],
    );
  });
});
