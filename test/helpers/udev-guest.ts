import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Guest, initramfs } from './guest.js';
import { root, tempDir } from './paths.js';
import type { Scope } from './scope.js';

/** A guest in which Debian's own udev runs, with an IOMMU, drivers for user space, and a network card at `CARD`. */

export const CARD = '0000:00:05.0';

const MODULES = ['vfio-pci', 'uio_pci_generic'];
/** Paths below the modules' directory, each after those that it needs. */
function moduleOrder(dir: string): string[] {
  const needs = new Map(
    readFileSync(join(dir, 'modules.dep'), 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([path = '', rest = '']) => [path, rest.trim().split(/\s+/).filter(Boolean)] as const),
  );
  const visit = (path: string): string[] => [...(needs.get(path) ?? []).flatMap(visit), path];
  const wanted = [...needs.keys()].filter((path) => MODULES.includes(basename(path, '.ko')));
  return [...new Set(wanted.flatMap(visit))];
}

/** Files of this system that the guest gets at the same place: udev, and the libraries it is linked to. */
function udevFiles(): string[] {
  const listed = execFileSync('ldd', ['/bin/udevadm'], { encoding: 'utf8' });
  const libraries = [...listed.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => path ?? []);
  return ['/bin/udevadm', '/lib/udev/rules.d/80-drivers.rules', ...libraries];
}

/** The tests' file system for guests, and udev with its modules behind it: the kernel unpacks one after the other. */
async function packInitramfs(scope: Scope): Promise<{ archive: string; modules: readonly string[] }> {
  const work = await tempDir(scope);
  const [staging, archive] = [join(work, 'extra'), join(work, 'initramfs')];
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(join(staging, to)), { recursive: true });
    cpSync(realpathSync(from), join(staging, to));
  };
  for (const path of udevFiles()) put(path, path);
  const versions = join(root, 'build/guest/kernel/lib/modules');
  const dir = join(versions, readdirSync(versions)[0] ?? '');
  const modules = moduleOrder(dir);
  for (const path of modules) put(join(dir, path), `/modules/${basename(path)}`);
  const names = execFileSync('find', ['.', '-mindepth', '1'], { cwd: staging });
  const packed = execFileSync('cpio', ['-o', '--quiet', '-H', 'newc', '-R', '0:0'], {
    cwd: staging,
    input: names,
    maxBuffer: 2 ** 27,
  });
  copyFileSync(initramfs, archive);
  appendFileSync(archive, packed);
  return { archive, modules: modules.map((path) => basename(path)) };
}

/** Up, with udev running and the drivers for user space loaded; the card is its kernel driver's. */
export async function bootUdevGuest(scope: Scope): Promise<Guest> {
  const { archive, modules } = await packInitramfs(scope);
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
