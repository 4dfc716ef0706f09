import { equal, match, throws } from 'node:assert/strict';
import type { Config } from '../../../src/wrap/config/keys.js';
import { poolOf, wrapIn, wrapLine } from './support.js';
import type { Situation } from './support.js';

const NET = '-netdev tap,id=h1,vhost=on -device virtio-net-pci,netdev=h1';
const hugetlb = (line: string): string | undefined => /hugetlbsize=([^,]+)/.exec(line)?.[1];

describe('guest memory', () => {
  it('takes the largest pages that fit exactly and are free', () => {
    equal(hugetlb(wrapLine(`-m 2G ${NET}`, 4096, 4)), '1G');
    equal(hugetlb(wrapLine(`-m 2G ${NET}`, 4096, 1)), '2M');
    equal(hugetlb(wrapLine(`-m 1536 ${NET}`, 4096, 4)), '2M');
    equal(hugetlb(wrapLine(`-m 2G ${NET}`, 1023, 1)), undefined);
    equal(hugetlb(wrapLine(`-m 2G ${NET}`, 1024, 0)), '2M');
  });

  it('counts all objects of the guest together, also those that ask for hugepages already', () => {
    const cells =
      '-object memory-backend-ram,id=a,size=128M -object memory-backend-ram,id=b,size=128M -numa node,memdev=a';
    equal(hugetlb(wrapLine(`${cells} -m 256 ${NET}`, 127)), undefined);
    equal(hugetlb(wrapLine(`${cells} -m 256 ${NET}`, 128)), '2M');
    const dimm = '-object memory-backend-file,id=d,size=128M,mem-path=/dev/hugepages -m 256';
    equal(hugetlb(wrapLine(`${dimm} ${NET}`, 191)), undefined);
    equal(hugetlb(wrapLine(`${dimm} ${NET}`, 192)), '2M');
  });

  it('the configuration can forbid or insist', () => {
    equal(hugetlb(wrapLine(`-m 256 ${NET}`, 4096, 0, { hugepages: 'off' })), undefined);
    equal(hugetlb(wrapLine(`-m 255 ${NET}`, 4096, 0, { hugepages: 'on' })), '2M');
    throws(() => wrapLine(`-m 256 ${NET}`, 100, 0, { hugepages: 'on' }), {
      code: 'HUGEPAGES_TOO_FEW',
      message: 'the guest needs 128 hugepages of 2M, 100 are free',
      hint: 'echo 128 | sudo tee /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages',
      details: { needed: 128, free: 100, pageSize: 2 ** 21 },
    });
  });

  it('a page size that the host does not have counts as none free', () => {
    const object = '-object memory-backend-memfd,id=a,size=256M,hugetlb=on,hugetlbsize=16M -machine memory-backend=a';
    throws(() => wrapLine(`${object} ${NET}`, 4096), { code: 'HUGEPAGES_TOO_FEW', message: /16 hugepages of 16M, 0 / });
  });

  it('a size that QEMU rounds is rounded alike', () => {
    equal(/size=([^,]+)/.exec(wrapLine(`-m 0.3G ${NET}`))?.[1], `${Math.ceil((0.3 * 2 ** 30) / 8192) * 8}K`);
  });

  describe('bound to NUMA nodes', () => {
    const MIB = 2 ** 20;
    const cell = (id: number, nodes: string): string =>
      `-object {"qom-type":"memory-backend-ram","id":"r${id}","size":${128 * MIB},"host-nodes":[${nodes}],"policy":"bind"}`;
    const numa = (...cells: string[]): string =>
      `${cells.join(' ')} -numa node,memdev=r0 -numa node,memdev=r1 -m 256 ${NET}`;
    const on = (line: string, nodes: number[], config: Partial<Config> = {}): string => {
      const free = nodes.reduce((sum, count) => sum + count, 0);
      const pools = [poolOf(2 * MIB, free, nodes)];
      return wrapIn(line.split(' '), { pools, config })
        .args.map(({ text }) => text)
        .join(' ');
    };
    const isHuge = (line: string): boolean => line.includes('"hugetlb":true');

    it('takes pages only where each cell finds its own', () => {
      const two = numa(cell(0, '0'), cell(1, '1'));
      equal(isHuge(on(two, [64, 64])), true);
      equal(isHuge(on(two, [127, 63])), false);
      equal(isHuge(on(numa(cell(0, '0,1'), cell(1, '0,1')), [127, 1])), true);
      equal(isHuge(on(numa(cell(0, '0'), cell(1, '0,1')), [64, 64])), true);
      equal(isHuge(on(numa(cell(0, '0'), cell(1, '0,1')), [63, 128])), false);
    });

    it('a preferred node is no condition', () => {
      equal(isHuge(on(numa(cell(0, '0').replace('bind', 'preferred'), cell(1, '1')), [0, 128])), true);
    });

    it('says on which node pages are missing, and fixes it there', () => {
      throws(() => on(numa(cell(0, '0'), cell(1, '1')), [200, 10], { hugepages: 'on' }), {
        code: 'HUGEPAGES_TOO_FEW',
        message: 'the guest needs 64 hugepages of 2M on NUMA node 1, 10 are free',
        hint: 'echo 64 | sudo tee /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages',
        details: { needed: 64, free: 10, pageSize: 2 * MIB, nodes: [1] },
      });
      const asked = '-object memory-backend-memfd,id=r,size=1G,hugetlb=on,host-nodes=0-1,host-nodes=3,policy=bind';
      throws(() => on(`${asked} -machine memory-backend=r ${NET}`, [100, 0, 900, 100]), {
        message: 'the guest needs 512 hugepages of 2M on NUMA node 0 and 1 and 3, 200 are free',
        hint: 'echo 412 | sudo tee /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages',
      });
    });
  });

  describe('in a hugetlbfs that the configuration names', () => {
    const place = (line: string): string | undefined => /mem-path=([^,]+)/.exec(line)?.[1];
    const dirs = { hugetlbfsDir: ['/mnt/huge', '/mnt/huge1G'] };

    it('lies in the directory with the largest pages that fit', () => {
      equal(place(wrapLine(`-m 2G ${NET}`, 4096, 4, dirs)), '/mnt/huge1G');
      equal(place(wrapLine(`-m 1536 ${NET}`, 4096, 4, dirs)), '/mnt/huge');
      equal(place(wrapLine(`-m 2G ${NET}`, 4096, 1, dirs)), '/mnt/huge');
      equal(place(wrapLine(`-m 2G ${NET}`, 4096, 4, { ...dirs, hugepages: 'off' })), undefined);
    });

    it('keeps the form of the object', () => {
      const json = '{"qom-type":"memory-backend-ram","id":"r","size":268435456}';
      const line = wrapLine(`-machine memory-backend=r -object ${json} ${NET}`, 4096, 0, dirs);
      match(
        line,
        /"memory-backend-file","id":"r","size":268435456,"share":true,"mem-path":"\/mnt\/huge","prealloc":true}/,
      );
    });

    it('too few pages there are an error: the directory was asked for', () => {
      throws(() => wrapLine(`-m 256 ${NET}`, 100, 0, dirs), { code: 'HUGEPAGES_TOO_FEW' });
    });

    it('must be a hugetlbfs', () => {
      throws(() => wrapLine(`-m 256 ${NET}`, 100, 0, { hugetlbfsDir: '/var/tmp' }), {
        code: 'MEMORY_UNUSABLE',
        message: '"hugetlbfsDir" /var/tmp is not on a hugetlbfs',
      });
    });
  });

  describe('of guests without vhost', () => {
    const all: Partial<Config> = { hugepagesForAll: true };

    it('goes to hugepages only when the configuration says so', () => {
      equal(wrapLine('-m 256', 4096), '-m 256');
      equal(hugetlb(wrapLine('-m 256', 4096, 0, all)), '2M');
      equal(wrapLine('-m 256', 127, 0, all), '-m 256');
      equal(wrapLine('-m 256', 4096, 0, { ...all, hugepages: 'off' }), '-m 256');
    });

    it('that has a place already, or is private on purpose, is left alone', () => {
      for (const line of [
        '-m 256 -mem-path /dev/hugepages',
        '-object memory-backend-file,id=r,size=1M,mem-path=/var/tmp/x -machine memory-backend=r',
        '-object memory-backend-ram,id=r,size=1M,reserve=off -machine memory-backend=r',
        '-machine none',
      ]) {
        equal(wrapLine(line, 4096, 0, all), line);
      }
      equal(wrapLine('-m 256 -msg timestamp=on', 0, 0, { ...all, vhostOptions: ['-S'] }), '-m 256 -msg timestamp=on');
    });
  });
});

