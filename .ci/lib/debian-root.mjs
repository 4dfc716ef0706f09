// A Debian that knows nothing of this package, for the tests of packages: below build/package, made once per release.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aptSettings } from './access.mjs';
import { mirror } from './suite.mjs';
import { root, runLogged, say } from './task.mjs';

/** What the package, and a test of it, may ask for. It is fetched and not installed: tests install without network. */
const dpdk = (abi) => ['bus-pci', 'bus-vdev', 'mempool-ring', 'vhost', 'gso'].map((name) => `librte-${name}${abi}`);
const wanted = {
  bookworm: [...dpdk(23), 'libfuse3-3', 'libstdc++6'],
  trixie: [...dpdk(25), 'libfuse3-4', 'nodejs'],
};
const emulator = ['qemu-system-x86', 'seabios', 'ipxe-qemu'];

/** Of packaging/oci/Dockerfile. */
export const imageRelease = 'trixie';

export const debianRoot = (codename) => join(root, 'build/package', `root-${codename}`);

/** A Debian without anything, with the packages of `include` beside; apt finds packages as this machine does. */
export async function bootstrap(codename, home, include = []) {
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const more = include.length === 0 ? [] : [`--include=${include.join(',')}`];
  // What it mounts in there is gone when it has been ended, too.
  const own = ['--mount', '--propagation', 'private', 'debootstrap'];
  await runLogged('package', 'unshare', [...own, '--variant=minbase', ...more, codename, home, await mirror()]);
  writeFileSync(join(home, 'etc/apt/apt.conf.d/90access'), await aptSettings(), { mode: 0o600 });
  // What is lost when power fails is made anew.
  writeFileSync(join(home, 'etc/dpkg/dpkg.cfg.d/unsafe-io'), 'force-unsafe-io\n');
  // Nothing that is installed in there is to be started.
  writeFileSync(join(home, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
}

/** What an image of that release begins with. Returns its directory. */
export async function ensureBase(codename) {
  const home = join(root, 'build/package', `base-${codename}`);
  if (existsSync(home)) return home;
  say(`- making a Debian ${codename} to build an image of (debootstrap, below build/)`);
  await bootstrap(codename, `${home}.partial`);
  renameSync(`${home}.partial`, home);
  return home;
}

export async function ensureDebianRoot(codename) {
  const home = debianRoot(codename);
  if (existsSync(home)) return;
  say(`- making a Debian ${codename} to install packages in (debootstrap, below build/)`);
  const partial = `${home}.partial`;
  await bootstrap(codename, partial, ['systemd']);
  const inside = (...command) => runLogged('package', 'chroot', [partial, ...command]);
  await inside('apt-get', 'update');
  const options = ['-y', '--no-install-recommends', '--download-only', '-o', 'APT::Keep-Downloaded-Packages=true'];
  await inside('apt-get', 'install', ...options, ...wanted[codename], ...emulator);
  renameSync(partial, home);
}
