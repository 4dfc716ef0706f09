import { TaskError, ask, runLogged, say } from './task.mjs';

/** What each kind of work needs from Debian, and why. */
const groups = {
  build: {
    'build-essential': 'C compiler and make',
    'pkg-config': 'finds DPDK',
    'libdpdk-dev': 'DPDK, which the switch is built on',
    'libfuse3-dev': "the kernel's protocol for /dev/usvhost-N",
    python3: 'node-gyp runs on it',
  },
  run: {
    'qemu-system-x86': 'runs the guests',
    'qemu-utils': 'makes the disk that the README starts a guest with',
    seabios: "the guests' BIOS",
    'ipxe-qemu': 'boot ROM of the virtio NIC',
  },
  guest: {
    'busybox-static': "the test guests' user space",
    cpio: "packs the test guests' file system",
    lz4: "unpacks the test guests' kernel, as Debian 12 packs it",
    'xz-utils': 'the same, and its modules, as Debian 13 packs them',
    zstd: 'the same, as other kernels are packed',
  },
  // The machine with a card that has VMDq; its QEMU is a newer one, unpacked side by side (lib/qemu.mjs).
  machine: {
    'qemu-system-x86': 'its libraries are those that the newer QEMU needs',
  },
  // The parts without service files: nothing is enabled or started by installing them.
  libvirt: {
    'libvirt-daemon': 'libvirtd, which the tests start in namespaces of their own',
    'libvirt-daemon-driver-qemu': "libvirt's QEMU driver, and virt-qemu-run",
    'libvirt-clients': 'virsh',
    iproute2: "the bridge of the tests' libvirt",
  },
  // DPDK's drivers come with libdpdk-dev.
  uplink: {
    iproute2: "network interfaces and namespaces that the tests' switches are connected to",
    ethtool: 'has the kernel compute its checksums itself where a switch is on the other end of the wire',
  },
  testpmd: {
    'dpdk-dev': 'dpdk-testpmd, a guest that counts frames',
  },
  fuzz: {
    // Debian's own choice of a version.
    clang: 'compiler with libFuzzer',
    'libclang-rt-dev': "libFuzzer and its sanitizers' runtime",
  },
  policy: {
    apparmor: 'apparmor_parser checks the rules for guests',
    checkpolicy: 'checkmodule compiles the SELinux module',
    'semodule-utils': 'semodule_package packs it',
  },
  boot: {
    'grub-common': 'grub-mkconfig, which the tests run on a system of their own',
    'grub2-common': 'update-grub',
    e2fsprogs: "that system's file system",
  },
  setup: {
    systemd: 'systemd-analyze and systemd-tmpfiles try what is written for them; nothing of it is started',
    udev: 'udevadm reads the rule for a network card',
    iproute2: 'ip tells the addresses of a network card',
  },
  pages: {
    'groff-base': 'troff reads the man pages',
    zsh: 'tries its completion',
    fish: 'tries its completion',
    rpm: "rpmspec reads the other packages' description",
  },
  corpus: {
    'libxml2-utils': "xmllint holds domains against libvirt's RELAX NG schema",
  },
  trixie: {
    debootstrap: 'makes the Debian 13 that the tests run in',
  },
  package: {
    debhelper: 'builds the Debian package',
    lintian: 'checks it',
    debootstrap: 'makes the system that it is installed in',
    rpm: "reads the other packages' description",
  },
  // Versions of Node, which come from npm's registry (lib/nodes.mjs).
  nodes: {},
  check: {
    'clang-format': 'format check of the C sources',
  },
};

export const groupNames = Object.keys(groups);

async function missingOf(wanted) {
  const present = new Set();
  const listing = await ask('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n']);
  if (listing === undefined) {
    throw new TaskError(
      'dpkg-query does not work here: set-up knows Debian only',
      `install the equivalents of: ${Object.keys(wanted).join(' ')}`,
    );
  }
  for (const line of listing.split('\n')) {
    const [name, status] = line.split(' ');
    if (status === 'installed') present.add(name);
  }
  // pkgconf is a drop-in that other packages may have brought in place of pkg-config.
  if (present.has('pkgconf')) present.add('pkg-config');
  return Object.keys(wanted).filter((name) => !present.has(name));
}

/** Refreshes apt's lists; at most once per run, since it takes seconds. */
let updated;
export function updateLists() {
  updated ??= (async () => {
    say('- refreshing the package lists (apt-get update)');
    await runLogged('apt', 'apt-get', ['update']);
  })();
  return updated;
}

/** Installs what the named groups need and is not there yet. */
export async function ensurePackages(names) {
  const wanted = Object.assign({}, ...names.map((name) => groups[name]));
  const missing = await missingOf(wanted);
  if (missing.length === 0) return;
  for (const name of missing) say(`- Debian package ${name} is missing: ${wanted[name]}`);
  if (process.getuid() !== 0) {
    throw new TaskError(
      'installing Debian packages needs root',
      `sudo apt-get install --no-install-recommends ${missing.join(' ')}`,
    );
  }
  await updateLists();
  say(`- installing ${missing.join(' ')} (apt-get install)`);
  await runLogged('apt', 'apt-get', ['install', '-y', '--no-install-recommends', ...missing], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
}
