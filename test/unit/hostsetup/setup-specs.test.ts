import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { readHostFacts } from '../../../src/hostsetup/facts/index.js';
import type { HostFacts } from '../../../src/hostsetup/facts/index.js';
import { Look } from '../../../src/host/tolerant-reader.js';
import { checkChoices, propose } from '../../../src/hostsetup/setup/choices.js';
import type { Choices } from '../../../src/hostsetup/setup/choices.js';
import { kernelArgsSpecOf, mountSpecsOf, pagesOf, poolSpecsOf, shareOut } from '../../../src/hostsetup/setup/specs.js';
import type { Settings } from '../../../src/hostsetup/setup/specs.js';
import { GIB, MIB, readSize, shortSize } from '../../../src/common/bytes.js';
import type { MemoryHost } from '../host/memory-host.js';
import { GIB_KB, arm64, debian12, image, rhel9, withPool } from './systems.js';

const facts = (memory: MemoryHost): Promise<HostFacts> => readHostFacts(new Look(memory.host));
const large = (memory: MemoryHost): MemoryHost => withPool(memory, { sizeKb: GIB_KB, total: 0, nodes: [0] });

const CHOICES: Choices = {
  guestMemory: 4 * GIB,
  pageSize: GIB,
  switchPages: 256,
  nic: undefined,
  boot: true,
  install: false,
};
const SETTINGS: Settings = {
  now: true,
  nodes: [],
  shrink: false,
  cuse: false,
  ownUser: undefined,
  nicDriver: 'vfio-pci',
  forceNic: false,
  binary: '/opt/vhost-host/bin/vhost-host',
  config: undefined,
  qemuGid: undefined,
};

describe('setup: what is proposed', () => {
  it("the domains' memory in whole gigabytes, in large pages where they suit every domain", async () => {
    const host = await facts(large(debian12()));
    const of = (...domains: number[]): unknown => {
      const { guestMemory, pageSize } = propose(host, { domains, systemd: true });
      return [shortSize(guestMemory), shortSize(pageSize)];
    };
    assert.deepEqual(of(2 * GIB, 4 * GIB), ['6G', '1G']);
    assert.deepEqual(of(2 * GIB, 512 * MIB), ['3G', '2M']);
    assert.deepEqual(of(), ['0K', '1G']);
  });

  it('256 pages for the switch, no card, the start at boot where systemd does that', async () => {
    const host = await facts(debian12());
    const { switchPages, nic, boot, install } = propose(host, { domains: [], systemd: false });
    assert.deepEqual([switchPages, nic, boot, install], [256, undefined, false, false]);
    assert.equal(propose(host, { domains: [], systemd: true }).boot, true);
  });

  it('small pages where the processor has no large ones, and in an image, which does not say', async () => {
    const old = debian12().file('/proc/cpuinfo', 'flags : pse\n');
    for (const memory of [old, image(), arm64()]) {
      assert.equal(propose(await facts(memory), { domains: [GIB], systemd: true }).pageSize <= 32 * MIB, true);
    }
  });

  it('refuses sizes that are not there, in one line that says which are', async () => {
    const host = await facts(debian12());
    const wrong = { code: 'USAGE', message: /--page-size: no pages of 16 MiB here: .* have 1G, 2M$/ };
    assert.throws(() => checkChoices(host, { ...CHOICES, pageSize: 16 * MIB }), wrong);
    checkChoices(host, { ...CHOICES, pageSize: 16 * MIB, guestMemory: 0 });
    const other = await facts(withoutSmall());
    assert.throws(() => checkChoices(other, { ...CHOICES, guestMemory: 0 }), {
      code: 'USAGE',
      message: /--switch-pages/,
    });
    assert.equal(propose(other, { domains: [], systemd: true }).switchPages, 0);
  });
});

/** A kernel with base pages of 64 KiB. */
function withoutSmall(): MemoryHost {
  const memory = arm64();
  for (const path of [...memory.entries.keys()]) if (path.includes('hugepages-2048kB')) memory.entries.delete(path);
  return memory;
}

