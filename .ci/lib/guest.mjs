import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { updateLists } from './packages.mjs';
import { fingerprint, isCurrent, record } from './stamp.mjs';
import { TaskError, ask, root, runLogged, say } from './task.mjs';

/** Debian's smallest kernel; its package is only unpacked here, never installed. */
const metaPackage = 'linux-image-cloud-amd64';
/** Drivers the guests use (the last two: the power button that libvirt presses); what these depend on comes along. */
const wantedModules = ['virtio_pci', 'virtio_net', '8021q', 'button', 'evdev'];
const busybox = '/bin/busybox';
const guestDir = join(root, 'build/guest');
const kernelDir = join(guestDir, 'kernel');

async function kernelPackage() {
  const depends = await ask('apt-cache', ['depends', metaPackage]);
  return depends?.match(/Depends: (linux-image-\S+)/)?.[1];
}

async function download(dir) {
  const name = await kernelPackage();
  if (name === undefined) throw new TaskError(`no package list names ${metaPackage}`, 'apt-get update');
  say(`- fetching the guests' kernel, ${name} (unpacked below build/guest, not installed)`);
  await runLogged('guest', 'apt-get', ['download', name], { cwd: dir });
}

async function fetchKernel() {
  const partial = join(guestDir, 'kernel.partial');
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    await download(partial);
  } catch (error) {
    // Lists that are missing or name a version that is gone from the mirror.
    if (process.getuid() !== 0) throw error;
    await updateLists();
    await download(partial);
  }
  const deb = readdirSync(partial).find((name) => name.endsWith('.deb'));
  await runLogged('guest', 'dpkg-deb', ['-x', deb, '.'], { cwd: partial });
  rmSync(join(partial, deb));
  rmSync(kernelDir, { recursive: true, force: true });
  renameSync(partial, kernelDir);
}

/** Paths of the wanted modules and all they depend on, in the order in which they load. */
function moduleOrder(modulesDir) {
  const needs = new Map();
  for (const line of readFileSync(join(modulesDir, 'modules.dep'), 'utf8').split('\n')) {
    const [path, rest] = line.split(':');
    if (rest !== undefined) needs.set(path, rest.trim().split(/\s+/).filter(Boolean));
  }
  const ordered = [];
  const visit = (path) => {
    for (const need of needs.get(path) ?? []) visit(need);
    if (!ordered.includes(path)) ordered.push(path);
  };
  for (const name of wantedModules) {
    const path = [...needs.keys()].find((key) => basename(key) === `${name}.ko`);
    if (path === undefined) throw new TaskError(`the guests' kernel has no module ${name}`, `rm -r ${kernelDir}`);
    visit(path);
  }
  return ordered;
}

async function packInitramfs(version) {
  const modulesDir = join(kernelDir, 'lib/modules', version);
  await runLogged('guest', 'busybox', ['depmod', '-b', kernelDir, version]);
  const staging = join(guestDir, 'initramfs');
  rmSync(staging, { recursive: true, force: true });
  for (const dir of ['bin', 'modules']) mkdirSync(join(staging, dir), { recursive: true });
  const order = moduleOrder(modulesDir);
  for (const path of order) cpSync(join(modulesDir, path), join(staging, 'modules', basename(path)));
  writeFileSync(join(staging, 'modules/order'), order.map((path) => `${basename(path)}\n`).join(''));
  cpSync(join(root, '.ci/guest/init'), join(staging, 'init'));
  chmodSync(join(staging, 'init'), 0o755);
  cpSync(busybox, join(staging, 'bin/busybox'));
  symlinkSync('busybox', join(staging, 'bin/sh'));
  const modules = order.map((path) => `modules/${basename(path)}`);
  const names = ['.', 'init', 'bin', 'bin/busybox', 'bin/sh', 'modules', 'modules/order', ...modules];
  // Not compressed: the guests run in an emulator, where unpacking costs more than reading.
  const archive = join(guestDir, 'initramfs.cpio');
  await runLogged('guest', 'cpio', ['-o', '-H', 'newc', '-R', '0:0', '-F', archive], {
    cwd: staging,
    input: `${names.join('\n')}\n`,
  });
}

/** Makes build/guest/vmlinuz and build/guest/initramfs.cpio, which the tests boot. */
export async function ensureGuest() {
  if (!existsSync(kernelDir)) await fetchKernel();
  const version = readdirSync(join(kernelDir, 'lib/modules'))[0];
  const print = fingerprint(['.ci/guest/init', '.ci/lib/guest.mjs', busybox], version);
  if (isCurrent('guest', print, ['build/guest/vmlinuz', 'build/guest/initramfs.cpio'])) return;
  say("- packing the guests' file system");
  await packInitramfs(version);
  cpSync(join(kernelDir, 'boot', `vmlinuz-${version}`), join(guestDir, 'vmlinuz'));
  record('guest', print);
}
