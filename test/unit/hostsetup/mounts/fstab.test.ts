import { deepEqual, equal } from 'node:assert/strict';
import fc from 'fast-check';
import { editFstab, hasLineFor } from '../../../../src/hostsetup/mounts/fstab.js';
import { fitRights, optionsOf, rightsIn, setOptions } from '../../../../src/hostsetup/mounts/options.js';
import { mountUnitName } from '../../../../src/hostsetup/system/systemd.js';
import { pageSizeOption, parseMounts } from '../../../../src/host/kernel/mount-table.js';
import { GIB, KIB, MIB } from '../../../../src/common/bytes.js';
import type { MountSpec } from '../../../../src/hostsetup/mounts/spec.js';

const DEFAULT = 2 * MIB;
const IDS = { users: new Map([['qemu', 107]]), groups: new Map([['qemu', 107]]) };
const blank = fc.constantFrom(' ', '\t', '   ', ' \t');
const foreign = fc.constantFrom(
  'rw',
  'nodev',
  'size=4G',
  'min_size=1G',
  'x-systemd.device-timeout=5',
  'nr_inodes=100',
  'defaults',
);
const own = fc.constantFrom(
  'pagesize=2M',
  'pagesize=1G',
  'pagesize=1GB',
  'PAGESIZE=2m',
  'gid=4',
  'mode=0770',
  'mode=1777',
  'uid=0',
);
const specOf = fc.record(
  {
    path: fc.constantFrom('/dev/hugepages', '/mnt/huge', '/mnt/huge pages', '/srv/x-y'),
    pageSize: fc.constantFrom(64 * KIB, 2 * MIB, GIB),
    owner: fc.nat(70_000),
    gid: fc.nat(70_000),
    mode: fc.nat(0o1777),
  },
  { requiredKeys: ['path', 'pageSize'] },
);
const optionList = fc.array(fc.oneof(foreign, own), { minLength: 1 }).map((list) => list.join(','));
const hugeLine = fc
  .tuple(fc.constantFrom('', '  '), blank, blank, blank, optionList, fc.constantFrom('', ' 0 0', '\t0 0 # mine'))
  .map(([start, a, b, c, options, end]) => `${start}none${a}/mnt/huge${b}hugetlbfs${c}${options}${end}`);
const otherLine = fc.constantFrom(
  '# /mnt/huge hugetlbfs in a comment',
  '',
  '   ',
  'UUID=1-2 / ext4 errors=remount-ro 0 1',
  'proc\t/proc\tproc\tdefaults',
  'none /mnt/huger hugetlbfs pagesize=1G 0 0',
);
const fstab = fc
  .tuple(fc.array(fc.oneof({ weight: 4, arbitrary: otherLine }, hugeLine), { maxLength: 6 }), fc.constantFrom('', '\n'))
  .map(([lines, end]) => lines.join('\n') + end);

const foreignOf = (options: string): string[] =>
  options.split(',').filter((option) => option !== '' && !/^(pagesize|uid|gid|mode)=/.test(option));

