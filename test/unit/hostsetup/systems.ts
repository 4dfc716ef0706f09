import { MemoryHost } from '../host/memory-host.js';

/** Hosts as trees of files, made of the parts that a test is about. */

export const GIB_KB = 1_048_576;

export interface FakePool {
  readonly sizeKb: number;
  readonly total: number;
  readonly free?: number;
  /** Pages of each NUMA node, in order. */
  readonly nodes?: readonly number[];
}

export function withPool(memory: MemoryHost, { sizeKb, total, free = total, nodes = [] }: FakePool): MemoryHost {
  const name = `hugepages-${sizeKb}kB`;
  const put = (dir: string, count: number, spare: number): void => {
    memory.file(`${dir}/nr_hugepages`, `${count}\n`).file(`${dir}/free_hugepages`, `${spare}\n`);
  };
  put(`/sys/kernel/mm/hugepages/${name}`, total, free);
  memory.file(`/sys/kernel/mm/hugepages/${name}/resv_hugepages`, '0\n');
  nodes.forEach((count, node) => put(`/sys/devices/system/node/node${node}/hugepages/${name}`, count, count));
  return memory;
}

export function withNode(memory: MemoryHost, node: number, totalKb = 8 * GIB_KB, freeKb = 4 * GIB_KB): MemoryHost {
  const text = `Node ${node} MemTotal:  ${totalKb} kB\nNode ${node} MemFree:   ${freeKb} kB\n`;
  return memory.file(`/sys/devices/system/node/node${node}/meminfo`, text);
}

export interface FakeNic {
  readonly address: string;
  readonly id: string;
  readonly driver?: string;
  readonly interfaces?: readonly string[];
  readonly node?: number;
  /** Of virtio: the interfaces are those of the device inside. */
  readonly inner?: string;
}

export function withNic(memory: MemoryHost, nic: FakeNic): MemoryHost {
  const device = `/sys/bus/pci/devices/${nic.address}`;
  const [vendor = '', number = ''] = nic.id.split(':');
  memory.file(`${device}/class`, '0x020000\n').file(`${device}/vendor`, `0x${vendor}\n`);
  memory.file(`${device}/device`, `0x${number}\n`).file(`${device}/numa_node`, `${nic.node ?? -1}\n`);
  if (nic.driver !== undefined) {
    memory.dir(`/sys/bus/pci/drivers/${nic.driver}`).link(`${device}/driver`, `/sys/bus/pci/drivers/${nic.driver}`);
  }
  const place = nic.inner === undefined ? device : `${device}/${nic.inner}`;
  for (const name of nic.interfaces ?? []) memory.dir(`${place}/net/${name}`).dir(`/sys/class/net/${name}`);
  return memory;
}

const ROUTE_HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';

/** Routes as `[interface, destination, mask]` in the kernel's hexadecimal. */
export function withRoutes(memory: MemoryHost, ...routes: readonly (readonly [string, string, string])[]): MemoryHost {
  const lines = routes.map(([name, to, mask]) => `${name}\t${to}\t0102A8C0\t0003\t0\t0\t0\t${mask}\t0\t0\t0\n`);
  return memory.file('/proc/net/route', ROUTE_HEAD + lines.join(''));
}

/** The least of a system that runs: one node, 16 GiB, a processor of today, 2 MiB pages none of which is reserved. */
function running(memory: MemoryHost, release: string, cmdline: string): MemoryHost {
  memory
    .file('/proc/sys/kernel/osrelease', `${release}\n`)
    .file('/proc/cmdline', `${cmdline}\n`)
    .file('/proc/cpuinfo', 'processor\t: 0\nflags\t\t: fpu pse msr pdpe1gb sse2\n')
    .file('/proc/modules', '')
    .file('/proc/mounts', 'sysfs /sys sysfs rw 0 0\n')
    .file(`/lib/modules/${release}/modules.builtin`, 'kernel/drivers/net/tun.ko\n')
    .file(
      `/lib/modules/${release}/modules.dep`,
      'kernel/fs/fuse/cuse.ko.xz: kernel/fs/fuse/fuse.ko.xz\nkernel/drivers/vfio/pci/vfio-pci.ko.xz:\n',
    );
  withMemory(memory, 16 * GIB_KB, 12 * GIB_KB, 2048);
  return withPool(withNode(memory, 0), { sizeKb: 2048, total: 0, nodes: [0] });
}

export function withMemory(memory: MemoryHost, totalKb: number, availableKb: number, pageKb: number): MemoryHost {
  const lines = [`MemTotal:  ${totalKb} kB`, `MemAvailable:  ${availableKb} kB`, `Hugepagesize:  ${pageKb} kB`];
  return memory.file('/proc/meminfo', `${lines.join('\n')}\n`);
}

export function debian12(cmdline = 'BOOT_IMAGE=/boot/vmlinuz-6.1.0-18-amd64 root=UUID=1 ro quiet'): MemoryHost {
  const memory = new MemoryHost({
    '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
  });
  return running(memory, '6.1.0-18-amd64', cmdline);
}

