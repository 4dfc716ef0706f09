import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { layOutModules, moduleOrder } from './modules.mjs';
import { updateLists } from './packages.mjs';
import { fingerprint, isCurrent, record } from './stamp.mjs';
import { TaskError, ask, root, runLogged, say } from './task.mjs';
import { unpackKernel } from './vmlinux.mjs';

/** Debian kernels to boot in QEMU: their packages are unpacked below build/, never installed. */

const busybox = '/bin/busybox';
const means = ['kernel', 'modules', 'vmlinux'].map((name) => `.ci/lib/${name}.mjs`);

async function kernelPackage(metaPackage) {
  const depends = await ask('apt-cache', ['depends', metaPackage]);
  return depends?.match(/Depends: (linux-image-\S+)/)?.[1];
}

async function download(metaPackage, dir) {
  const name = await kernelPackage(metaPackage);
  if (name === undefined) throw new TaskError(`no package list names ${metaPackage}`, 'apt-get update');
  say(`- fetching a kernel for the tests, ${name} (unpacked below build, not installed)`);
  await runLogged('guest', 'apt-get', ['download', name], { cwd: dir });
}

async function fetchKernel(metaPackage, kernelDir) {
  const partial = `${kernelDir}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    await download(metaPackage, partial);
  } catch (error) {
    // Lists that are missing or name a version that is gone from the mirror.
    if (process.getuid() !== 0) throw error;
    await updateLists();
    await download(metaPackage, partial);
  }
  const deb = readdirSync(partial).find((name) => name.endsWith('.deb'));
  await runLogged('guest', 'dpkg-deb', ['-x', deb, '.'], { cwd: partial });
  rmSync(join(partial, deb));
  await layOutModules(partial);
  rmSync(kernelDir, { recursive: true, force: true });
  renameSync(partial, kernelDir);
}

/** Compiles a program that a guest runs, where there are no libraries. */
export function compileForGuest(source, output, flags) {
  const args = ['-std=gnu11', '-Os', '-Wall', '-Wextra', '-Wconversion', '-Werror', ...flags, source, '-o', output];
  return runLogged('guest', 'gcc', args);
}

async function compileInto(bin, source) {
  const name = basename(source, '.c');
  await compileForGuest(source, join(bin, name), ['-static']);
  return `bin/${name}`;
}

async function packInitramfs({ dir, init, modules, programs }, version) {
  const kernelDir = join(dir, 'kernel');
  const modulesDir = join(kernelDir, 'lib/modules', version);
  const staging = join(dir, 'initramfs');
  rmSync(staging, { recursive: true, force: true });
  for (const name of ['bin', 'modules']) mkdirSync(join(staging, name), { recursive: true });
  const order = moduleOrder(modulesDir, modules);
  for (const path of order) cpSync(join(modulesDir, path), join(staging, 'modules', basename(path)));
  writeFileSync(join(staging, 'modules/order'), order.map((path) => `${basename(path)}\n`).join(''));
  cpSync(join(root, init), join(staging, 'init'));
  chmodSync(join(staging, 'init'), 0o755);
  cpSync(busybox, join(staging, 'bin/busybox'));
  symlinkSync('busybox', join(staging, 'bin/sh'));
  const compiled = [];
  for (const source of programs) compiled.push(await compileInto(join(staging, 'bin'), source));
  const packed = order.map((path) => `modules/${basename(path)}`);
  const names = ['.', 'init', 'bin', 'bin/busybox', 'bin/sh', ...compiled, 'modules', 'modules/order', ...packed];
  // Not compressed: the guests run in an emulator, where unpacking costs more than reading.
  await runLogged('guest', 'cpio', ['-o', '-H', 'newc', '-R', '0:0', '-F', join(dir, 'initramfs.cpio')], {
    cwd: staging,
    input: `${names.join('\n')}\n`,
  });
}

/**
 * Makes build/NAME/IMAGE and build/NAME/initramfs.cpio: `metaPackage` names the kernel, `modules` those of its modules
 * that are loaded at start, and `init` is the first process, `programs` are compiled into its /bin. IMAGE is `vmlinux`, unpacked, or `vmlinuz`.
 */
export async function ensureBoot({ name, image, metaPackage, modules, init, programs = [], sources }) {
  const dir = join(root, 'build', name);
  const kernelDir = join(dir, 'kernel');
  if (!existsSync(kernelDir)) await fetchKernel(metaPackage, kernelDir);
  const version = readdirSync(join(kernelDir, 'lib/modules'))[0];
  const print = fingerprint([init, ...programs, ...means, ...sources, busybox], version);
  if (isCurrent(name, print, [`build/${name}/${image}`, `build/${name}/initramfs.cpio`])) return;
  say(`- packing the file system of build/${name}`);
  await packInitramfs({ dir, init, modules, programs }, version);
  const packed = join(kernelDir, 'boot', `vmlinuz-${version}`);
  if (image === 'vmlinux') unpackKernel(packed, join(dir, image));
  else cpSync(packed, join(dir, image));
  record(name, print);
}
