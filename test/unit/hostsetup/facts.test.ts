import { strict as assert } from 'node:assert';
import { bootPairs } from '../../../src/hostsetup/kernel/hugepage-pairs.js';
import { Look } from '../../../src/host/tolerant-reader.js';
import { vmdqOf } from '../../../src/hostsetup/nic/read.js';
import { parseOsRelease } from '../../../src/hostsetup/kernel/system-facts.js';
import { readHostFacts } from '../../../src/hostsetup/facts/index.js';
import type { HostFacts } from '../../../src/hostsetup/facts/index.js';
import { rootedHost } from '../../../src/host/chroot-host.js';
import { GIB, KIB, MIB } from '../../../src/common/bytes.js';
import type { MemoryHost } from '../host/memory-host.js';
import { arm64, debian12, fedora20, image, rhel9 } from './systems.js';

const facts = (memory: MemoryHost): Promise<HostFacts> => readHostFacts(new Look(memory.host));

describe('facts about a host', () => {
  it('Debian 12 as it is installed', async () => {
    const { system, pools, modules, iommu, nics, boot, mounts, leftovers, denied } = await facts(debian12());
    assert.deepEqual(system.distribution, {
      id: 'debian',
      family: ['debian'],
      version: '12',
      title: 'Debian GNU/Linux 12 (bookworm)',
    });
    assert.equal(system.kernel, '6.1.0-18-amd64');
    assert.deepEqual(system.memory, { total: 16 * GIB, available: 12 * GIB });
    assert.deepEqual(system.nodes, [{ node: 0, total: 8 * GIB, free: 4 * GIB }]);
    assert.deepEqual([pools.defaultPageSize, pools.pools.map(({ pageSize }) => pageSize)], [2 * MIB, [2 * MIB]]);
    assert.deepEqual(
      [...modules],
      [
        ['vfio-pci', 'available'],
        ['cuse', 'available'],
        ['tun', 'built-in'],
      ],
    );
    assert.deepEqual(
      [iommu, nics, boot, mounts, leftovers.files],
      [{ groups: 0, inFirmware: false }, [], undefined, { mounted: [], kept: [] }, []],
    );
    assert.deepEqual(denied, []);
  });

  it('Fedora 20 after the recipe of 2014', async () => {
    const { system, pools, mounts } = await facts(fedora20());
    assert.deepEqual(system.distribution.title, 'Fedora 20 (Heisenbug)');
    assert.deepEqual(
      pools.pools.map(({ pageSize, total, free }) => [pageSize, total, free]),
      [
        [GIB, 8, 6],
        [2 * MIB, 256, 256],
      ],
    );
    assert.deepEqual(mounts.mounted, [{ path: '/dev/hugepages', pageSize: GIB }]);
    assert.deepEqual(
      mounts.kept.map(({ path, pageSize }) => [path, pageSize]),
      [
        ['/dev/hugepages', GIB],
        ['/mnt/huge', GIB],
      ],
    );
    assert.deepEqual(bootPairs(system.arguments, 2 * MIB), [
      { pageSize: GIB, pages: 8 },
      { pageSize: 2 * MIB, pages: 256 },
    ]);
  });

  it('RHEL 9 with two nodes, cards, bridges and a boot entry', async () => {
    const { system, nics, iommu, modules, boot } = await facts(rhel9());
    assert.deepEqual(system.distribution.family, ['rhel', 'fedora']);
    assert.deepEqual(
      system.nodes.map(({ node }) => node),
      [0, 1],
    );
    assert.equal(iommu.groups, 2);
    assert.equal(modules.get('vfio-pci'), 'loaded');
    assert.deepEqual(boot?.arguments, ['hugepagesz=1G', 'hugepages=4']);
    assert.deepEqual(
      nics.map(({ address, driver, interfaces, node, uses, vmdq }) => [address, driver, interfaces, node, uses, vmdq]),
      [
        ['0000:03:00.0', 'ixgbe', ['ens3f0'], 1, [], 'yes'],
        ['0000:03:00.1', 'vfio-pci', [], undefined, [], 'unknown'],
        [
          '0000:04:00.0',
          'igb',
          ['eno1'],
          undefined,
          ['an IPv6 address on br0', 'a route on br0.5', 'the default route on br0.5'],
          'yes',
        ],
        ['0000:05:00.0', 'virtio-pci', ['eth9'], undefined, [], 'no'],
      ],
    );
  });

  it('arm64 has the page sizes that its kernel tells of', async () => {
    const { pools, system } = await facts(arm64());
    assert.deepEqual(
      pools.pools.map(({ pageSize }) => pageSize),
      [16 * GIB, 32 * MIB, 2 * MIB, 64 * KIB],
    );
    assert.equal(system.cpuFlags.size, 0);
  });

  it('an image that does not run, whose mounts are in fstab and in units', async () => {
    const { system, mounts } = await facts(image());
    assert.equal(system.kernel, undefined);
    assert.deepEqual(
      mounts.kept.map(({ path, pageSize }) => [path, pageSize]),
      [
        ['/mnt/huge pages', 2 * MIB],
        ['/dev/big', GIB],
        ['/dev/hugepages', 2 * MIB],
      ],
    );
  });

  it('a masked unit hides the one that it masks', async () => {
    const masked = image().file('/etc/systemd/system/dev-hugepages.mount', '');
    assert.ok(!(await facts(masked)).mounts.kept.some(({ path }) => path === '/dev/hugepages'));
  });

  it('below a root they are those of that system, and a link in it does not lead out', async () => {
    const outer = debian12();
    for (const [path, entry] of fedora20().entries) outer.entries.set(path === '/' ? '/mnt' : `/mnt${path}`, entry);
    outer.link('/mnt/etc/fstab', '/srv/fstab');
    outer.file('/srv/fstab', 'none /out hugetlbfs pagesize=2M 0 0\n');
    outer.file('/mnt/srv/fstab', 'none /in hugetlbfs pagesize=2M 0 0\n');
    const { system, pools, mounts, denied } = await readHostFacts(new Look(rootedHost(outer.host, '/mnt')));
    assert.equal(system.distribution.id, 'fedora');
    assert.equal(pools.pools.length, 2);
    assert.deepEqual([mounts.kept.map(({ path }) => path), denied], [['/in'], []]);
  });

  it('files that may not be read are named, and stop nothing', async () => {
    const memory = debian12();
    const refuse = (path: string): Promise<string | undefined> =>
      path === '/proc/cmdline'
        ? Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' }))
        : memory.host.readOptional(path);
    const read = await readHostFacts(new Look({ ...memory.host, readOptional: refuse }));
    assert.deepEqual([read.denied, read.system.arguments], [['/proc/cmdline'], []]);
    assert.equal(read.system.distribution.id, 'debian');
  });

  it('the arguments of the next boot, from entries, from grub.cfg, and not from what GRUB completes', async () => {
    const release = '6.1.0-18-amd64';
    const grub = `set default="x"\nmenuentry 'old' {\n\tlinux /vmlinuz-5.10 ro hugepages=1\n}\nmenuentry 'x' {\n\tlinux\t/boot/vmlinuz-${release} root=/dev/sda1 ro quiet hugepages=7 iommu=pt\n}\n`;
    const byGrub = await facts(debian12().file('/boot/grub/grub.cfg', grub));
    assert.deepEqual(byGrub.boot, { source: '/boot/grub/grub.cfg', arguments: ['hugepages=7', 'iommu=pt'] });
    const completed = debian12().file(`/boot/loader/entries/m-${release}.conf`, 'options $kernelopts $tuned_params\n');
    assert.equal((await facts(completed)).boot, undefined);
    const block = 'kernelopts=root=/dev/sda ro hugepages=3\ntuned_params=iommu=pt\n';
    const known = (await facts(completed.file('/boot/efi/EFI/redhat/grubenv', block))).boot;
    assert.deepEqual(known?.arguments, ['hugepages=3', 'iommu=pt']);
  });

  it('of several kernels the one that runs, of several deployments the newest', async () => {
    const release = '6.1.0-18-amd64';
    const entry = (name: string, pages: number): [string, string] => [
      `/boot/loader/entries/${name}.conf`,
      `linux /x/vmlinuz-${release}\noptions ro hugepages=${pages}\n`,
    ];
    const memory = debian12().file('/etc/default/grub', 'GRUB_ENABLE_BLSCFG=true\n');
    for (const one of [entry('ostree-1', 1), entry('ostree-2', 2)]) memory.file(...one);
    assert.deepEqual((await facts(memory)).boot?.arguments, ['hugepages=2']);
    for (const one of [entry(`m-${release}`, 3), entry(`m-${release}+debug`, 4)]) memory.file(...one);
    assert.deepEqual((await facts(memory)).boot?.arguments, ['hugepages=3']);
  });

  it('where GRUB makes the menu, entries that are left from before count for nothing', async () => {
    const release = '6.1.0-18-amd64';
    const memory = debian12()
      .file(`/boot/loader/entries/m-${release}.conf`, 'options hugepages=3\n')
      .file('/usr/sbin/update-grub', '')
      .file('/etc/default/grub', '')
      .file('/boot/grub/grub.cfg', `menuentry x {\n\tlinux /boot/vmlinuz-${release} ro hugepages=7\n}\n`);
    assert.deepEqual((await facts(memory)).boot, { source: '/boot/grub/grub.cfg', arguments: ['hugepages=7'] });
  });

  it('hugepage files that nobody has mapped, and those that somebody has', async () => {
    const mount = 'none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n';
    const page = 'x'.repeat(10);
    const memory = debian12()
      .file('/proc/mounts', mount)
      .file('/dev/hugepages/rtemap_0', page)
      .file('/dev/hugepages/libvirt/qemu/3-web/qemu_back_mem.x', page)
      .file('/dev/hugepages/empty', '')
      .file('/proc/self/maps', '')
      .file('/proc/12/maps', '7f00-7f20 rw-s 00000000 00:2f 77    /mnt/elsewhere/rtemap_0\n7f20-7f30 r--p 0 0:0 0\n');
    const { leftovers } = await facts(memory);
    assert.deepEqual(leftovers, {
      files: [{ path: '/dev/hugepages/libvirt/qemu/3-web/qemu_back_mem.x', bytes: 10 }],
      uncertain: false,
    });
  });
});