/** As the recipe of 2014 leaves it: both mounts with pages of 1 GiB, one of which was meant to have 2 MiB. */
export function fedora20(): MemoryHost {
  const arguments_ = 'default_hugepagesz=1G hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=256';
  const memory = new MemoryHost({
    '/etc/os-release': "NAME=Fedora\nVERSION_ID=20\nID=fedora\nPRETTY_NAME='Fedora 20 (Heisenbug)'\n",
    '/etc/fstab':
      '# <file system>\nhugetlbfs /dev/hugepages hugetlbfs pagesize=1G 0 0\nnodev /mnt/huge hugetlbfs pagesize=1GB 0 0\n',
  });
  running(memory, '3.11.10-301.fc20.x86_64', `BOOT_IMAGE=/vmlinuz ro ${arguments_} rhgb`);
  withMemory(memory, 16 * GIB_KB, 3 * GIB_KB, GIB_KB);
  withPool(memory, { sizeKb: GIB_KB, total: 8, free: 6, nodes: [8] });
  memory.file('/proc/mounts', 'hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=1024M 0 0\n');
  return withPool(memory, { sizeKb: 2048, total: 256, nodes: [256] });
}

/** Two nodes, an IOMMU, cards of several kinds, entries for the boot loader. */
export function rhel9(): MemoryHost {
  const kernel = '5.14.0-427.el9.x86_64';
  const memory = new MemoryHost({
    '/usr/lib/os-release': 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n',
    [`/boot/loader/entries/abc-${kernel}.conf`]: `title RHEL\noptions root=/dev/sda ro hugepagesz=1G hugepages=4\n`,
  }).link('/etc/os-release', '/usr/lib/os-release');
  running(memory, kernel, 'root=/dev/sda ro');
  withNode(withPool(memory, { sizeKb: 2048, total: 512, nodes: [512, 0] }), 1);
  memory.dir('/sys/kernel/iommu_groups/0').dir('/sys/kernel/iommu_groups/1');
  memory.file('/proc/modules', 'vfio_pci 16384 0 - Live 0x0\ncuse 1 0 - Live 0x0\n');
  withNic(memory, { address: '0000:03:00.0', id: '8086:10fb', driver: 'ixgbe', interfaces: ['ens3f0'], node: 1 });
  withNic(memory, { address: '0000:03:00.1', id: '8086:10fb', driver: 'vfio-pci' });
  withNic(memory, { address: '0000:04:00.0', id: '8086:1521', driver: 'igb', interfaces: ['eno1'] });
  withNic(memory, {
    address: '0000:05:00.0',
    id: '1af4:1000',
    driver: 'virtio-pci',
    interfaces: ['eth9'],
    inner: 'virtio3',
  });
  memory.file('/sys/bus/pci/devices/0000:00:1f.2/class', '0x010601\n');
  memory.dir('/sys/class/net/eno1/upper_br0').dir('/sys/class/net/br0/upper_br0.5').dir('/sys/class/net/br0.5');
  withRoutes(memory, ['br0.5', '00000000', '00000000'], ['br0.5', '0002A8C0', '00FFFFFF']);
  return memory.file(
    '/proc/net/if_inet6',
    [
      'fe80000000000000021122fffe334455 02 40 20 80   ens3f0',
      '20010db8000000000000000000000001 03 40 00 80      br0\n',
    ].join('\n'),
  );
}

/** Pages of 64 KiB, 2 MiB, 32 MiB and 16 GiB; no flags in /proc/cpuinfo. */
export function arm64(): MemoryHost {
  const memory = running(
    new MemoryHost({ '/etc/os-release': 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n' }),
    '6.8.0-31-generic',
    'quiet',
  );
  memory.file('/proc/cpuinfo', 'processor\t: 0\nFeatures\t: fp asimd\n');
  for (const sizeKb of [64, 32_768, 16 * GIB_KB]) withPool(memory, { sizeKb, total: 0, nodes: [0] });
  return memory;
}

/** A mounted image: no /proc, no /sys. */
export function image(): MemoryHost {
  return new MemoryHost({
    '/etc/os-release': 'ID=opensuse-leap\nID_LIKE="suse opensuse"\nPRETTY_NAME="openSUSE Leap 15.6"\n',
    '/etc/fstab': '/dev/sda1 / ext4 defaults 0 1\nnone /mnt/huge\\040pages hugetlbfs mode=0770,pagesize=2M 0 0\n',
    '/usr/lib/systemd/system/dev-hugepages.mount': '[Mount]\nWhat=hugetlbfs\nWhere=/dev/hugepages\nType=hugetlbfs\n',
    '/etc/systemd/system/dev-big.mount': '[Mount]\nWhere=/dev/big\nType=hugetlbfs\nOptions=mode=1770,pagesize=1G\n',
    '/usr/lib/systemd/system/tmp.mount': '[Mount]\nWhere=/tmp\nType=tmpfs\n',
  });
}
