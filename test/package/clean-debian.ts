import { existsSync, readFileSync } from 'node:fs';
import { root } from '../helpers/paths.js';

/** Debian's release that this machine runs. */
export const ownRelease = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';

/** A Debian of that release, as set-up has made it (`node .ci/prepare.mjs package`). */
const debian = (release: string): string => `${root}build/package/root-${release}`;

export function needsDebian(release: string): string | undefined {
  if (process.getuid?.() !== 0) return 'a mount namespace needs root';
  return existsSync(debian(release)) ? undefined : `${debian(release)} is not there: node .ci/prepare.mjs package`;
}

/** What a script can call, see below. */
export const FUNCTIONS = `
inside() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive unshare --net chroot . "$@"
}
install() { inside apt-get install -qq -y --no-install-recommends "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
files() {
  find . \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run/systemd -o -path ./var/lib/dpkg -o -path ./var/lib/apt \\
    -o -path ./var/cache -o -path ./var/log -o -path ./etc/ld.so.cache -o -path './run/adduser*' \\) -prune \\
    -o -printf '%y %m %U:%G %p %l\\n' | sort
  find etc -type f ! -path etc/ld.so.cache ! -regex 'etc/\\(passwd\\|group\\|shadow\\|gshadow\\)-?' -exec md5sum {} + | sort -k 2
  # Of dpkg's records: what a package leaves, and what its scripts can register.
  ls var/lib/dpkg/info var/lib/dpkg/alternatives dev/shm
  cat var/lib/dpkg/diversions var/lib/dpkg/statoverride var/lib/dpkg/triggers/File 2>/dev/null || true
  cat etc/passwd
  cut -d: -f1 etc/shadow
  grep -v '^kvm:\\|^rdma:' etc/group
  grep -v '^kvm:\\|^rdma:' etc/gshadow
  grep HugePages_Total /proc/meminfo
  cut -d' ' -f5 /proc/self/mountinfo | sort
}
eventually() {
  deadline=$(($(date +%s) + 90))
  until "$@"; do
    [ "$(date +%s)" -lt $deadline ] || { echo "in vain: $*" >&2; tail -n 20 tmp/*.out >&2; exit 1; }
    sleep 0.1
  done
}
`;

/**
 * For a script in a private namespace: that Debian below the present directory, with a layer of its own for what is
 * changed, and `inside COMMAND` to run something in it: without network, and with nothing of this machine but its kernel.
 * /nodejs.deb holds this machine's Node, for a release whose own is too old. `files` lists what there is, with kinds, modes,
 * owners and, below /etc, contents; users and groups (but for those that several packages share, which none takes away);
 * what is registered with dpkg, mounted, and reserved of hugepages. Left out are the records of dpkg's own, of apt,
 * adduser and the dynamic linker. `eventually COMMAND`
 * repeats it until it does.
 */
export const cleanDebian = (release: string): string => `
mkdir "$work/changed" "$work/layer" "$work/system"
mount -t overlay none -o "lowerdir=${debian(release)},upperdir=$work/changed,workdir=$work/layer" "$work/system"
cd "$work/system"
mount -t proc none proc
mount -t sysfs none sys
mount -t tmpfs none dev
mkdir dev/shm dev/pts
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev/
mount -t tmpfs none run
mount -t tmpfs none tmp
mkdir -p "$work/node/DEBIAN" "$work/node/usr/bin"
cp "$node" "$work/node/usr/bin/node"
cat > "$work/node/DEBIAN/control" <<END
Package: nodejs
Version: ${process.versions.node}-1
Architecture: amd64
Maintainer: nobody <nobody@localhost>
Depends: libc6, libstdc++6
Description: the Node of this machine
END
dpkg-deb -Znone -b "$work/node" nodejs.deb >&2
${FUNCTIONS}
`;