describe('what facts are read out of', () => {
  it('os-release: quotes, escapes, comments', () => {
    const text = '# x\nNAME="A \\"B\\""\nID=\'c\'\nVERSION_ID=1.2\nbad line\n';
    assert.deepEqual(
      [...parseOsRelease(text)],
      [
        ['NAME', 'A "B"'],
        ['ID', 'c'],
        ['VERSION_ID', '1.2'],
      ],
    );
  });

  it('kernel command lines: blanks between quotes', () => {});

  it('pairs of sizes and numbers: by position, by node, for the default', () => {
    const pairs = (line: string): unknown => bootPairs(line.split(' '), 2 * MIB).map((p) => [p.pageSize, p.pages]);
    assert.deepEqual(pairs('quiet'), []);
    assert.deepEqual(pairs('hugepages=5'), [[2 * MIB, 5]]);
    assert.deepEqual(pairs('hugepages=2 default_hugepagesz=1G'), [[GIB, 2]]);
    assert.deepEqual(pairs('hugepagesz=1G hugepages=0:2,1:3 hugepagesz=2M hugepages=9'), [
      [GIB, 5],
      [2 * MIB, 9],
    ]);
    // What the kernel ignores with a warning: a second number, and a second turn of the same size.
    assert.deepEqual(pairs('hugepagesz=2M hugepages=1 hugepages=4'), [[2 * MIB, 1]]);
    assert.deepEqual(pairs('hugepagesz=1GB hugepages=8 hugepagesz=2M hugepagesz=1024M hugepages=16'), [[GIB, 8]]);
    assert.deepEqual(pairs('default_hugepagesz=0x40000000 hugepages=3 default_hugepagesz=2M hugepages=9'), [[GIB, 3]]);
  });

  it('VMDQ by driver, and of igb by card', () => {
    assert.equal(vmdqOf('igb', '8086:1533'), 'no');
    assert.equal(vmdqOf('igb', '8086:10c9'), 'yes');
    assert.equal(vmdqOf('vfio-pci', '8086:10c9'), 'yes');
    assert.equal(vmdqOf('mlx5_core', '15b3:1017'), 'no');
    assert.equal(vmdqOf(undefined, '14e4:1'), 'unknown');
  });
});