describe('where QEMU emulates the processor', () => {
  const vectors = (line: string, situation: Situation = {}): string | undefined =>
    /vectors=(\d+)/.exec(
      wrapIn(`${line} ${NET}`.trim().split(' '), situation)
        .args.map(({ text }) => text)
        .join(' '),
    )?.[1];

  it('the device has no MSI-X, with which QEMU 7.2 crashes', () => {
    for (const line of ['', '-accel tcg,thread=multi', '-machine pc,accel=tcg', '-accel tcg -accel kvm']) {
      equal(vectors(`${line} -m 64`.trim()), '0', line);
    }
    for (const line of ['-accel kvm', '-enable-kvm', '-machine pc,accel=kvm:tcg', '-accel kvm -accel tcg']) {
      equal(vectors(`${line} -m 64`), undefined, line);
      equal(
        vectors(`${line} -m 64`, { kvm: false }),
        line.endsWith('kvm') && !line.includes('enable') ? undefined : '0',
      );
    }
  });

  it('a QEMU that is called kvm tries that first', () => {
    equal(vectors('-m 64', { emulator: '/usr/libexec/qemu-kvm' }), undefined);
    equal(vectors('-m 64', { emulator: '/usr/libexec/qemu-kvm', kvm: false }), '0');
  });
});
