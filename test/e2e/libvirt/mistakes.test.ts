import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Domain } from '../../helpers/libvirt/domain.js';
import { Libvirt } from '../../helpers/libvirt/libvirt.js';
import { skipWithoutLibvirt } from '../../helpers/libvirt/needs.js';
import { Scope } from '../../helpers/scope.js';
import type { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';

const deadline = 30_000;
/** More than any machine that runs this has in hugepages. */
const hugeKib = 2 ** 40;

describe('libvirt: what virsh start says of a wrong configuration', function () {
  this.timeout(90_000);
  const scope = new Scope();
  let noLeaks: (() => Promise<void>) | undefined;
  let libvirt: Libvirt;
  let native: Domain;
  let wrapped: Domain;
  let vswitch: Switch | undefined;

  before(async function () {
    await skipWithoutLibvirt(this, 'kvm');
    noLeaks = await watchForLeaks();
    libvirt = await Libvirt.start(scope);
    native = await Domain.define(libvirt, { name: 'native', type: 'qemu', mac: '52:54:00:00:02:01' });
    wrapped = await Domain.define(libvirt, { name: 'wrapped', type: 'kvm', mac: '52:54:00:00:02:02' });
    await native.attach('native');
    await wrapped.attach('wrap');
  });

  after(async () => {
    await scope.close();
    await noLeaks?.();
  });

  /** What the user sees below libvirt's own "Failed to start": one line of the reason, and what mends it. */
  async function refusal(domain: Domain): Promise<{ reason: string; mend: string | undefined }> {
    const { code, stderr } = await libvirt.virsh('start', domain.name);
    assert.equal(code, 1, stderr);
    const [failed, reason = '', mend, ...rest] = stderr.trimEnd().split('\n');
    assert.match(failed ?? '', /^error: Failed to start domain/);
    assert.match(reason, /^error: internal error: /);
    assert.deepEqual(rest, []);
    return { reason, mend };
  }

  it('wrap mode, no switch is running', async () => {
    const { reason, mend } = await refusal(wrapped);
    assert.match(reason, /: qemu-wrap: no switch is running in .*\/run\/vhost-host$/);
    assert.equal(mend, '  vhost-host start');
  });

  it('native mode, no switch is running: the domain waits for it, vm check says so, and it starts with it', async () => {
    const { code, stdout } = await libvirt.cli('vm', 'check', native.name);
    assert.equal(code, 2);
    assert.match(
      stdout,
      /^native: error socket-unusable: .*\/run\/vhost-host does not exist\n.*mend: vhost-host start/m,
    );
    const start = libvirt.space.run('virsh', ['start', native.name], { deadline });
    await until(() => existsSync(native.pidFile), { deadline, what: 'QEMU to be started' });
    vswitch = await libvirt.startSwitch();
    await native.attach('native');
    assert.equal((await start).code, 0);
    assert.equal(await native.state(), 'running');
    assert.ok(await native.destroy());
  });

  it('a mistake in the configuration of qemu-wrap', async () => {
    await libvirt.configureWrapper({ hugepage: 'on' });
    const { reason, mend } = await refusal(wrapped);
    assert.match(reason, /: qemu-wrap: \/etc\/vhost-host\/qemu-wrap\.json: unknown key "hugepage"; did you mean/);
    assert.equal(mend, '  edit /etc/vhost-host/qemu-wrap.json');
    await libvirt.configureWrapper();
  });

  it('an emulator behind qemu-wrap that is not there', async () => {
    await libvirt.configureWrapper({ emulator: '/usr/bin/no-such-qemu' });
    const { reason } = await refusal(wrapped);
    assert.match(reason, /: qemu-wrap: the emulator \/usr\/bin\/no-such-qemu in \S+ is not a program/);
    await libvirt.configureWrapper();
  });

  it('hugepages are too few', async () => {
    const sizes = /(<(memory|currentMemory) unit='KiB'>)\d+/g;
    const backing = '<memoryBacking><hugepages/><access mode="shared"/></memoryBacking>';
    for (const domain of [native, wrapped]) {
      const before = await domain.xml();
      const after = before.replaceAll(sizes, `$1${hugeKib}`).replace(/<memoryBacking>[^]*<\/memoryBacking>/, backing);
      await domain.redefine(after);
      const { code, stdout } = await libvirt.cli('vm', 'check', domain.name);
      assert.equal(code, 2);
      assert.match(stdout, /error hugepages-too-few: the guest needs 536870912 hugepages of 2 MiB, \d+ are free/);
      const { reason, mend } = await refusal(domain);
      if (domain === native) {
        // QEMU's own word; vm check has said it better.
        assert.match(reason, /unable to map backing store for guest RAM: Cannot allocate memory$/);
      } else {
        assert.match(reason, /: qemu-wrap: the guest needs 536870912 hugepages of 2M, \d+ are free$/);
        assert.match(mend ?? '', /^ {2}echo \d+ \| sudo tee \/sys\/kernel\/mm\/hugepages/);
      }
      await domain.redefine(before);
    }
  });

  it('memory that is not shared: vm check finds what QEMU takes in silence, and qemu-wrap mends it', async () => {
    for (const domain of [native, wrapped]) {
      const before = await domain.xml();
      await domain.redefine(before.replace(/<memoryBacking>[^]*<\/memoryBacking>/, ''));
      const { stdout } = await libvirt.cli('vm', 'check', domain.name);
      assert.equal(/error memory-not-shared/.test(stdout), domain === native, stdout);
      if (domain === wrapped) {
        await domain.boot();
        await vswitch?.portReady('wrapped-hostnet0');
        await domain.destroy();
      }
      await domain.redefine(before);
    }
  });

  it('a port that QEMU may not connect to', async () => {
    const socket = libvirt.path('/run/vhost-host/port-native-hostnet0.sock');
    await libvirt.space.sh('chown', 'root:root', socket);
    const { code, stdout } = await libvirt.cli('vm', 'check', native.name);
    assert.equal(code, 2);
    assert.match(stdout, /error socket-unusable: /);
  });
});
