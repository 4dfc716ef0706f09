import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Domain } from '../../helpers/libvirt/domain.js';
import { Libvirt } from '../../helpers/libvirt/libvirt.js';
import { skipWithoutLibvirt } from '../../helpers/libvirt/needs.js';
import { Scope } from '../../helpers/scope.js';
import type { Switch } from '../../helpers/switch.js';

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
    skipWithoutLibvirt(this);
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

  /** What the user sees below libvirt's own "Failed to start": one line of the reason, and what fixes it. */
  async function refusal(domain: Domain): Promise<{ reason: string; fix: string | undefined }> {
    const { code, stderr } = await libvirt.virsh('start', domain.name);
    assert.equal(code, 1, stderr);
    const [failed, reason = '', fix, ...rest] = stderr.trimEnd().split('\n');
    assert.match(failed ?? '', /^error: Failed to start domain/);
    assert.match(reason, /^error: internal error: /);
    assert.deepEqual(rest, []);
    return { reason, fix };
  }

  it('wrap mode, no switch is running', async () => {
    const { reason, fix } = await refusal(wrapped);
    assert.match(reason, /: qemu-wrap: no switch is running in .*\/run\/vhost-host$/);
    assert.equal(fix, '  vhost-host start');
  });

  /** What our hook says; libvirt puts it behind its own words, all in one line. */
  async function hookRefusal(domain: Domain): Promise<string> {
    // Far less than QEMU would wait for the switch.
    const { code, stderr } = await libvirt.space.run('virsh', ['start', domain.name], { deadline });
    assert.equal(code, 1, stderr);
    const [failed, said = '', ...rest] = stderr.trimEnd().split('\n');
    assert.match(failed ?? '', /^error: Failed to start domain/);
    const found = /^error: Hook script execution failed: .* exit status 1: vhost-host: (.*)$/.exec(said);
    assert.deepEqual([found !== null, rest], [true, []], stderr);
    assert.equal(existsSync(domain.pidFile), false);
    return found?.[1] ?? '';
  }

  it('native mode, no switch is running: virsh start says so at once, and so does vm check', async () => {
    const { code, stdout } = await libvirt.cli('vm', 'check', native.name);
    assert.equal(code, 2);
    assert.match(
      stdout,
      /^native: error socket-unusable: .*\/run\/vhost-host does not exist\n.*fix: vhost-host start/m,
    );
    assert.equal(
      await hookRefusal(native),
      `native is not started: no switch is running in /run/vhost-host for interface 0 (${native.mac}); ` +
        'fix: vhost-host start',
    );
  });

  it('a domain that is not on our switch starts whether there is one or not', async () => {
    const foreign = await Domain.define(libvirt, { name: 'foreign', type: 'qemu', mac: '52:54:00:00:02:03' });
    // More than fits into a pipe: the hook does not read all that libvirt writes to it.
    await foreign.redefine((await foreign.xml()).replace('kept &amp;', '$& '.repeat(50_000)));
    const before = await foreign.xml();
    await libvirt.ok('start', foreign.name);
    assert.equal(await foreign.state(), 'running');
    assert.equal(await foreign.xml(), before);
    assert.ok(await foreign.destroy());
  });

  it('native mode, the switch runs and has no such port: it gets it back', async () => {
    vswitch = await libvirt.startSwitch();
    assert.deepEqual(await vswitch.ports(), []);
    await native.boot();
    await vswitch.portReady('native-hostnet0');
    assert.ok(await native.destroy());
  });

  it('a mistake in the configuration of qemu-wrap', async () => {
    await libvirt.configureWrapper({ hugepage: 'on' });
    const { reason, fix } = await refusal(wrapped);
    assert.match(reason, /: qemu-wrap: \/etc\/vhost-host\/qemu-wrap\.json: unknown key "hugepage"; did you mean/);
    assert.equal(fix, '  edit /etc/vhost-host/qemu-wrap.json');
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
      if (domain === native) {
        const said = await hookRefusal(domain);
        assert.match(said, /^native is not started: the guest needs 536870912 hugepages of 2 MiB, \d+ are free; fix: /);
        assert.match(said, /; fix: echo \d+ \| sudo tee \/sys\/kernel\/mm\/hugepages\/hugepages-2048kB\/nr_hugepages$/);
      } else {
        const { reason, fix } = await refusal(domain);
        assert.match(reason, /: qemu-wrap: the guest needs 536870912 hugepages of 2M, \d+ are free$/);
        assert.match(fix ?? '', /^ {2}echo \d+ \| sudo tee \/sys\/kernel\/mm\/hugepages/);
      }
      await domain.redefine(before);
    }
  });

  it('memory that is not shared, which QEMU takes in silence: vm check and the hook find it, qemu-wrap fixes it', async () => {
    for (const domain of [native, wrapped]) {
      const before = await domain.xml();
      const unshared = await domain.write('unshared', before.replace(/<memoryBacking>[^]*<\/memoryBacking>/, ''));
      const { code, stderr } = await libvirt.virsh('define', unshared);
      // libvirt 11 does not take such a domain to begin with.
      if (domain === native && /requires shared memory/.test(stderr)) continue;
      assert.equal(code, 0, stderr);
      const { stdout } = await libvirt.cli('vm', 'check', domain.name);
      assert.equal(/error memory-not-shared/.test(stdout), domain === native, stdout);
      if (domain === native) {
        const said = await hookRefusal(domain);
        assert.match(said, /memory of the guest is not shared: .*; fix: vhost-host vm attach native$/);
      } else {
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
    assert.match(
      await hookRefusal(native),
      /cannot connect to \S+: user libvirt-qemu may not write to it; fix: ls -l /,
    );
  });
});
