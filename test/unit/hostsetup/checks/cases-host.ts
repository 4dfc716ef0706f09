import { MIB } from '../../../../src/common/bytes.js';
import { ruleText } from '../../../../src/hostsetup/nic/bind.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { WEB, pages } from './support.js';
import type { Row } from './support.js';
import { GIB_KB, debian12, fedora20, image, rhel9, withMemory, withPool } from '../systems.js';

/** The system, its hugepages, its kernel. */

const kernel = (release: string, options: string): MemoryHost =>
  debian12().file(`/boot/loader/entries/x-${release}.conf`, `options ${options}\n`);
const SMALL = { sizeKb: 2048, total: 512, nodes: [512] };
const hugetlbfs = (memory: MemoryHost, options = 'pagesize=2M'): MemoryHost =>
  memory.file('/proc/mounts', `none /dev/hugepages hugetlbfs rw,${options} 0 0\n`);
const noModules = (id: string): MemoryHost =>
  debian12()
    .file('/etc/os-release', `ID=${id}\n`)
    .file('/lib/modules/6.1.0-18-amd64/modules.dep', 'kernel/a.ko:\n')
    .file('/lib/modules/6.1.0-18-amd64/modules.builtin', '');
const withBridge = (capabilities: string, numbers: string): MemoryHost =>
  debian12()
    .file('/proc/77/comm', 'vh-cuse-bridge\n')
    .file('/proc/77/status', `Name:\tvh-cuse-bridge\nNSpid:\t${numbers}\nCapEff:\t${capabilities}\n`);
const PAGES_FILE = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';
const vfioImage = (): MemoryHost =>
  image().file('/etc/udev/rules.d/60-vhost-host-0000:03:00.0.rules', ruleText('0000:03:00.0', 'vfio-pci', undefined));
const RESERVE = '| sudo tee /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';

