import type { Finished } from '../child.js';
import { runInPrivateNamespace } from './private-namespace.js';
import type { Scope } from '../scope.js';

/**
 * Shell commands on a copy of this system: in a mount namespace of their own, with writable layers over what a
 * set-up changes. Debian's libvirt and AppArmor files are there whether or not the packages are, the package lies in
 * /opt/vhost-host, and all of it is gone with the last process.
 */
const PREPARE = `
for dir in usr/bin usr/local etc var/lib opt; do
  mkdir -p "$work/$dir/upper" "$work/$dir/work"
  mount -t overlay none -o "lowerdir=/$dir,upperdir=$work/$dir/upper,workdir=$work/$dir/work" "/$dir"
done
mkdir -p /opt/vhost-host /etc/libvirt /etc/apparmor.d/local/abstractions /etc/apparmor.d/abstractions
mount --bind "$repo" /opt/vhost-host
cd /
rm -rf /var/lib/vhost-host /usr/bin/qemu-wrap /etc/vhost-host
cp /opt/vhost-host/test/golden/qemu-conf/debian-12.conf /etc/libvirt/qemu.conf
chmod 600 /etc/libvirt/qemu.conf
cp -r /opt/vhost-host/test/golden/apparmor/debian-12/* /etc/apparmor.d/
: > /etc/apparmor.d/local/abstractions/libvirt-qemu
: > /etc/apparmor.d/local/usr.sbin.libvirtd
[ -x /usr/bin/node ] || cp "$node" /usr/bin/node
setup() { /usr/bin/node /opt/vhost-host/bin/vhost-host libvirt setup "$@"; }
state() {
  find /etc/libvirt /etc/apparmor.d /usr/bin/qemu-wrap /var/lib/vhost-host -printf '%p %m %U:%G %l\\n' 2>/dev/null | sort
  find /etc/libvirt /etc/apparmor.d /usr/bin/qemu-wrap -type f -exec sha256sum {} + 2>/dev/null | sort
}
`;

export function inPrivateSystem(scope: Scope, script: string): Promise<Finished> {
  return runInPrivateNamespace(scope, `${PREPARE}\n${script}`, 60_000);
}
