import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { apparmorPath, apparmorRules } from '../../../src/libvirt/install/apparmor-rules.js';
import { rulesFile } from '../../../src/libvirt/install/apparmor-step.js';
import { findDaemon } from '../../../src/libvirt/install/daemon.js';
import { planHost } from '../../../src/libvirt/install/plan.js';
import type { HostSpec } from '../../../src/libvirt/install/plan.js';
import { wrapperText } from '../../../src/libvirt/install/wrapper.js';
import { refuseLegacy } from '../../../src/libvirt/qemu-conf/step.js';
import { fileContexts } from '../../../src/libvirt/install/selinux-policy.js';
import type { Step } from '../../../src/changes/steps.js';
import { doSteps, undoSteps } from '../../helpers/host/steps.js';
import { MemoryHost } from '../host/memory-host.js';
import { failure } from '../switch/support.js';
import { ABSTRACTION, LAUNCHER, LOCAL, PACKAGE, QEMU, debian, withApparmor, withSelinux } from './support.js';

const SPEC: HostSpec = {
  devices: [],
  deviceBase: 'usvhost',
  runDir: '/run/vhost-host',
  wrapper: '/usr/bin/qemu-wrap',
  emulator: undefined,
  apparmor: 'auto',
  selinux: 'auto',
  legacy: false,
  packageRoot: PACKAGE,
  live: true,
};
const PATHS = {
  wrapper: SPEC.wrapper,
  launcher: LAUNCHER,
  node: '/usr/bin/node',
  emulator: QEMU,
  packageRoot: PACKAGE,
  runDir: SPEC.runDir,
  deviceBase: undefined,
};

const plan = (memory: MemoryHost, spec: Partial<HostSpec> = {}): Promise<Step[]> =>
  planHost(memory.host, { ...SPEC, ...spec });

async function apply(memory: MemoryHost, spec: Partial<HostSpec> = {}): Promise<string[]> {
  return doSteps(memory.host, await plan(memory, spec));
}

const undo = (memory: MemoryHost): Promise<string[]> => undoSteps(memory.host);

async function refused(memory: MemoryHost, spec: Partial<HostSpec> = {}): Promise<string> {
  const error = await failure('SETUP_REFUSED', plan(memory, spec));
  ok(error.hint);
  return error.message;
}

