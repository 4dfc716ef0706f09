import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { arch } from 'node:os';
import { applySteps } from '../../../src/changes/apply.js';
import { NAMES } from '../../../src/hostsetup/packages/names.js';
import type { Need } from '../../../src/hostsetup/packages/names.js';
import { planPackages } from '../../../src/hostsetup/packages/plan.js';
import { MemoryHost } from '../host/memory-host.js';
import { OPTIONS, undoAll } from '../changes/steps-support.js';
import { applyOnce, commandsOf, refusalOf } from './plan-support.js';
import { debian12, fedora20, image, rhel9 } from './systems.js';

const ALL: readonly Need[] = ['qemu', 'libvirt', 'cuse', 'driverctl'];

const QEMU = { x64: 'x86', arm64: 'arm' }[arch() as 'x64' | 'arm64'];

/** What a package manager leaves, however it is called. */
function installed(memory: MemoryHost): void {
  for (const name of ['qemu-system-x86_64', 'virsh', 'driverctl']) memory.file(`/usr/bin/${name}`, '');
  memory.file('/usr/sbin/libvirtd', '');
}

describe('setup: packages', () => {
  it('Debian: what is missing is named and installed; then nothing is', async () => {
    const memory = debian12().file('/usr/bin/apt-get', '');
    const plan = () => planPackages(memory.host, { needs: ALL });
    const { steps, notes } = await plan();
    const install = `env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends qemu-system-${QEMU} libvirt-daemon-system libvirt-clients driverctl`;
    deepEqual(commandsOf(await plan()), ['apt-get update', install]);
    equal(steps[0]?.current, 'missing: QEMU, libvirt, driverctl');
    match(notes.join('\n'), /^undo leaves packages installed, .*: apt-get remove qemu-system-\w+ libvirt/);
    memory.commands.set(install, () => {
      installed(memory);
      return {};
    });
    await applyOnce(memory, plan);
    deepEqual((await plan()).notes, []);
    deepEqual(await undoAll(memory), []);
  });

  it('what came without a package counts as well', async () => {
    const memory = debian12().file('/usr/bin/apt-get', '').file('/usr/local/bin/qemu-system-aarch64', '');
    equal((await planPackages(memory.host, { needs: ['qemu', 'cuse'] })).steps[0]?.actions.length, 0);
    // Of these each is only half of what is needed.
    memory.file('/usr/bin/qemu-system-gui.so', '').file('/usr/bin/virsh', '');
    equal((await planPackages(memory.host, { needs: ['libvirt'] })).steps[0]?.current, 'missing: libvirt');
  });

  it('RHEL: the module is in a package of the running kernel', async () => {
    const memory = rhel9().file('/usr/bin/dnf', '').file('/usr/bin/yum', '').file('/usr/libexec/qemu-kvm', '');
    const modules = '/lib/modules/5.14.0-427.el9.x86_64/modules.dep';
    memory.file('/proc/modules', '').file(modules, 'kernel/drivers/vfio/pci/vfio-pci.ko.xz:\n');
    const plan = () => planPackages(memory.host, { needs: ALL });
    const install =
      'dnf install -y libvirt-daemon-kvm libvirt-client kernel-modules-extra-5.14.0-427.el9.x86_64 driverctl';
    deepEqual(commandsOf(await plan()), [install]);
    memory.commands.set(install, () => {
      installed(memory);
      return {};
    });
    const failure = await refusalOf(plan().then(({ steps }) => applySteps(memory.host, steps, OPTIONS)));
    match(failure.message, /installed, and the kernel module cuse is still missing$/);
    memory.file(modules, 'kernel/fs/fuse/cuse.ko.xz:\n');
    equal((await plan()).steps[0]?.actions.length, 0);
  });

  it('an installation that fails is told in its own words', async () => {
    const memory = fedora20().file('/usr/bin/yum', '');
    memory.commands.set('yum install -y qemu-kvm', { exitCode: 1, stderr: 'No package qemu-kvm available.\n' });
    const { steps } = await planPackages(memory.host, { needs: ['qemu'] });
    const { message } = await refusalOf(applySteps(memory.host, steps, OPTIONS));
    match(message, /^nothing was changed, for packages failed: yum install .* available\.$/);
  });

  it('what the distribution has no package for is said', async () => {
    const memory = debian12().file('/usr/bin/pacman', '');
    const release = '6.1.0-18-amd64';
    memory.file(`/lib/modules/${release}/modules.dep`, 'kernel/drivers/vfio/pci/vfio-pci.ko.xz:\n');
    const { steps, notes } = await planPackages(memory.host, { needs: ['cuse', 'driverctl'] });
    deepEqual(steps, []);
    deepEqual(notes, [
      `kernel ${release} has no module cuse, and no package of this system brings it`,
      'driverctl is missing, and this system has no package of it',
    ]);
  });

  it('systems that are not changed package by package get what to do by hand', async () => {
    const system = (files: Record<string, string>): MemoryHost => new MemoryHost(files);
    const boot = { '/run/ostree-booted': '', '/usr/bin/rpm-ostree': '', '/usr/bin/dnf': '' };
    const cases: [MemoryHost, RegExp][] = [
      [system({ ...boot, '/etc/os-release': 'ID=fedora\n' }), /: rpm-ostree install qemu-kvm libvirt-daemon-kvm /],
      [
        system({ '/run/ostree-booted': '', '/usr/bin/bootc': '', '/usr/bin/dnf': '' }),
        /\nRUN dnf install -y qemu-kvm /,
      ],
      [
        image().file('/usr/sbin/transactional-update', '').file('/usr/bin/zypper', ''),
        /: transactional-update pkg install qemu-\w+ libvirt-daemon-qemu /,
      ],
      [system({ '/etc/os-release': 'ID=nixos\n' }), /\nenvironment.systemPackages = .*\nvirtualisation\.libvirtd/],
      [system({ '/etc/os-release': 'ID=guix\n' }), /\n\(packages .*\n\(service libvirt-service-type\)/],
      [system({ '/etc/os-release': 'ID=talos\n' }), /another image has to bring it$/],
      [system({ '/etc/os-release': 'ID=void\nPRETTY_NAME=Void\n' }), /how Void installs packages is not known$/],
    ];
    for (const [memory, words] of cases) {
      const { steps, notes } = await planPackages(memory.host, { needs: ['qemu', 'libvirt', 'driverctl'] });
      deepEqual(steps, []);
      match(notes.join('\n'), words);
    }
  });

  it('every package manager has a name, or none, for every need', () => {
    const machine = { arch: 's390x', kernel: undefined, ubuntu: false };
    for (const names of Object.values(NAMES)) {
      for (const need of ALL) ok(names[need](machine).every((name) => /^[a-z0-9+.-]+$/.test(name)));
    }
    const ubuntu = { arch: 'x64', kernel: '6.8.0-31-generic', ubuntu: true };
    deepEqual(NAMES['apt-get']?.cuse(ubuntu), ['linux-modules-extra-6.8.0-31-generic']);
  });
});
