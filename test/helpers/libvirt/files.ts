import { appendFile, chmod, copyFile, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { initramfs, kernel } from '../guests/guest.js';
import { root, tempDir } from '../paths.js';
import type { Scope } from '../scope.js';
import type { Namespace } from './namespace.js';

/** As Debian's libvirt packages make them; for machines that have only the daemon. */
const qemuUser = { name: 'libvirt-qemu', id: 64055 };

/** Devices that libvirt and its guests open. */
const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'net/tun'];

/** Directories of the test's own, as they are called on this machine; inside they lie over the system's. */
export interface Files {
  /** The whole of it. QEMU's user may pass, unlike through most places that a clone may lie in. */
  readonly dir: string;
  /** This repository, inside. */
  readonly repo: string;
  /** The kernel and initramfs of guests, their serial lines. */
  readonly vm: string;
  /** A hugetlbfs mount, inside. */
  readonly pages: string;
}

/** The value of one field in the line of that name, of a file like /etc/passwd. */
async function fieldOf(file: string, name: string, field: number): Promise<string | undefined> {
  const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.split(':'));
  return lines.find(([first]) => first === name)?.[field];
}

async function addQemuUser(etc: string): Promise<void> {
  const { name, id } = qemuUser;
  if ((await fieldOf(`${etc}/group`, name, 2)) === undefined) await appendFile(`${etc}/group`, `${name}:x:${id}:\n`);
  if ((await fieldOf(`${etc}/passwd`, name, 2)) !== undefined) return;
  const kvm = await fieldOf(`${etc}/group`, 'kvm', 2);
  if (kvm === undefined) throw new Error('no group kvm: qemu-system-common makes it');
  await appendFile(`${etc}/passwd`, `${name}:x:${id}:${kvm}::/var/lib/libvirt:/usr/sbin/nologin\n`);
}

async function writeEtc(etc: string, pages: string): Promise<void> {
  await cp('/etc', etc, { recursive: true, verbatimSymlinks: true, filter: (path) => path !== '/etc/libvirt' });
  await addQemuUser(etc);
  await mkdir(`${etc}/libvirt`);
  await mkdir(`${etc}/vhost-host`);
  // Otherwise libvirt takes any hugetlbfs it finds; and no virtlogd is needed for the serial lines' sake.
  await writeFile(`${etc}/libvirt/qemu.conf`, `hugetlbfs_mount = "${pages}"\nstdio_handler = "file"\n`);
  await writeFile(`${etc}/libvirt/libvirtd.conf`, 'auth_unix_rw = "none"\n');
}

/** A /dev of our own, so that devices can be made in it. */
async function mountDev(space: Namespace, dir: string): Promise<void> {
  await space.sh('mount', '-t', 'tmpfs', '-o', 'mode=755', 'dev', dir);
  await space.sh('mkdir', `${dir}/net`, `${dir}/pts`, `${dir}/shm`);
  for (const name of devices) await space.run('cp', ['-a', `/dev/${name}`, `${dir}/${name}`]);
  // Guests are emulated, but libvirt takes a domain with vhost only where QEMU's user can open this.
  await space.sh('cp', '-a', '/dev/null', `${dir}/kvm`);
  // libvirt opens it and hands the descriptor on; a QEMU that used it would be told that this is no vhost.
  await space.sh('cp', '-a', '/dev/null', `${dir}/vhost-net`);
  await space.sh('ln', '-s', '/proc/self/fd', `${dir}/fd`);
  await space.sh('mount', '-t', 'devpts', '-o', 'newinstance,ptmxmode=0666,mode=0620', 'devpts', `${dir}/pts`);
  await space.sh('mount', '-t', 'tmpfs', '-o', 'mode=1777', 'shm', `${dir}/shm`);
  // Gone and not only covered: libvirt goes by the list of mounts when it builds a guest's /dev.
  await space.run('umount', ['--recursive', '--lazy', '/dev']);
  await space.sh('mount', '--move', dir, '/dev');
}

/** Puts before QEMU what has libvirt believe that it can use KVM; it stays what runs, with its data beside it. */
async function mountEmulator(space: Namespace, dir: string): Promise<void> {
  const [usual, real] = ['/usr/bin/qemu-system-x86_64', `${dir}/emulator/bin/qemu-system-x86_64`];
  const probe = `exec ${dir}/bin/node ${dir}/repo/build/test/helpers/libvirt/kvm-probe.js ${real} "$@"`;
  const text = `#!/bin/sh\ncase "$*" in *none,accel=kvm*) ${probe} ;; esac\nexec ${real} "$@"\n`;
  await writeFile(`${dir}/emulator/before`, text, { mode: 0o755 });
  await writeFile(real, '');
  for (const name of ['share', 'lib']) await symlink(`/usr/${name}`, `${dir}/emulator/${name}`);
  await space.sh('mount', '--bind', usual, real);
  await space.sh('mount', '--bind', `${dir}/emulator/before`, usual);
}

/** Lays private /dev, /etc, /run, /sys and /var over the system's inside of `space`. */
export async function makeFiles(scope: Scope, space: Namespace): Promise<Files> {
  const dir = await tempDir(scope);
  await chmod(dir, 0o755);
  const files = { dir, repo: `${dir}/repo`, vm: `${dir}/vm`, pages: `${dir}/pages` };
  for (const name of [
    'repo',
    'vm',
    'pages',
    'dev',
    'emulator/bin',
    'etc',
    'run',
    'var/lib',
    'var/cache',
    'var/log',
    'var/tmp',
  ]) {
    await mkdir(`${dir}/${name}`, { recursive: true });
  }
  await symlink('/run', `${dir}/var/run`);
  await writeEtc(`${dir}/etc`, files.pages);
  // Copies: libvirt gives what a guest reads to QEMU's user.
  await copyFile(kernel, `${files.vm}/vmlinux`);
  await copyFile(initramfs, `${files.vm}/initramfs`);
  await space.sh('mount', '--bind', root, files.repo);
  await space.sh('mount', '-t', 'hugetlbfs', '-o', 'pagesize=2M', 'hugetlbfs', files.pages);
  await mountDev(space, `${dir}/dev`);
  await mountEmulator(space, dir);
  for (const name of ['etc', 'run', 'var']) await space.sh('mount', '--bind', `${dir}/${name}`, `/${name}`);
  // The devices of the new network namespace instead of the system's; without cgroups, which are not ours to change.
  await space.run('umount', ['--recursive', '--lazy', '/sys']);
  await space.sh('mount', '-t', 'sysfs', 'sysfs', '/sys');
  return files;
}
