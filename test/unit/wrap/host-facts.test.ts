import { deepEqual, equal } from 'node:assert/strict';
import { readFacts } from '../../../src/wrap/memory/facts.js';
import type { FactsHost } from '../../../src/wrap/memory/facts.js';

const MIB = 2 ** 20;

/** A host that consists of some files; whatever else is asked of it is a mistake. */
function hostOf(files: Readonly<Record<string, string>>, kvm = false): FactsHost {
  const has = (path: string): boolean =>
    Object.keys(files).some((file) => file === path || file.startsWith(`${path}/`));
  return {
    readOptional: (path: string) => Promise.resolve(files[path]),
    readBytes: (path: string) => Promise.reject(new Error(path)),
    list: (path: string) => {
      const below = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      return Promise.resolve([...new Set(below.map((file) => file.slice(path.length + 1).split('/')[0] ?? ''))]);
    },
    realpath: (path: string) => Promise.resolve(has(path) ? path : undefined),
    stat: (path: string) => {
      equal(path, '/dev/kvm');
      return Promise.resolve(kvm ? { kind: 'character', mode: 0o660, uid: 0, gid: 0, size: 0, ctimeMs: 0 } : undefined);
    },
  };
}

const POOLS = '/sys/kernel/mm/hugepages';
const MOUNTS = [
  'rootfs / ext4 rw 0 0',
  'hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0',
  'huge /mnt/huge\\0401G hugetlbfs rw,pagesize=1024M 0 0',
  'tmpfs /dev/shm tmpfs rw 0 0',
  'tmpfs /mnt/hidden tmpfs rw 0 0',
  'again /mnt/hidden ext4 rw 0 0',
].join('\n');

describe('facts about the host', () => {
  it('hugepages count when they are neither used nor promised', async () => {
    const host = hostOf({
      [`${POOLS}/hugepages-2048kB/free_hugepages`]: '100\n',
      [`${POOLS}/hugepages-2048kB/resv_hugepages`]: '30\n',
      [`${POOLS}/hugepages-2048kB/nr_hugepages`]: '120\n',
      [`${POOLS}/hugepages-1048576kB/free_hugepages`]: '2\n',
      [`${POOLS}/hugepages-1048576kB/nr_hugepages`]: '2\n',
      '/proc/meminfo': 'MemTotal: 1 kB\nHugepagesize:    1048576 kB\n',
    });
    const facts = await readFacts(host, [], undefined);
    deepEqual(facts.pools, [
      { pageSize: 1024 * MIB, free: 2, total: 2, onDemand: 0, nodes: new Map() },
      { pageSize: 2 * MIB, free: 70, total: 120, onDemand: 0, nodes: new Map() },
    ]);
    equal(facts.defaultPageSize, 1024 * MIB);
  });

  it('counts the hugepages of each NUMA node', async () => {
    const node = (n: number) => `/sys/devices/system/node/node${n}/hugepages/hugepages-2048kB`;
    const host = hostOf({
      [`${POOLS}/hugepages-2048kB/free_hugepages`]: '9',
      [`${POOLS}/hugepages-2048kB/nr_hugepages`]: '12',
      [`${node(0)}/free_hugepages`]: '2',
      [`${node(0)}/nr_hugepages`]: '5',
      [`${node(10)}/free_hugepages`]: '7',
      [`${node(10)}/nr_hugepages`]: '7',
      '/sys/devices/system/node/possible': '0,10',
    });
    const { pools } = await readFacts(host, [], undefined);
    deepEqual(
      pools[0]?.nodes,
      new Map([
        [0, { free: 2, total: 5 }],
        [10, { free: 7, total: 7 }],
      ]),
    );
  });

  it('knows whether there is hardware virtualisation', async () => {
    deepEqual(
      [(await readFacts(hostOf({}), [], undefined)).kvm, (await readFacts(hostOf({}, true), [], undefined)).kvm],
      [false, true],
    );
  });

  it('a kernel without hugepages has none', async () => {
    const { pools, defaultPageSize } = await readFacts(hostOf({}), [], undefined);
    deepEqual([pools, defaultPageSize], [[], 2 * MIB]);
  });

  it('a memory path is what the nearest mount above it is', async () => {
    const here = { '/dev/shm/x': '', '/var/tmp/x': '', '/mnt/hidden/x': '', '/dev/hugepages/x': '' };
    const host = hostOf({ '/proc/self/mounts': MOUNTS, ...here });
    const paths = [
      '/dev/hugepages',
      '/dev/hugepages/libvirt/qemu/1',
      '/mnt/huge 1G',
      '/dev/shm',
      '/var/tmp',
      '/nowhere',
    ];
    const { filesystems } = await readFacts(host, [...paths, '/mnt/hidden', '/dev/hugepagesX'], undefined);
    deepEqual(
      [...filesystems.values()],
      [
        { kind: 'hugetlbfs', pageSize: 2 * MIB },
        { kind: 'hugetlbfs', pageSize: 2 * MIB },
        { kind: 'hugetlbfs', pageSize: 1024 * MIB },
        { kind: 'memory' },
        { kind: 'other' },
        { kind: 'missing' },
        { kind: 'other' },
        { kind: 'missing' },
      ],
    );
  });
});
