import { readFileSync } from 'node:fs';
import { emulatorCandidates } from '../../../src/libvirt/install/wrapper.js';
import { MemoryHost } from '../host/memory-host.js';

export const QEMU = emulatorCandidates()[1] ?? '';
export const PACKAGE = '/opt/vhost-host';
export const LAUNCHER = `${PACKAGE}/native/build/Release/vh-launch`;
export const ABSTRACTION = '/etc/apparmor.d/abstractions/libvirt-qemu';
export const LOCAL = '/etc/apparmor.d/local/abstractions/libvirt-qemu';

/** A Debian 12 with libvirt, QEMU, Node, and our package in /opt. */
export function debian(): MemoryHost {
  return new MemoryHost({ '/proc/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n' })
    .file('/etc/libvirt/qemu.conf', readFileSync('test/golden/qemu-conf/debian-12.conf', 'utf8'), 0o600)
    .file(QEMU, 'ELF', 0o755)
    .file('/usr/bin/node', 'ELF', 0o755)
    .file(LAUNCHER, 'ELF', 0o755)
    .file(`${PACKAGE}/build/bundle/cli/wrap-plan.js`, '');
}

export function withApparmor(memory: MemoryHost): MemoryHost {
  const shipped = readFileSync('test/golden/apparmor/debian-12/abstractions/libvirt-qemu', 'utf8');
  return memory.file('/sys/module/apparmor/parameters/enabled', 'Y\n').file(ABSTRACTION, shipped).file(LOCAL, '');
}

export function withSelinux(memory: MemoryHost): MemoryHost {
  let installed = false;
  memory.commands.set('semodule --list-modules', () => ({ stdout: `abrt\n${installed ? 'vhost_host\n' : ''}` }));
  memory.commands.set('semodule -i /var/lib/vhost-host/selinux/vhost_host.pp', () => {
    installed = true;
    return {};
  });
  memory.commands.set('semodule -r vhost_host', () => {
    const exitCode = installed ? 0 : 1;
    installed = false;
    return { exitCode };
  });
  for (const name of ['checkmodule', 'semodule_package', 'semodule']) memory.file(`/usr/sbin/${name}`, '', 0o755);
  return memory.file('/sys/fs/selinux/enforce', '1');
}
