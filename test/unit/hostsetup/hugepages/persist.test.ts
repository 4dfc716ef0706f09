import { deepEqual, equal, match } from 'node:assert/strict';
import fc from 'fast-check';
import { POOLS_CONF, editPoolsConf } from '../../../../src/hostsetup/hugepages/persist.js';
import type { PartPlan } from '../../../../src/changes/part-plan.js';
import { distribute } from '../../../../src/hostsetup/hugepages/growth.js';
import { GIB, KIB, MIB } from '../../../../src/common/bytes.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';
import { carryOut, open, stateOf } from '../plan-support.js';
import { undoSteps } from '../../../helpers/host/steps.js';
import { SMALL, machine, plan, total } from './scene.js';
import { image } from '../systems.js';
import type { PoolSpec } from '../../../../src/hostsetup/hugepages/spec.js';

describe('pools: broken at every effect', () => {
  for (const late of [false, true]) {
    it(`${late ? 'killed after' : 'failing at'} each: undone, or finished and then undone`, async () => {
      const specs = [SMALL, { pageSize: GIB, count: 2 }];
      const fresh = (): MemoryHost => machine().dir('/run/systemd/system').dir('/etc/tmpfiles.d');
      const whole = fresh();
      const all =
        (memory: MemoryHost): (() => Promise<PartPlan>) =>
        () =>
          plan(memory, specs, { persist: true });
      await carryOut(whole.host, all(whole));
      equal(whole.effects > 8, true);
      for (let failAt = 1; failAt <= whole.effects; failAt++) {
        const memory = fresh();
        const before = stateOf(memory);
        Object.assign(memory, { failAt, late });
        await failure('CHANGE_FAILED', carryOut(memory.host, all(memory)));
        memory.failAt = undefined;
        if (failAt % 2 === 0) await carryOut(memory.host, all(memory));
        await undoSteps(memory.host);
        deepEqual(stateOf(memory), before, `broken at ${failAt}`);
      }
    });
  }
});