describe('setup: what the choices mean', () => {
  it('pages of guests and switch; of one size there is one pool', () => {
    const of = (change: Partial<Choices>): string =>
      pagesOf({ ...CHOICES, ...change })
        .map(({ pageSize, count }) => `${count} of ${shortSize(pageSize)}`)
        .join(', ');
    assert.equal(of({}), '4 of 1G, 256 of 2M');
    assert.equal(of({ pageSize: 2 * MIB }), '2304 of 2M');
    assert.equal(of({ guestMemory: 4 * GIB + 1 }), '5 of 1G, 256 of 2M');
    assert.equal(of({ guestMemory: 0 }), '256 of 2M');
    assert.equal(of({ guestMemory: 0, switchPages: 0 }), '');
  });

  it('large pages by kernel arguments, as one unit with the small ones; small ones alone need none', async () => {
    const host = await facts(debian12());
    const spec = (change: Partial<Choices>, settings: Partial<Settings> = {}): unknown =>
      kernelArgsSpecOf(host, { ...CHOICES, ...change }, { ...SETTINGS, ...settings });
    const pools = [
      { size: '1G', count: 4 },
      { size: '2M', count: 256 },
    ];
    assert.deepEqual(spec({}), { hugepages: { defaultSize: '1G', pools } });
    assert.equal(spec({ pageSize: 2 * MIB }), undefined);
    assert.deepEqual(spec({ switchPages: 3 }, { nodes: [0, 2] }), {
      hugepages: {
        defaultSize: '1G',
        pools: [
          { size: '1G', count: '0:2,2:2' },
          { size: '2M', count: '0:2,2:1' },
        ],
      },
    });
  });

  it('the IOMMU by the name that the processor has for it, where a card needs it and it is off', async () => {
    const card = { guestMemory: 0, nic: '0000:03:00.0' };
    const of = async (memory: MemoryHost, change: Partial<Settings> = {}): Promise<unknown> =>
      kernelArgsSpecOf(await facts(memory), { ...CHOICES, ...card }, { ...SETTINGS, ...change });
    const cpu = (vendor: string): MemoryHost => debian12().file('/proc/cpuinfo', `vendor_id\t: ${vendor}\n`);
    assert.deepEqual(await of(cpu('GenuineIntel')), { iommu: 'intel' });
    assert.deepEqual(await of(cpu('AuthenticAMD')), { iommu: 'amd' });
    assert.equal(await of(cpu('GenuineIntel'), { nicDriver: 'uio_pci_generic' }), undefined);
    assert.equal(await of(rhel9()), undefined);
  });

  it('nodes share pages evenly, whatever their number', () => {
    const nodes = fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.nat(10_000), nodes, (count, on) => {
        const shares = shareOut(count, on).map((share) => share.count);
        assert.equal(
          shares.reduce((sum, share) => sum + share, 0),
          count,
        );
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
      }),
    );
    assert.deepEqual(poolSpecsOf([{ pageSize: GIB, count: 1 }], [0, 1]), [{ pageSize: GIB, node: 0, count: 1 }]);
  });

  it('guests’ pages at /dev/hugepages, the switch’s beside, for the group of QEMU', () => {
    assert.deepEqual(mountSpecsOf(pagesOf(CHOICES), 64055), [
      { path: '/dev/hugepages', pageSize: GIB, bytes: 4 * GIB, gid: 64055, mode: 0o1770 },
      { path: '/mnt/huge', pageSize: 2 * MIB, bytes: 512 * MIB, gid: 64055, mode: 0o1770 },
    ]);
    assert.deepEqual(mountSpecsOf(pagesOf({ ...CHOICES, pageSize: 2 * MIB }), undefined), [
      { path: '/dev/hugepages', pageSize: 2 * MIB, bytes: 4 * GIB + 512 * MIB },
    ]);
  });

  it('sizes as people write them', () => {
    const read: [string, number | undefined][] = [
      ['8G', 8 * GIB],
      ['1.5GiB', 1.5 * GIB],
      ['512m', 512 * MIB],
      [' 2 MB ', 2 * MIB],
      ['0', 0],
      ['8', undefined],
      ['-1G', undefined],
      ['1e3G', undefined],
      ['', undefined],
    ];
    for (const [text, bytes] of read) assert.equal(readSize(text), bytes, text);
  });
});
