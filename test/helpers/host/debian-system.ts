/**
 * For a script in a private namespace: a Debian below `$system`, which is the present directory then. Its programs are
 * this machine's, and it lies on a disk of its own, because GRUB asks what disk the root file system is on. All of it is
 * gone with the mount namespace; the loop device goes with its mount.
 */
export const DEBIAN = `
system=$work/system
mkdir "$system"
truncate -s 64M "$work/disk"
mkfs.ext4 -q "$work/disk"
mount -o loop "$work/disk" "$system"
cd "$system"
mkdir -p proc dev sys tmp usr boot/grub etc/default/grub.d var/lib
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$dir"; done
mount --rbind /usr usr
mount -t tmpfs none dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/loop* dev/
mount -t proc none proc
cp -a /etc/grub.d /etc/os-release /etc/passwd /etc/group etc/
# Whoever runs QEMU on this machine is nobody there: mounts would be given to that group.
sed -i '/^libvirt-qemu:/d; /^qemu:/d' etc/passwd
cp /usr/share/grub/default/grub etc/default/grub
# GRUB gives a system whose disk is a file no kernels.
echo GRUB_DEVICE=/dev/vda1 > etc/default/grub.d/00-disk.cfg
echo kernel > boot/vmlinuz-6.1.0-1-amd64
echo initrd > boot/initrd.img-6.1.0-1-amd64
linux() { sed -n 's/^[[:space:]]*linux[[:space:]]*[^ ]* root=[^ ]* //p' boot/grub/grub.cfg | sed 's/ *$//'; }
state() {
  find etc boot var -printf '%p %m %U:%G %l\\n' | sort
  find etc boot var -type f -exec sha256sum {} + | sort
}
`;
