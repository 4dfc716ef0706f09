import { equal, throws } from 'node:assert/strict';
import { wrapLine } from './support.js';

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
});
