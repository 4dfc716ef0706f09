import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { editEntry, envValue } from '../../../../src/hostsetup/boot/loaders/bls.js';
import { kernelArgs, parseKernelLine, printKernelLine } from '../../../../src/hostsetup/kernel/args.js';
import { readRunning } from '../../../../src/hostsetup/kernel/running.js';
import { applySpec, fulfils, ownArgs, withoutOwn } from '../../../../src/hostsetup/kernel/spec.js';
import type { KernelArgsSpec } from '../../../../src/hostsetup/kernel/spec.js';
import { largerPools } from '../../../../src/hostsetup/kernel/hugepage-args.js';
import type { HugepageSpec } from '../../../../src/hostsetup/kernel/hugepage-args.js';
import { atLeast, countKey, pagesByNode, pagesIn } from '../../../../src/hostsetup/kernel/hugepage-counts.js';
import { GIB, MIB } from '../../../../src/common/bytes.js';
import { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';

const pages = (...pools: readonly [string, number | string][]): KernelArgsSpec => ({
  hugepages: { defaultSize: '1G', pools: pools.map(([size, count]) => ({ size, count })) },
});
const ONE = pages(['1G', 8]);
const BOTH = pages(['1G', 8], ['2M', 256]);
const UNIT = 'default_hugepagesz=1G hugepagesz=1G hugepages=8';

const foreignWord = fc.constantFrom(
  'quiet',
  'ro',
  'root=/dev/sda1',
  'console=tty0',
  'console=ttyS0,115200n8',
  '"dyndbg=file a +p"',
  'a="b c"',
  '$tuned_params',
  '${kernelopts}',
  'isolcpus=1-3',
  'rd.lvm.lv=vg/root',
  'crashkernel=1G-4G:192M,4G-:256M',
  'x==y',
  '=',
);
const ownWord = fc.constantFrom(
  'hugepages=4',
  'hugepagesz=1G',
  'hugepagesz=2M',
  'hugepages=0:2,1:2',
  'default_hugepagesz=2M',
  'default-hugepagesz=1G',
  'hugepagesz=16M',
  'intel_iommu=on',
  'intel_iommu=off',
  'iommu=soft,noagp',
  'iommu=pt',
);
const blank = fc.constantFrom(' ', '  ', '\t', '\n');
const lineOf = (word: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom('', ' '), fc.array(fc.tuple(word, blank)), fc.constantFrom('', '-- 3', '--'))
    .map(([start, words, end]) => start + words.map((pair) => pair.join('')).join('') + end);
const specs = fc.record({
  hugepages: fc.constantFrom(
    { pools: [{ size: '1G', count: 8 }] },
    {
      defaultSize: '1G',
      pools: [
        { size: '1G', count: '0:2,1:2' },
        { size: '2M', count: 256 },
      ],
    },
    { pools: [{ size: '2M', count: 0 }] },
    'none' as const,
  ),
  iommu: fc.constantFrom('intel' as const, 'amd' as const),
});

describe('kernel arguments: the editor', () => {
  it('prints whatever it has read', () => {
    fc.assert(fc.property(fc.string(), (text) => equal(printKernelLine(parseKernelLine(text)), text)));
    fc.assert(
      fc.property(lineOf(fc.oneof(foreignWord, ownWord)), (text) =>
        equal(printKernelLine(parseKernelLine(text)), text),
      ),
    );
  });

  it('keeps foreign arguments as they are and in their order, and doing it twice is doing it once', () => {
    fc.assert(
      fc.property(lineOf(fc.oneof(foreignWord, ownWord)), specs, (line, spec) => {
        const foreign = (text: string): string[] => parseKernelLine(withoutOwn(text, spec)).args.map((arg) => arg.text);
        const after = applySpec(line, spec);
        deepEqual(foreign(after), foreign(line));
        equal(applySpec(after, spec), after);
      }),
    );
  });

  it('a line without arguments of ours keeps its blanks as well', () => {
    fc.assert(
      fc.property(lineOf(foreignWord), (line) => {
        const at = line.search(/-- 3$|--$/);
        const after = applySpec(line, ONE);
        ok(after.includes(UNIT));
        if (at < 0) equal(after.replace(new RegExp(` ?${UNIT}`), ''), line);
        deepEqual(ownArgs(after, ONE).join(' '), UNIT);
      }),
    );
  });

  it('knows words as the kernel does', () => {
    deepEqual(
      kernelArgs('a "b=c d" e="f g" default-hugepagesz=1G -- x').map(({ name, value }) => [name, value]),
      [
        ['a', undefined],
        ['b', 'c d'],
        ['e', 'f g'],
        ['default_hugepagesz', '1G'],
      ],
    );
  });

  const cases: readonly (readonly [string, KernelArgsSpec, string])[] = [
    ['', ONE, UNIT],
    ['quiet', ONE, `quiet ${UNIT}`],
    ['quiet -- single', ONE, `quiet ${UNIT} -- single`],
    ['-- single', ONE, `${UNIT} -- single`],
    ['a hugepagesz=1G hugepages=2 b', ONE, `a ${UNIT} b`],
    ['a hugepages=2 b hugepagesz=1G c default_hugepagesz=1G', ONE, `a ${UNIT} b c`],
    ['hugepages=512 a', ONE, `${UNIT} hugepagesz=2M hugepages=512 a`],
    ['default_hugepagesz=1G hugepages=8', ONE, 'default_hugepagesz=1G hugepages=8'],
    [
      'hugepagesz=1024M hugepages=8 x default_hugepagesz=1g',
      ONE,
      'hugepagesz=1024M hugepages=8 x default_hugepagesz=1g',
    ],
    [`${UNIT} hugepagesz=16M hugepages=1`, BOTH, `${UNIT} hugepagesz=2M hugepages=256 hugepagesz=16M hugepages=1`],
    [`a ${UNIT} b`, { hugepages: 'none' }, 'a b'],
    [`${UNIT} b`, { hugepages: 'none' }, 'b'],
    ['a  b', { hugepages: 'none' }, 'a  b'],
    [`a ${UNIT} hugepagesz=2M hugepages=3`, { hugepages: { pools: [{ size: '2M', count: 0 }] } }, `a ${UNIT}`],
    ['a', pages(['1G', '0:2,1:2']), 'a default_hugepagesz=1G hugepagesz=1G hugepages=0:2,1:2'],
    ['a', { iommu: 'intel' }, 'a intel_iommu=on iommu=pt'],
    ['a', { iommu: 'amd' }, 'a iommu=pt'],
    ['intel_iommu=on,sm_on iommu=noagp,pt', { iommu: 'intel' }, 'intel_iommu=on,sm_on iommu=noagp,pt'],
    ['x intel_iommu=off iommu=noagp,soft y', { iommu: 'intel' }, 'x iommu=noagp y intel_iommu=on iommu=pt'],
    ['amd_iommu=off x', { iommu: 'amd' }, 'x iommu=pt'],
  ];
  for (const [line, spec, wanted] of cases)
    it(`"${line}" becomes "${wanted}"`, () => {
      equal(applySpec(line, spec), wanted);
      ok(fulfils(wanted, spec));
    });

  it('an odd spec is refused', async () => {
    for (const odd of [
      pages(['3X', 1]),
      pages(['1G', -1]),
      pages(['1G', '0:']),
      pages(['1G', 1], ['1024M', 2]),
      pages(['0', 1]),
    ])
      await failure('USAGE', () => applySpec('', odd));
  });
});

describe('kernel arguments: pages that are there', () => {
  const numbers = fc.oneof(
    fc.nat(99).map(String),
    fc
      .uniqueArray(fc.tuple(fc.nat(3), fc.nat(40)), { selector: ([node]) => node, minLength: 1 })
      .map((list) => list.map((pair) => pair.join(':')).join(',')),
  );

  it('no pool loses any, on the host or on a node that is named, and each has what is wanted', () => {
    fc.assert(
      fc.property(numbers, numbers, (there, wanted) => {
        const count = atLeast(there, wanted);
        equal(pagesIn(count) >= Math.max(pagesIn(there), pagesIn(wanted)), true);
        const of = (text: string, node: number): number => pagesByNode(text)?.get(node) ?? 0;
        for (const node of [0, 1, 2, 3]) equal(of(count, node) >= of(there, node) || !pagesByNode(there), true);
        if (pagesByNode(wanted)) for (const node of [0, 1, 2, 3]) equal(of(count, node) >= of(wanted, node), true);
        equal(countKey(atLeast(count, wanted)), countKey(count), 'twice');
      }),
    );
  });

  it('larger pools stay unless they are to go', () => {
    const line = 'default_hugepagesz=1G hugepagesz=1G hugepages=64 hugepagesz=2M hugepages=0:4096,1:4096';
    equal(applySpec(line, BOTH), line);
    equal(
      applySpec(line, { hugepages: { ...(BOTH.hugepages as object), shrink: true } as HugepageSpec }),
      `${UNIT} hugepagesz=2M hugepages=256`,
    );
    deepEqual(largerPools(line, BOTH.hugepages as HugepageSpec, '2M'), [
      { pageSize: GIB, pages: 64, wanted: 8 },
      { pageSize: 2 * MIB, pages: 8192, wanted: 256 },
    ]);
  });

  it('words that contradict each other become one, by what the kernel makes of them; the same twice may stay', () => {
    const after = (line: string): string => applySpec(line, ONE);
    equal(after('default_hugepagesz=2M hugepagesz=1G hugepages=8 default_hugepagesz=1G'), UNIT);
    equal(
      after('hugepagesz=1G hugepages=16 x hugepagesz=1G hugepages=32 default_hugepagesz=1G'),
      'default_hugepagesz=1G hugepagesz=1G hugepages=16 x',
    );
    equal(after(`${UNIT} ${UNIT}`), `${UNIT} ${UNIT}`);
    equal(
      after('default_hugepagesz=1GB hugepagesz=1073741824 hugepages=8'),
      'default_hugepagesz=1GB hugepagesz=1073741824 hugepages=8',
    );
  });
});

describe('kernel arguments: files around them', () => {
  it('an entry with several lines of options, or none, is edited as one', () => {
    const spec: KernelArgsSpec = { hugepages: { pools: [{ size: '1G', count: 1 }] } };
    equal(
      editEntry('title x\noptions a\noptions b hugepages=3\n', spec),
      'title x\noptions a hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=3\noptions b\n',
    );
    equal(editEntry('title x\n', spec), 'title x\noptions hugepagesz=1G hugepages=1\n');
    equal(editEntry('options $kernelopts hugepages=3\n', spec), 'options $kernelopts\n');
  });

  it('values of an environment block are read with their escapes', () => {
    equal(envValue('# GRUB Environment Block\nkernelopts=a\\\\b c\nx=1\n####', 'kernelopts'), 'a\\b c');
    equal(envValue('x=1\n', 'kernelopts'), undefined);
  });

  it('the running kernel against the spec', async () => {
    equal(await readRunning(new MemoryHost().host, ONE), undefined);
    const memory = new MemoryHost({ '/proc/cmdline': `quiet ${UNIT}\n` });
    deepEqual(await readRunning(memory.host, ONE), { has: UNIT, awaits: undefined });
    deepEqual(await readRunning(memory.host, BOTH), { has: UNIT, awaits: `${UNIT} hugepagesz=2M hugepages=256` });
    // What is meant by no size is the machine's own default.
    memory
      .file('/proc/cmdline', 'hugepages=4\n')
      .file('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size', '536870912\n');
    deepEqual(await readRunning(memory.host, { hugepages: { pools: [{ size: '512M', count: 4 }] } }), {
      has: 'hugepages=4',
      awaits: undefined,
    });
  });
});