describe('fstab', () => {
  it('edited: the spec is there, once, and nothing else has changed', () => {
    fc.assert(
      fc.property(fstab, specOf, (text, spec: MountSpec) => {
        const edited = editFstab(text, spec, DEFAULT, IDS);
        equal(editFstab(edited, spec, DEFAULT, IDS), edited, 'twice');
        const lines = parseMounts(edited).filter(({ path }) => path === spec.path);
        equal(lines.length > 0, true);
        for (const { options } of lines) {
          equal(pageSizeOption(options) ?? DEFAULT, spec.pageSize);
          equal(fitRights(spec, rightsIn(options, IDS)), true);
        }
        const others = (whole: string): string[] => whole.split('\n').filter((line) => !hasLineFor(line, spec.path));
        if (hasLineFor(text, spec.path)) deepEqual(others(edited), others(text));
        else equal(edited.startsWith(text), true);
      }),
    );
  });

  it('of the line itself only options change, and foreign ones stay in their order', () => {
    fc.assert(
      fc.property(hugeLine, specOf, (line, any: MountSpec) => {
        const spec = { ...any, path: '/mnt/huge' };
        const edited = editFstab(line, spec, DEFAULT, IDS);
        const split = (text: string): string[] =>
          text.split(/(?<=hugetlbfs[ \t]+)(?=\S)|(?<=hugetlbfs[ \t]+\S+)(?!\S)/);
        const [before, after] = [split(line), split(edited)];
        deepEqual([after[0], after[2]], [before[0], before[2]]);
        deepEqual(foreignOf(after[1] ?? ''), foreignOf(before[1] ?? ''));
      }),
    );
  });

  it('what is mounted late, or has too little room, is fixed, and only that', () => {
    const spec = { path: '/mnt/huge', pageSize: GIB, bytes: 8 * GIB, gid: 107, mode: 0o1770 };
    const edited = (options: string): string =>
      editFstab(`none /mnt/huge hugetlbfs ${options} 0 0`, spec, DEFAULT, IDS).split(' ')[3] ?? '';
    const right = 'pagesize=1073741824,gid=qemu,mode=01770';
    equal(edited(right), right);
    for (const late of ['noauto', 'noauto,x-systemd.automount', 'auto,noauto', 'comment=systemd.automount'])
      equal(edited(`nodev,${late},${right}`), `nodev,${late.startsWith('auto') ? 'auto,' : ''}${right}`);
    for (const fine of ['noauto,auto', 'noauto,x-systemd.wanted-by=multi-user.target', 'nofail,x-systemd.requires=a'])
      equal(edited(`${fine},${right}`), `${fine},${right}`);
    equal(edited(`${right},size=4G,nr_inodes=8`), `${right},size=8G,nr_inodes=64`);
    equal(edited(`${right},size=50%,min_size=1G`), `${right},size=100%,min_size=1G`);
    for (const roomy of ['size=8192m', 'size=100%', 'size=16GB', 'size=8589934592', 'size=1G,size=8G', 'nr_inodes=1k'])
      equal(edited(`${right},${roomy}`), `${right},${roomy}`);
  });

  it('a path with blanks is found and written as fstab has them', () => {
    const spec = { path: '/mnt/huge pages', pageSize: GIB };
    const text = editFstab('', spec, DEFAULT, IDS);
    equal(text.split('\n')[1], 'hugetlbfs /mnt/huge\\040pages hugetlbfs pagesize=1G,nofail 0 0');
    equal(hasLineFor('none /mnt/huge/ hugetlbfs pagesize=1G 0 0', '/mnt/huge'), true);
  });
});

describe('options of hugetlbfs', () => {
  it('in full for a new mount, and left as written where they mean the same', () => {
    equal(
      optionsOf({ path: '/x', pageSize: 2 * MIB, owner: 1, gid: 2, mode: 0o750 }),
      'pagesize=2M,uid=1,gid=2,mode=0750',
    );
    const spec = { path: '/x', pageSize: GIB, gid: 0, mode: 0o755 };
    equal(setOptions('pagesize=1024M,mode=755', spec, DEFAULT, IDS), 'pagesize=1024M,mode=755');
    equal(setOptions('', { path: '/x', pageSize: DEFAULT }, DEFAULT, IDS), '');
    equal(setOptions('mode=700,rw,mode=711', { ...spec, mode: 0o770 }, GIB, IDS), 'rw,mode=0770');
  });
});

describe('names of mount units', () => {
  it('are those of systemd-escape', () => {
    equal(mountUnitName('/mnt/huge'), 'mnt-huge.mount');
    equal(mountUnitName('/srv/x-y/.a b/é'), 'srv-x\\x2dy-.a\\x20b-\\xc3\\xa9.mount');
    equal(mountUnitName('/.x'), '\\x2ex.mount');
  });
});
