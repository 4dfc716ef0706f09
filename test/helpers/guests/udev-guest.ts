import { packImage, librariesOf } from './guest-image.js';
import { Guest } from './guest.js';
import type { Scope } from '../scope.js';

/** A guest in which Debian's own udev runs, with an IOMMU, drivers for user space, and a network card at `CARD`. */

export const CARD = '0000:00:05.0';

/** Files of this system that the guest gets at the same place: udev, and the libraries it is linked to. */
function udevFiles(): string[] {
  return ['/bin/udevadm', '/lib/udev/rules.d/80-drivers.rules', ...librariesOf('/bin/udevadm')];
}

/** Up, with udev running and the drivers for user space loaded; the card is its kernel driver's. */
export async function bootUdevGuest(scope: Scope): Promise<Guest> {
  const { archive, modules } = await packImage(scope, {
    files: udevFiles().map((path) => [path, path]),
    modules: ['vfio-pci', 'uio_pci_generic'],
  });
  const card = ['-netdev', 'user,id=n0,restrict=on', '-device', 'virtio-net-pci,netdev=n0,addr=05.0,romfile='];
  const guest = await Guest.boot(scope, {
    name: 'udev',
    command: 'qemu-system-x86_64',
    args: ['-machine', 'q35', '-m', '256', '-device', 'intel-iommu', ...card],
    append: 'intel_iommu=on iommu=pt',
    initramfs: archive,
  });
  for (const module of modules) await guest.sh(`insmod /modules/${module}`);
  await guest.sh('mkdir -p /run /etc/udev/rules.d /var/lib && ln -s /bin/udevadm /bin/systemd-udevd');
  await guest.sh('systemd-udevd --daemon');
  return guest;
}