describe('pools: at each start', () => {
  const systemd = (): MemoryHost => machine().dir('/run/systemd/system').dir('/etc/tmpfiles.d');
  const later = (memory: MemoryHost, ...pools: PoolSpec[]): Promise<PartPlan> =>
    plan(memory, pools, { now: false, persist: true });

  it('by tmpfiles.d, per size and node; other lines stay, and it is done once', async () => {
    const memory = systemd();
    const before = stateOf(memory);
    await carryOut(memory.host, () => later(memory, SMALL));
    await carryOut(memory.host, () => later(memory, { pageSize: GIB, count: 2, node: 0 }));
    const lines = (await memory.host.read(POOLS_CONF)).split('\n').filter((line) => line.startsWith('w'));
    deepEqual(lines, [
      'w! /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages - - - - 256',
      'w! /sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages - - - - 2',
    ]);
    deepEqual(open(await later(memory, SMALL)), []);
    equal(total(memory), 0);
    await undoSteps(memory.host);
    deepEqual(stateOf(memory), before);
  });

  it('what kernel arguments or sysctl reserve is not taken away by fewer', async () => {
    const memory = systemd();
    memory
      .file('/proc/cmdline', 'ro hugepagesz=1G hugepages=4\n')
      .file('/etc/sysctl.d/90.conf', 'vm.nr_hugepages=300\n');
    const { steps, notes } = await later(memory, SMALL, { pageSize: GIB, count: 4 });
    deepEqual(steps, []);
    match(
      notes.join('\n'),
      /256 × 2M at each start: \/etc\/sysctl\.d\/90\.conf:1 reserves 300 already\n4 × 1G at each start: .* reserves 4 already/,
    );
    match(notes.at(-1) ?? '', /^\/etc\/sysctl\.d\/90\.conf:1: 300 × 2M .* more than the 256 .*--shrink/);
    deepEqual(open(await later(memory, { ...SMALL, count: 301 })), ['hugepages-at-start']);
  });

  const lines = (memory: MemoryHost, path: string): string[] =>
    (memory.entries.get(path)?.text ?? '').split('\n').filter((line) => line.startsWith('w'));
  const FIRST = '/etc/tmpfiles.d/00-vhost-host-hugepages.conf';
  const SMALL_FILE = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';

  it('of two lines for one pool the first file counts: ours goes before, and is found again', async () => {
    const memory = systemd();
    await carryOut(memory.host, () => later(memory, { pageSize: GIB, count: 1, node: 0 }, { ...SMALL, count: 100 }));
    memory.file('/usr/lib/tmpfiles.d/dpdk.conf', `w ${SMALL_FILE} - - - - 64\n`);
    const { notes } = await later(memory, SMALL);
    match(
      notes.join('\n'),
      /dpdk\.conf:1 says 64 × 2M at each start; what counts is \S+\/00-vhost-host-hugepages\.conf$/,
    );
    await carryOut(memory.host, () => later(memory, SMALL));
    deepEqual(open(await later(memory, SMALL)), []);
    deepEqual(lines(memory, FIRST), [`w! ${SMALL_FILE} - - - - 256`]);
    equal(lines(memory, POOLS_CONF).length, 1, 'no second line for the same pool');
    deepEqual(open(await later(memory, SMALL, { pageSize: GIB, count: 1, node: 0 })), []);
  });

  it('where somebody has the last word all the same, it is refused with the line', async () => {
    const memory = systemd().file(
      '/etc/tmpfiles.d/zz.conf',
      '#\nw /sys/kernel/mm/hugepages/*/nr_hugepages - - - - 8\n',
    );
    const error = await failure('SETUP_REFUSED', later(memory, SMALL));
    match(error.message, /^\/etc\/tmpfiles\.d\/zz\.conf:2 leaves 8 of 256 × 2M at each start/);
    equal(error.hint, 'take that line out: sudoedit /etc/tmpfiles.d/zz.conf');
  });

  it('of sysctl the last file counts, and of those only what is read', async () => {
    const sysctl = (files: Readonly<Record<string, string>>): MemoryHost => {
      const memory = systemd();
      for (const [path, text] of Object.entries(files)) memory.file(path, text);
      return memory;
    };
    const few = sysctl({
      '/etc/sysctl.d/90.conf': 'vm.nr_hugepages=4096',
      '/run/sysctl.d/99.conf': 'vm/nr_hugepages=9',
    });
    deepEqual(open(await later(few, SMALL)), ['hugepages-at-start']);
    const hidden = sysctl({ '/etc/sysctl.d/99.conf': '#', '/usr/lib/sysctl.d/99.conf': 'vm.nr_hugepages=4096' });
    deepEqual(open(await later(hidden, SMALL)), ['hugepages-at-start']);
    const many = sysctl({
      '/etc/sysctl.d/90.conf': 'vm.nr_hugepages=9',
      '/usr/lib/sysctl.d/99.conf': '-vm.nr_hug* = 300',
    });
    deepEqual(open(await later(many, SMALL)), []);
    const unread = sysctl({ '/etc/sysctl.conf': 'vm.nr_hugepages=4096\n' });
    const { steps, notes } = await later(unread, SMALL);
    deepEqual(open({ steps }), ['hugepages-at-start']);
    match(notes.join('\n'), /^\/etc\/sysctl\.conf:1 asks for 4096 hugepages, and systemd does not read it$/m);
    unread.link('/etc/sysctl.d/99-sysctl.conf', '/etc/sysctl.conf');
    deepEqual(open(await later(unread, SMALL)), [], 'as Debian had it up to 12');
  });

  it('pages that are there already stay, of our own line too, unless they are to go', async () => {
    const memory = systemd();
    await carryOut(memory.host, () => later(memory, { ...SMALL, count: 512 }));
    const { steps, notes } = await later(memory, SMALL);
    deepEqual(open({ steps }), []);
    match(notes.join('\n'), /512 × 2M at each start, more than the 256 that are wanted; they stay \(--shrink/);
    const fewer = (): Promise<PartPlan> => plan(memory, [SMALL], { now: false, persist: true, shrink: true });
    await carryOut(memory.host, fewer);
    deepEqual(lines(memory, POOLS_CONF), [`w! ${SMALL_FILE} - - - - 256`]);
    deepEqual(open(await fewer()), []);
  });

  it("the kernel's line at the next start: numbers by node, and pages that hugetlb_cma= keeps it from making", async () => {
    const at = async (line: string, ...pools: PoolSpec[]): Promise<string[]> =>
      open(await plan(systemd(), pools, { now: false, persist: true, line }));
    const big = { pageSize: GIB, count: 8 };
    deepEqual(await at('hugepagesz=1G hugepages=0:4,1:4', big), []);
    deepEqual(await at('hugepagesz=1G hugepages=0:4,1:3', big), ['hugepages-at-start']);
    deepEqual(await at('hugepagesz=1G hugepages=8 hugetlb_cma=16G', big), ['hugepages-at-start']);
    deepEqual(await at('hugepagesz=1G hugepages=8 hugetlb_cma=0:4G,1:4G', big), ['hugepages-at-start']);
    for (const none of ['hugetlb_cma=0', 'hugetlb_cma=512M', 'hugetlb_cma=16G hugetlb_cma_only=1'])
      deepEqual(await at(`hugepagesz=1G hugepages=8 ${none}`, big), []);
    deepEqual(await at('hugepages=1000 sysctl.vm.nr_hugepages=12', SMALL), ['hugepages-at-start']);
    deepEqual(await at('hugepagesz=2M hugepages=300 hugepagesz=2M hugepages=3', SMALL), []);
  });

  it('without systemd it is left to the user; so is memory that nobody tells of in an image', async () => {
    const { steps, byHand } = await later(machine(), SMALL);
    deepEqual(steps, []);
    match(byHand?.[0]?.snippet ?? '', /^echo 256 > \/sys\/\S+2048kB\/nr_hugepages$/);
    const inImage = image().file('/usr/lib/systemd/systemd', '');
    const planned = await later(inImage, SMALL);
    deepEqual(open(planned), ['hugepages-at-start']);
    match(planned.notes[0] ?? '', /is not known here/);
  });

  it('the editor leaves what is not ours, and edits nothing twice', () => {
    const line = fc.constantFrom('# a comment', '', 'd /run/x 0755 - - -', 'w! /sys/a - - - - 1', '  # indented');
    const spec = fc.record({
      pageSize: fc.constantFrom(64 * KIB, 2 * MIB, GIB),
      count: fc.nat(9999),
      node: fc.option(fc.nat(3), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1 }),
        fc.uniqueArray(spec, { selector: (w) => `${w.pageSize} ${w.node}` }),
        (lines, specs) => {
          const list = specs.map(({ node: on, ...rest }) => (on === undefined ? rest : { ...rest, node: on }));
          const text = `${lines.join('\n')}\n`;
          const once = editPoolsConf(text, list);
          equal(once.startsWith(text), true);
          equal(editPoolsConf(once, list), once);
          equal(once.split('\n').length, text.split('\n').length + list.length);
        },
      ),
    );
  });
});

describe('pools: spread over nodes', () => {
  it('gives out every page, evenly where there is room', () => {
    const nodes = fc.array(fc.nat(40), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(nodes, fc.nat(200), (rooms, missing) => {
        const list = rooms.map((room, number) => ({ node: number, total: 1, free: room * MIB }));
        const given = [...distribute(missing, MIB, list).values()];
        equal(
          given.reduce((sum, pages) => sum + pages, 0),
          missing,
        );
        const room = rooms.reduce((sum, pages) => sum + pages, 0);
        if (missing <= room)
          equal(
            given.every((pages, i) => pages <= (rooms[i] ?? 0)),
            true,
          );
        const roomy = given.filter((pages, i) => pages < (rooms[i] ?? 0));
        equal(roomy.length === 0 || Math.max(...roomy) - Math.min(...roomy) <= 1, true);
      }),
    );
  });
});
