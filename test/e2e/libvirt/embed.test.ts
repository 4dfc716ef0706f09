import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Domain } from '../../helpers/libvirt/domain.js';
import { Libvirt } from '../../helpers/libvirt/libvirt.js';
import { skipWithoutLibvirt } from '../../helpers/libvirt/needs.js';
import { Scope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';

const deadline = 30_000;

/** Numbers of the descriptors that a command line names, by what they are for. */
function descriptors(commandLine: string): Map<string, string> {
  return new Map([...commandLine.matchAll(/id=(char\w+),fd=(\d+)/g)].map(([, id = '', fd = '']) => [id, fd]));
}

describe('libvirt: virt-qemu-run, a guest without a daemon', function () {
  this.timeout(120_000);
  const scope = new Scope();
  let noLeaks: (() => Promise<void>) | undefined;

  before(async function () {
    skipWithoutLibvirt(this);
    noLeaks = await watchForLeaks();
  });

  after(async () => {
    await scope.close();
    await noLeaks?.();
  });

  it('starts a guest through qemu-wrap: the same process, and descriptors with their numbers', async () => {
    const libvirt = await Libvirt.start(scope);
    const vswitch = await libvirt.startSwitch();
    const { space, files } = libvirt;
    const domain = await Domain.define(libvirt, { name: 'alone', type: 'kvm', mac: '52:54:00:00:03:01' });
    await domain.attach('wrap');
    const xml = await domain.write('alone', await domain.xml());
    const root = `${files.dir}/embedded`;
    await mkdir(`${root}/etc`, { recursive: true });
    await copyFile(libvirt.path('/etc/libvirt/qemu.conf'), `${root}/etc/qemu.conf`);

    const runner = await space.start('virt-qemu-run', 'virt-qemu-run', ['--verbose', `--root=${root}`, xml]);
    await runner.waitFor(/guest running/, { deadline, stream: 'stderr' });
    const pid = (await readFile(`${root}/run/qemu/alone.pid`, 'utf8')).trim();
    assert.match(await space.sh('readlink', `/proc/${pid}/exe`), /\/qemu-system-x86_64\n$/);

    const log = await readFile(`${root}/log/qemu/alone.log`, 'utf8');
    assert.ok(log.includes(`\n${libvirt.wrapper} \\\n`), 'libvirt started the wrapper');
    const passed = descriptors(log);
    assert.deepEqual([...passed.keys()].sort(), ['charmonitor', 'charserial0']);
    assert.deepEqual(descriptors(await space.sh('cat', `/proc/${pid}/cmdline`)), passed);
    for (const fd of passed.values()) {
      assert.match(await space.sh('readlink', `/proc/${pid}/fd/${fd}`), /^socket:/);
    }
    // The kernel's vhost is not used, so nothing of it stays open.
    const open = await space.sh('find', `/proc/${pid}/fd`, '-printf', '%l\n');
    assert.ok(!open.includes('vhost-net'), open);

    // The serial line is one of the passed descriptors: what comes over it has come through it.
    await domain.watch();
    assert.equal(await domain.guest.sh('cat /sys/class/net/eth0/address'), '52:54:00:00:03:01\n');
    await vswitch.portReady('alone-hostnet0');

    await runner.stop();
    const gone = async (): Promise<boolean> => (await space.run('kill', ['-0', pid])).code !== 0;
    await until(gone, { deadline, what: 'the guest to end with virt-qemu-run' });
  });
});