describe('libvirt setup: what is planned', () => {
  it('for vhost-user alone: the wrapper, and not a line of qemu.conf', async () => {
    const memory = debian();
    deepEqual(await apply(memory), ['wrapper', 'hook']);
    equal(memory.tree()['/usr/bin/qemu-wrap'], `file 755 0:0 ${wrapperText(LAUNCHER)}`);
    deepEqual(await apply(memory), []);
  });

  it('with devices, AppArmor and SELinux: all of it, once, and back', async () => {
    const memory = withSelinux(withApparmor(debian())).dir('/var/lib');
    const before = memory.tree();
    const steps = ['wrapper', 'qemu-conf', 'apparmor', 'selinux', 'hook'];
    deepEqual(await apply(memory, { devices: ['/dev/usvhost-1'] }), steps);
    match(
      await memory.host.read(LOCAL),
      /^# BEGIN vhost-host .*\n {2}# qemu-wrap.*\n {2}\/usr\/bin\/qemu-wrap rmix,\n/,
    );
    match(await memory.host.read(LOCAL), /\/dev\/usvhost-\[0-9\]\* rw,/);
    ok(!(await memory.host.read(LOCAL)).includes(`${QEMU} rmix`), 'the shipped abstraction has QEMU already');
    ok(memory.ran.includes('restorecon -R -i /usr/bin/qemu-wrap /opt/vhost-host /run/vhost-host'));
    deepEqual(await apply(memory, { devices: ['/dev/usvhost-1'] }), []);
    memory.ran.length = 0;
    await undo(memory);
    deepEqual(memory.tree(), before);
    const undone = memory.ran.filter((line) => !/^restorecon \/[^ ]+$/.test(line));
    deepEqual(undone, [
      'semodule -r vhost_host',
      'restorecon -R -i /usr/bin/qemu-wrap /opt/vhost-host /run/vhost-host',
    ]);
  });

  it('the wrapper has the owner, group and mode that QEMU has', async () => {
    const memory = debian().file(QEMU, 'ELF', 0o750, { uid: 0, gid: 36 });
    await apply(memory);
    match(memory.tree()['/usr/bin/qemu-wrap'] ?? '', /^file 750 0:36 /);
  });

  it('a newer QEMU makes the wrapper be touched, and nothing else', async () => {
    const memory = debian();
    await apply(memory);
    const old = (await memory.host.stat('/usr/bin/qemu-wrap'))?.ctimeMs ?? 0;
    memory.file(QEMU, 'newer', 0o755);
    match((await plan(memory))[0]?.current ?? '', /^older than QEMU/);
    deepEqual(await apply(memory), ['wrapper']);
    ok(((await memory.host.stat('/usr/bin/qemu-wrap'))?.ctimeMs ?? 0) > old);
    deepEqual(await apply(memory), []);
    await undo(memory);
    equal(await memory.host.stat('/usr/bin/qemu-wrap'), undefined);
  });

  it('another qemu-wrap that was there is put back by undo', async () => {
    const memory = debian().file('/usr/bin/qemu-wrap', '#!/usr/bin/python\n', 0o700);
    equal((await plan(memory))[0]?.current, 'another one is there');
    await apply(memory);
    await undo(memory);
    equal(memory.tree()['/usr/bin/qemu-wrap'], 'file 700 0:0 #!/usr/bin/python\n');
  });

  it('an image gets AppArmor rules if it has profiles, and no command is run for it', async () => {
    const memory = withSelinux(withApparmor(debian()));
    memory.entries.delete('/sys/module/apparmor/parameters/enabled');
    deepEqual(await apply(memory, { live: false }), ['wrapper', 'apparmor', 'hook']);
    deepEqual(
      memory.ran.filter((line) => !line.startsWith('restorecon')),
      [],
    );
  });

  it('AppArmor: off by flag or by the system', async () => {
    deepEqual(await apply(withApparmor(debian()), { apparmor: 'off' }), ['wrapper', 'hook']);
    const off = withApparmor(debian()).file('/sys/module/apparmor/parameters/enabled', 'N\n');
    deepEqual(await apply(off), ['wrapper', 'hook']);
    match(await refused(debian(), { apparmor: 'on' }), /no AppArmor profiles/);
  });

  it('SELinux: off by flag or by the system', async () => {
    deepEqual(await apply(withSelinux(debian()), { selinux: 'off' }), ['wrapper', 'hook']);
    match(await refused(debian(), { selinux: 'on' }), /SELinux is not on/);
    const bare = withSelinux(debian());
    bare.entries.delete('/usr/sbin/checkmodule');
    match(await refused(bare), /checkmodule is missing/);
  });
});

describe('libvirt setup: what is refused, with the reason', () => {
  it('a package that the QEMU user cannot reach', async () => {
    const memory = debian();
    await memory.host.chmod('/opt', 0o700);
    match(
      await refused(memory),
      new RegExp(`^${LAUNCHER} is out of reach for the user that runs QEMU: /opt has mode 0700$`),
    );
    match(await refused(debian(), { packageRoot: '/srv/none' }), /is not there$/);
  });

  it('no node where libvirt looks for programs, and none that others may run', async () => {
    const memory = debian();
    memory.entries.delete('/usr/bin/node');
    match(await refused(memory), /^node is in none of /);
    memory.file('/root/node', '', 0o755).link('/usr/local/bin/node', '/root/node');
    await memory.host.chmod('/root', 0o700);
    match(await refused(memory), /^\/root\/node is out of reach/);
  });

  it('no QEMU, no libvirt', async () => {
    const memory = debian();
    memory.entries.delete(QEMU);
    match((await failure('EMULATOR_NOT_FOUND', plan(memory))).message, /tried .*qemu-kvm$/);
    await failure('EMULATOR_NOT_FOUND', plan(debian(), { emulator: '/usr/bin/none' }));
    const bare = debian();
    bare.entries.delete('/etc/libvirt/qemu.conf');
    match(await refused(bare, { devices: ['/dev/x-1'] }), /QEMU driver is not installed$/);
  });

  it('a wrapper that is a link, or where libvirtd may start nothing', async () => {
    match(await refused(debian().link('/usr/bin/qemu-wrap', '/opt/x')), /is a symbolic link/);
    await failure('USAGE', plan(debian(), { wrapper: '/usr/local/bin/qemu-wrap' }));
  });
});

