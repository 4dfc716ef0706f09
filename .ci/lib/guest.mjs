import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileForGuest, ensureBoot } from './kernel.mjs';
import { fingerprint, isCurrent, record } from './stamp.mjs';
import { root } from './task.mjs';

const sources = ['.ci/lib/guest.mjs'];

/** Debian's smallest kernel, and the drivers the guests use (the last two: the power button that libvirt presses). */
const guest = {
  name: 'guest',
  image: 'vmlinux',
  metaPackage: 'linux-image-cloud-amd64',
  modules: ['virtio_pci', 'virtio_net', '8021q', 'button', 'evdev'],
  init: '.ci/guest/init',
  programs: ['.ci/guest/channels.c'],
  sources,
};

/** A machine to run this clone in, which it sees through 9p: for what the kernel here may lack (cuse). */
const machine = {
  name: 'machine',
  image: 'vmlinuz',
  metaPackage: 'linux-image-amd64',
  modules: ['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'cuse', 'tun'],
  init: '.ci/guest/machine',
  sources,
};

/** Compiles test/ping-guest, a kernel of its own that pings, for guests within the machine. */
async function ensurePingGuest() {
  const files = ['test/ping-guest/guest.c', 'test/ping-guest/guest.ld'];
  const output = 'build/ping-guest/guest.elf';
  const print = fingerprint([...files, ...sources]);
  if (isCurrent('ping-guest', print, [output])) return;
  mkdirSync(join(root, 'build/ping-guest'), { recursive: true });
  const bare = [
    '-m32',
    '-march=i686',
    '-ffreestanding',
    '-fno-pie',
    '-fno-stack-protector',
    '-fno-asynchronous-unwind-tables',
  ];
  const link = ['-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-T', files[1]];
  await compileForGuest(files[0], output, [...bare, ...link]);
  record('ping-guest', print);
}

/** Makes build/guest, build/machine and build/ping-guest, which the tests boot. */
export async function ensureGuest() {
  await ensureBoot(guest);
  await ensureBoot(machine);
  await ensurePingGuest();
}
