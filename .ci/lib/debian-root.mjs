// A Debian that knows nothing of this package, for the tests of packages: below build/package, made once per release.
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mirror } from './suite.mjs';
import { root, runLogged, say } from './task.mjs';

/** What the package, and a test of it, may ask for. It is fetched and not installed: tests install without network. */
const dpdk = (abi) => ['bus-pci', 'bus-vdev', 'mempool-ring', 'vhost', 'gso'].map((name) => `librte-${name}${abi}`);
const wanted = {
  bookworm: [...dpdk(23), 'libfuse3-3', 'libstdc++6'],
  trixie: [...dpdk(25), 'libfuse3-4', 'nodejs'],
};
const emulator = ['qemu-system-x86', 'seabios', 'ipxe-qemu'];

export const debianRoot = (codename) => join(root, 'build/package', `root-${codename}`);

export async function ensureDebianRoot(codename) {
  const home = debianRoot(codename);
  if (existsSync(home)) return;
  say(`- making a Debian ${codename} to install packages in (debootstrap, below build/)`);
  const partial = `${home}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  await runLogged('package', 'debootstrap', [
    '--variant=minbase',
    '--include=systemd',
    codename,
    partial,
    await mirror(),
  ]);
  // How this machine comes by packages: it may be by way of a proxy or a snapshot.
  for (const name of readdirSync('/etc/apt/apt.conf.d').filter((file) => !/docker|packagekit|appstream/.test(file)))
    copyFileSync(join('/etc/apt/apt.conf.d', name), join(partial, 'etc/apt/apt.conf.d', name));
  // Nothing that is installed in there is to be started.
  writeFileSync(join(partial, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const inside = (...command) => runLogged('package', 'chroot', [partial, ...command]);
  await inside('apt-get', 'update');
  const options = ['-y', '--no-install-recommends', '--download-only', '-o', 'APT::Keep-Downloaded-Packages=true'];
  await inside('apt-get', 'install', ...options, ...wanted[codename], ...emulator);
  renameSync(partial, home);
}