describe('libvirt setup --legacy', () => {
  const old = (): MemoryHost => {
    const memory = debian();
    memory.commands.set('libvirtd --version', { stdout: 'libvirtd (libvirt) 1.1.3\n' });
    memory.commands.set('mount -t cgroup none /dev/cgroup -o devices', () => {
      memory.file('/proc/mounts', 'none /dev/cgroup cgroup rw,devices 0 0\n');
      return {};
    });
    return memory;
  };

  it('writes the recipe of 2014 for a libvirt of 2014, and takes it back', async () => {
    const memory = old();
    deepEqual(await apply(memory, { legacy: true }), ['wrapper', 'qemu-conf', 'cgroup-mount']);
    match(await memory.host.read('/etc/libvirt/qemu.conf'), /^user = "root"$/m);
    ok(memory.ran.includes('mkdir -p /dev/cgroup'));
    deepEqual(await apply(memory, { legacy: true }), []);
    memory.ran.length = 0;
    await undo(memory);
    deepEqual(memory.ran, ['umount /dev/cgroup', 'rmdir /dev/cgroup']);
    equal(await memory.host.read('/etc/libvirt/qemu.conf'), await debian().host.read('/etc/libvirt/qemu.conf'));
  });

  it('is refused for a libvirt that does without, and for an unknown one', async () => {
    const memory = debian();
    memory.commands.set('libvirtd --version', { stdout: 'libvirtd (libvirt) 9.0.0\n' });
    match(await refused(memory, { legacy: true }), /^libvirt 9\.0\.0 needs none of the legacy settings/);
    match(await refused(debian(), { legacy: true }), /^the version of libvirt is not known/);
  });

  it('judges versions by their parts', async () => {
    for (const version of [
      [0, 10, 2],
      [1, 1, 3],
      [2, 5, 0],
    ])
      refuseLegacy(version);
    for (const version of [
      [3, 0, 0],
      [3, 0, 1],
      [10, 0, 0],
    ])
      await failure('SETUP_REFUSED', () => refuseLegacy(version));
  });
});

describe('libvirt setup: policy texts', () => {
  it('AppArmor rules go where the distribution leaves room for them', () => {
    const own = { path: `${ABSTRACTION}.d/vhost-host`, own: true };
    deepEqual(
      rulesFile(
        '  include if exists <abstractions/libvirt-qemu.d>\n  include if exists <local/abstractions/libvirt-qemu>\n',
      ),
      own,
    );
    deepEqual(rulesFile('  #include <local/abstractions/libvirt-qemu>\n'), { path: LOCAL, own: false });
    deepEqual(rulesFile('  /usr/bin/kvm rmix,\n'), { path: ABSTRACTION, own: false });
  });

  it('patterns in paths are taken literally', () => {
    equal(apparmorPath('/opt/a'), '/opt/a');
    equal(apparmorPath('/opt/a b', '/**'), '"/opt/a b/**"');
    equal(apparmorPath('/opt/[a]*'), '"/opt/\\[a\\]\\*"');
    match(fileContexts({ ...PATHS, packageRoot: '/opt/a+b.c' }), /^\/opt\/a\\\+b\\\.c\(\/\.\*\)\? /m);
    equal(wrapperText("/opt/it's").split('\n')[2], `exec '/opt/it'\\''s' "$0" "$@"`);
  });

  it('devices are named only where there are some', () => {
    ok(!apparmorRules(PATHS, '').includes('/dev/'));
    ok(apparmorRules({ ...PATHS, deviceBase: 'x' }, '').includes('  /dev/x-[0-9]* rw,\n'));
    ok(apparmorRules(PATHS, '').includes(`  ${QEMU} rmix,\n`));
    ok(!fileContexts(PATHS).includes('/dev/'));
    ok(fileContexts({ ...PATHS, deviceBase: 'x' }).includes('/dev/x-[0-9]+ -c system_u:object_r:vhost_device_t:s0\n'));
  });
});

describe('libvirt setup: which daemon', () => {
  it('under systemd the one that is active, as a service or waiting as a socket', async () => {
    const memory = new MemoryHost().dir('/run/systemd/system');
    equal(await findDaemon(memory.host), undefined);
    memory.commands.set('systemctl is-active libvirtd.service', { stdout: 'active\n' });
    equal((await findDaemon(memory.host))?.name, 'libvirtd');
    memory.commands.set('systemctl is-active virtqemud.socket', { stdout: 'active\n' });
    deepEqual(await findDaemon(memory.host), {
      name: 'virtqemud',
      restart: ['systemctl', 'restart', 'virtqemud.service'],
    });
  });

  it('without systemd the one whose process runs', async () => {
    const memory = new MemoryHost({ '/run/libvirtd.pid': '77\n' });
    equal(await findDaemon(memory.host), undefined);
    memory.file('/proc/77/comm', 'libvirtd\n');
    deepEqual(await findDaemon(memory.host), { name: 'libvirtd', restart: ['service', 'libvirtd', 'restart'] });
  });
});
