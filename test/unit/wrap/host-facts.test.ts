import { deepEqual, equal, rejects, throws } from 'node:assert/strict';
import type { Host } from '../../../src/host.js';
import { DEFAULTS, parseConfig, readConfig } from '../../../src/wrap/config.js';
import { readFacts } from '../../../src/wrap/facts.js';

const MIB = 2 ** 20;

/** A host that consists of some files; whatever else is asked of it is a mistake. */
function hostOf(files: Readonly<Record<string, string>>): Host {
  const has = (path: string): boolean =>
    Object.keys(files).some((file) => file === path || file.startsWith(`${path}/`));
  return {
    readOptional: (path: string) => Promise.resolve(files[path]),
    read: (path: string) => {
      const text = files[path];
      return text === undefined ? Promise.reject(new Error(`ENOENT: ${path}`)) : Promise.resolve(text);
    },
    list: (path: string) => {
      const below = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      return Promise.resolve([...new Set(below.map((file) => file.slice(path.length + 1).split('/')[0] ?? ''))]);
    },
    realpath: (path: string) => Promise.resolve(has(path) ? path : undefined),
  } as unknown as Host;
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
    const facts = await readFacts(host, []);
    deepEqual(facts.pools, [
      { pageSize: 1024 * MIB, free: 2, total: 2 },
      { pageSize: 2 * MIB, free: 70, total: 120 },
    ]);
    equal(facts.defaultPageSize, 1024 * MIB);
  });

  it('a kernel without hugepages has none', async () => {
    const { pools, defaultPageSize } = await readFacts(hostOf({}), []);
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
    const { filesystems } = await readFacts(host, [...paths, '/mnt/hidden', '/dev/hugepagesX']);
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

describe('configuration of qemu-wrap', () => {
  const refused = (text: string, message: RegExp): void => {
    throws(() => parseConfig(text, '/etc/x.json'), { code: 'CONFIG_INVALID', message });
  };

  it('has defaults for everything', async () => {
    deepEqual(parseConfig('{}', 'x'), DEFAULTS);
    deepEqual(await readConfig(hostOf({}), ''), DEFAULTS);
    equal(parseConfig('{"autostart":"off"}', 'x').autostart, 'off');
  });

  it('refuses misspelt keys and wrong values by name', () => {
    refused('{"emulater":"/usr/bin/q"}', /^\/etc\/x\.json: unknown key "emulater"; known are emulator, /);
    refused('{"emulator":"qemu"}', /"emulator" must be an absolute path/);
    refused('{"autostart":true}', /"autostart" must be one of auto, on, off/);
    refused('{"hugepages":"always"}', /"hugepages" must be one of auto, on, off/);
    refused('{"vhostOptions":"-S"}', /"vhostOptions" must be a list of strings/);
    refused('{"options":[1]}', /"options" must be a list of strings/);
    refused('[]', /one JSON object/);
    refused('{', /not JSON/);
  });

  it('a file that was named must be there', async () => {
    await rejects(readConfig(hostOf({}), '/etc/none.json'), {
      code: 'CONFIG_INVALID',
      message: /none\.json cannot be/,
    });
  });
});