export const HOST_CASES: readonly Row[] = [
  ['a system', {}, 'system ok', /Debian GNU\/Linux 12 \(bookworm\), kernel 6\.1\.0-18-amd64/],
  ['an image', { on: image() }, 'system info', /openSUSE Leap 15\.6, which does not run/],
  [
    'a host that lets nobody look into processes',
    { on: debian12().file('/proc/sys/kernel/yama/ptrace_scope', '3\n') },
    'ptrace warning',
    /ptrace_scope is 3.*reboot/s,
  ],
  ['a bridge', { on: withBridge('ffffffffffffffff', '77') }, 'bridge ok', /process 77, which serves .* may open/],
  [
    'a bridge without rights',
    { on: withBridge('0000000000000002', '77') },
    'bridge error',
    /77 may not open .*: no CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE.*sudo vhost-host start/s,
  ],
  [
    'a bridge in a container',
    { on: withBridge('ffffffffffffffff', '77 5') },
    'bridge error',
    /77, .* PID namespace of its own/,
  ],
  [
    'an image that nothing is set up in',
    { on: image() },
    'image-hugepages warning',
    /nothing reserves any: no file tells .*vhost-host setup --root/s,
  ],
  [
    'an image with a command line that asks for none',
    { on: image().file('/boot/loader/entries/a.conf', 'options root=/dev/sda1 ro\n') },
    'image-hugepages warning',
    /no kernel arguments for them \(\/boot\/loader\/entries\/a\.conf\)/,
  ],
  [
    'an image whose boot loader asks for pages',
    { on: image().file('/boot/loader/entries/a.conf', 'options ro hugepagesz=1G hugepages=0:2,1:2\n') },
    'image-hugepages ok',
    /4 of 1 GiB by \/boot\/loader\/entries\/a\.conf/,
  ],
  [
    'an image of a system whose file is edited by hand',
    { on: image().file('/boot/cmdline.txt', 'hugepages=64\n').file('/boot/config.txt', '') },
    'image-hugepages ok',
    /64 of 2 MiB by \/boot\/cmdline\.txt/,
  ],
  [
    'an image with pages by tmpfiles.d',
    {
      on: image().file('/usr/lib/systemd/systemd', '').file('/etc/tmpfiles.d/a.conf', `w! ${PAGES_FILE} - - - - 32\n`),
    },
    'image-hugepages ok',
    /32 of 2 MiB by \/etc\/tmpfiles\.d\/a\.conf/,
  ],
  [
    'an image with pages by sysctl',
    { on: image().file('/etc/sysctl.d/a.conf', 'vm.nr_hugepages = 16\n') },
    'image-mounts ok',
    /2M at .* by \/etc\/fstab|2M at .* by .*\.mount/,
  ],
  [
    'an image with pages and no mount for them',
    {
      on: image()
        .file('/usr/lib/systemd/systemd', '')
        .file('/etc/tmpfiles.d/a.conf', `w! ${PAGES_FILE.replace('2048', '32768')} - - - - 32\n`),
    },
    'image-mounts warning',
    /nothing mounts a hugetlbfs of 32M/,
  ],
  ['an image with a card for vfio-pci', { on: vfioImage() }, 'image-iommu info', /0000:03:00\.0 .* no file tells/],
  [
    'an image with a card and a command line without the IOMMU',
    { on: vfioImage().file('/boot/loader/entries/a.conf', 'options ro intel_iommu=off\n') },
    'image-iommu warning',
    /no kernel arguments switch the IOMMU on.*--nic 0000:03:00\.0/s,
  ],
  [
    'an image with a card by driverctl and the IOMMU on',
    {
      on: image()
        .file('/etc/driverctl.d/pci-0000:04:00.0', 'vfio-pci\n')
        .file('/boot/loader/entries/a.conf', 'options ro intel_iommu=on,sm_on\n'),
    },
    'image-iommu ok',
    /on for 0000:04:00\.0 by/,
  ],
  ['memory', {}, 'memory-free ok', /12 GiB of 16 GiB/],
  [
    'a starved host',
    { on: withPool(withMemory(debian12(), 16 * GIB_KB, 1000, 2048), SMALL) },
    'memory-free warning',
    /starve.*echo 0 \| sudo tee .*2048kB\/nr_hugepages/s,
  ],
  ['a locked file', { facts: { denied: ['/a', '/b'] } }, 'unreadable info', /\/a and 1 more/],
  ['no hugepages', {}, 'hugepages warning', /none reserved .*2 MiB.*vhost-host setup/s],
  [
    'a kernel without',
    { facts: { pools: { pools: [], defaultPageSize: 0 } } },
    'hugepages warning',
    /no hugepages at all/,
  ],
  ['hugepages', { on: fedora20() }, 'hugepages ok', /8 of 1 GiB, 6 free/],
  ['no spec', { around: { domains: [WEB, WEB] } }, 'hugepages-demand info', /comes to 6 GiB/],
  [
    'enough',
    { on: withPool(debian12(), SMALL), around: { domains: [{ ...WEB, pages: pages(2 * MIB, 512) }] } },
    'hugepages-demand ok',
    /web together need 512 of 2 MiB, 512 are free/,
  ],
  [
    'not for both',
    {
      on: withPool(debian12(), { ...SMALL, free: 400 }),
      around: { domains: ['a', 'b'].map((name) => ({ ...WEB, name, pages: pages(2 * MIB, 300) })) },
    },
    'hugepages-demand warning',
    new RegExp(`a, b together need 600 of 2 MiB, 400 are free.*echo 712 \\${RESERVE}`, 's'),
  ],
  [
    'not for one',
    { on: withPool(debian12(), SMALL), around: { domains: [{ ...WEB, pages: pages(2 * MIB, 513) }] } },
    'hugepages-demand error',
    new RegExp(`web needs 513 of 2 MiB, 512 are free.*echo 513 \\${RESERVE}`, 's'),
  ],
  ['one node without', { on: rhel9() }, 'hugepages-nodes warning', /node 1 has none.*echo 256 .*node1/s],
  [
    'both with',
    { on: withPool(rhel9(), { sizeKb: 2048, total: 8, nodes: [4, 4] }) },
    'hugepages-nodes ok',
    /every node/,
  ],
  ['all of them', { on: fedora20() }, 'hugepages-boot ok', /wanted 8 of 1 GiB, got 8/],
  [
    'fewer',
    { on: withPool(debian12('hugepages=600'), SMALL) },
    'hugepages-boot warning',
    /wanted 600 of 2 MiB, got 512/,
  ],
  ['a size that is not', { on: debian12('hugepagesz=16M hugepages=2') }, 'hugepages-boot error', /no such pages/],
  ['default', {}, 'hugepages-default ok', /2 MiB, as the kernel has it/],
  ['default by name', { on: fedora20() }, 'hugepages-default ok', /1 GiB, by default_hugepagesz=1G/],
  [
    'a hidden size',
    {
      on: withMemory(
        withPool(debian12('default_hugepagesz=1G hugepages=1'), { sizeKb: GIB_KB, total: 1 }),
        9,
        9,
        GIB_KB,
      ),
    },
    'hugepages-default info',
    /leaves none of 2 MiB/,
  ],
  ['a default in vain', { on: debian12('default_hugepagesz=1G') }, 'hugepages-default warning', /did not work/],
  ['1 GiB', {}, 'hugepages-1g ok', /has pages/],
  ['no 1 GiB', { on: debian12().file('/proc/cpuinfo', 'flags : pse\n') }, 'hugepages-1g info', /no pages of 1 GiB/],
  ['a mount', { on: hugetlbfs(withPool(debian12(), SMALL)) }, 'hugetlbfs ok', /2 MiB at \/dev\/hugepages/],
  [
    'no mount of one size',
    { on: fedora20() },
    'hugetlbfs warning',
    /2 MiB is mounted.*-o pagesize=2M none \/dev\/hugepages-2M/s,
  ],
  [
    'no mount and a guest that wants one',
    { around: { domains: [{ ...WEB, pages: pages(2 * MIB, 1) }] } },
    'hugetlbfs error',
    /libvirt needs one.*none \/dev\/hugepages$/s,
  ],
  ['a mount in fstab', { on: fedora20() }, 'hugetlbfs-kept ok', /by \/etc\/fstab/],
  ['a mount by hand', { on: hugetlbfs(debian12()) }, 'hugetlbfs-kept info', /by hand/],
  ['right sizes', { on: image() }, 'hugetlbfs-size ok', /\/mnt\/huge pages with pages of 2 MiB/],
  [
    'the recipe of 2014',
    { on: fedora20() },
    'hugetlbfs-size warning',
    /\/mnt\/huge with pages of 1 GiB.*pagesize=2M was meant/,
  ],
  [
    'another size at work',
    { on: hugetlbfs(fedora20()) },
    'hugetlbfs-size warning',
    /1 GiB, and mounted now is one of 2 MiB/,
  ],
  [
    'a size the kernel has not',
    { on: debian12().file('/etc/fstab', 'x /mnt hugetlbfs pagesize=1G 0 0\n') },
    'hugetlbfs-size error',
    /cannot be mounted/,
  ],
  ['a reboot', { on: rhel9() }, 'reboot-pending warning', /next boot has hugepagesz=1G hugepages=4 .*sudo reboot/s],
  ['no reboot', { on: kernel('6.1.0-18-amd64', 'root=x quiet') }, 'reboot-pending ok', /runs with what/],
  ['a module in the kernel', {}, 'module-tun ok', /built-in/],
  ['a module at hand', {}, 'module-cuse info', /modprobe cuse/],
  ['another', {}, 'module-vfio-pci info', /modprobe vfio-pci/],
  ['a loaded one', { on: rhel9() }, 'module-vfio-pci ok', /loaded/],
  ['a second', { on: rhel9() }, 'module-cuse ok', /loaded/],
  ['Fedora without', { on: noModules('fedora') }, 'module-cuse warning', /dnf install kernel-modules-extra/],
  ['Debian without', { on: noModules('debian') }, 'module-tun warning', /linux-image-amd64/],
  ['another without', { on: noModules('arch') }, 'module-vfio-pci warning', /a kernel with the module/],
  [
    'no list of modules',
    { on: debian12().file('/proc/sys/kernel/osrelease', 'custom\n') },
    'module-tun info',
    /modules are not here/,
  ],
  ['an IOMMU', { on: rhel9() }, 'iommu ok', /2 groups/],
  ['none', {}, 'iommu info', /only a network card/],
  ['one that is off', { on: debian12().file('/sys/firmware/acpi/tables/DMAR', '') }, 'iommu info', /off;.*setup/s],
  ['one that was asked for', { on: debian12('intel_iommu=on') }, 'iommu warning', /in spite of intel_iommu=on/],
];
