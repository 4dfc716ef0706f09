import { deepEqual, equal, match } from 'node:assert/strict';
import fc from 'fast-check';
import { POOLS_CONF, editPoolsConf } from '../../../src/hostsetup/pools-persist.js';
import { planPools } from '../../../src/hostsetup/pools-plan.js';
import type { PoolWish, PoolsPlan } from '../../../src/hostsetup/pools-plan.js';
import { spread } from '../../../src/hostsetup/pools-target.js';
import { GIB, KIB, MIB } from '../../../src/sizes.js';
import type { MemoryHost } from '../memory-host.js';
import { failure } from '../switch/support.js';
import { livePool } from './kernel-fake.js';
import { carryOut, open, stateOf, takeBack } from './plan-support.js';
import { GIB_KB, debian12, image, withMemory, withNode, withPool } from './systems.js';

const SMALL: PoolWish = { pageSize: 2 * MIB, count: 256 };
const plan = (memory: MemoryHost, pools: readonly PoolWish[], more: object = {}): Promise<PoolsPlan> =>
  planPools(memory.host, { pools, now: true, persist: false, ...more });
const total = (memory: MemoryHost, sizeKb = 2048, where = '/sys/kernel/mm'): number =>
  Number(memory.entries.get(`${where}/hugepages/hugepages-${sizeKb}kB/nr_hugepages`)?.text);
const node = (number: number): string => `/sys/devices/system/node/node${number}`;

/** 16 GiB, 12 of them free, pages of both sizes. */
function machine(): MemoryHost {
  const memory = withPool(debian12(), { sizeKb: GIB_KB, total: 0, nodes: [0] });
  livePool(memory, { pageSize: 2 * MIB, nodes: [0] });
  livePool(memory, { pageSize: GIB, nodes: [0] });
  return memory;
}

/** Two nodes with 4 GiB free each. */
function twoNodes(finds?: number): MemoryHost {
  const memory = withNode(withPool(debian12(), { sizeKb: GIB_KB, total: 0, nodes: [0, 0] }), 1);
  withPool(memory, { sizeKb: 2048, total: 8, nodes: [8, 0] });
  livePool(memory, { pageSize: 2 * MIB, nodes: [0, 1] });
  livePool(memory, { pageSize: GIB, nodes: [0, 1], ...(finds === undefined ? {} : { finds }) });
  return memory;
}

describe('pools: grown in the running kernel', () => {
  it('to the number wished for, once, and given back to the very number', async () => {
    const memory = machine();
    withPool(memory, { sizeKb: 2048, total: 40, nodes: [40] });
    const before = stateOf(memory);
    const wishes = [SMALL, { pageSize: GIB, count: 2 }];
    const { steps } = await plan(memory, wishes);
    deepEqual(
      steps.map(({ id, current, wanted }) => [id, current, wanted]),
      [
        ['hugepages-2M', '40 × 2M', '256 × 2M'],
        ['hugepages-1G', '0 × 1G', '2 × 1G'],
      ],
    );
    const path = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';
    equal(steps[0]?.diff, `${path}: 40 -> 256\n`);
    deepEqual(await carryOut(memory.host, () => plan(memory, wishes)), {
      done: ['hugepages-2M', 'hugepages-1G'],
      remarks: [],
    });
    deepEqual([total(memory), total(memory, GIB_KB)], [256, 2]);
    deepEqual(open(await plan(memory, wishes)), []);
    const lines = await takeBack(memory.host);
    equal(lines[1], `set ${path} back to 40`);
    deepEqual(stateOf(memory), before);
  });

  it('never shrinks one', async () => {
    const memory = withPool(machine(), { sizeKb: 2048, total: 512, free: 0, nodes: [512] });
    const { steps } = await plan(memory, [SMALL]);
    deepEqual([open({ steps }), steps[0]?.wanted], [[], '512 × 2M']);
  });

  it('what somebody else has added between plan and deed stays', async () => {
    const memory = machine();
    const planned = await plan(memory, [SMALL]);
    await memory.host.writeInPlace('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '300');
    await carryOut(memory.host, () => Promise.resolve(planned));
    equal(total(memory), 300);
  });

  it('on the node that is named, and no page more on another', async () => {
    const memory = twoNodes();
    const before = stateOf(memory);
    const wishes = [{ ...SMALL, count: 16, node: 1 }];
    await carryOut(memory.host, () => plan(memory, wishes));
    deepEqual([total(memory, 2048, node(0)), total(memory, 2048, node(1)), total(memory)], [8, 16, 24]);
    deepEqual(open(await plan(memory, wishes)), []);
    await takeBack(memory.host);
    deepEqual(stateOf(memory), before);
  });

  it('without a node: on all in turn, and given back to each', async () => {
    const memory = twoNodes();
    const before = stateOf(memory);
    await carryOut(memory.host, () => plan(memory, [{ ...SMALL, count: 28 }]));
    deepEqual([total(memory, 2048, node(0)), total(memory, 2048, node(1))], [18, 10]);
    await takeBack(memory.host);
    deepEqual(stateOf(memory), before);
  });

  it('pages wished for on a node count for those of the host', async () => {
    const memory = twoNodes();
    const wishes = [
      { ...SMALL, count: 30 },
      { ...SMALL, count: 20, node: 1 },
    ];
    await carryOut(memory.host, () => plan(memory, wishes));
    deepEqual([total(memory), total(memory, 2048, node(0)), total(memory, 2048, node(1))], [30, 9, 21]);
  });
});

describe('pools: where the kernel gives less', () => {
  const wish = { pageSize: GIB, count: 3, node: 1 };

  it('says what was wanted, what came, and what would mend it; undo gives back that', async () => {
    const memory = twoNodes(2);
    const before = stateOf(memory);
    const { done, remarks } = await carryOut(memory.host, () => plan(memory, [wish]));
    deepEqual(done, ['hugepages-1G-node1']);
    equal(remarks.length, 1);
    match(
      remarks[0] ?? '',
      /^wanted 3 × 1G on node 1, got 2: .*compacted; run it again .* kernel arguments and reboot$/,
    );
    deepEqual(open(await plan(memory, [wish])), ['hugepages-1G-node1']);
    await takeBack(memory.host);
    deepEqual(stateOf(memory), before);
  });

  it('memory is compacted once, and it is asked again', async () => {
    const memory = machine();
    livePool(memory, { pageSize: GIB, nodes: [0], finds: 1, findsCompacted: 1 });
    const { remarks } = await carryOut(memory.host, () => plan(memory, [{ pageSize: GIB, count: 3 }]));
    match(remarks[0] ?? '', /^wanted 3 × 1G, got 2:/);
  });

  it('nothing at all is no failure either', async () => {
    const memory = twoNodes(0);
    const { remarks } = await carryOut(memory.host, () => plan(memory, [wish]));
    match(remarks[0] ?? '', /, got 0:/);
    await takeBack(memory.host);
  });

  it('a file system that is read-only is told, with the file', async () => {
    const memory = machine();
    const host = { ...memory.host, writeInPlace: () => Promise.reject(new Error('EROFS: read-only file system')) };
    const error = await failure(
      'CHANGE_FAILED',
      carryOut(host, () => plan(memory, [SMALL])),
    );
    match(error.message, /^hugepages-2M failed: \/sys\/\S+2048kB\/nr_hugepages does not take 256: EROFS/);
    await takeBack(memory.host);
    equal(total(memory), 0);
  });
});

describe('pools: what is refused', () => {
  const refused = async (memory: MemoryHost, pools: readonly PoolWish[], more: object = {}): Promise<string> =>
    (await failure('SETUP_REFUSED', plan(memory, pools, more))).message;

  it('more than leaves the floor of free memory', async () => {
    const memory = machine();
    equal(
      await refused(memory, [SMALL, { pageSize: GIB, count: 10 }]),
      'reserving 256 × 2M and 10 × 1G more needs 10.5 GiB, but of 12.0 GiB available memory 2.0 GiB have to stay free',
    );
    equal(open(await plan(memory, [{ pageSize: GIB, count: 10 }])).length, 1);
    const error = await failure('SETUP_REFUSED', plan(memory, [{ pageSize: GIB, count: 12 }], { floorBytes: GIB }));
    equal(error.hint, 'ask for no more than 11.0 GiB of hugepages');
    equal(open(await plan(memory, [{ pageSize: GIB, count: 12 }], { floorBytes: 0 })).length, 1);
  });

  it('more than the next start could do with, also where nothing is done now', async () => {
    const memory = withMemory(machine(), 16 * GIB_KB, 0, 2048);
    const wish = [{ pageSize: GIB, count: 15 }];
    equal(
      await refused(memory, wish, { now: false, persist: true }),
      'reserving hugepages at each start needs 15.0 GiB, but of 16.0 GiB memory 2.0 GiB have to stay free',
    );
    withPool(memory, { sizeKb: 2048, total: 1024, nodes: [1024] });
    await refused(memory, [{ pageSize: GIB, count: 13 }], { now: false, persist: true });
  });

  it('sizes and nodes that are not there', async () => {
    equal(
      await refused(debian12(), [{ pageSize: GIB, count: 1 }]),
      'this kernel has no hugepages of 1 GiB (it has: 2 MiB)',
    );
    equal(await refused(machine(), [{ ...SMALL, node: 3 }]), 'there is no NUMA node 3 (nodes: 0)');
  });

  it('an undo that would take pages in use, or numbers of somebody else', async () => {
    const memory = machine();
    await carryOut(memory.host, () => plan(memory, [SMALL]));
    const pool = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB';
    const promised = '/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages';
    memory.file(`${pool}/free_hugepages`, '200\n').file(promised, '4\n');
    let error = await failure('CHANGED_SINCE', takeBack(memory.host));
    equal(error.message, `${pool}/nr_hugepages cannot go back to 0, because 60 of 256 are in use: nothing was undone`);
    memory.file(`${pool}/nr_hugepages`, '300\n').file(`${pool}/free_hugepages`, '300\n');
    error = await failure('CHANGED_SINCE', takeBack(memory.host));
    match(error.message, /nr_hugepages is 300 by now, neither 256 as it was left nor 0 as it was: nothing was undone$/);
    equal(total(memory, 2048, node(0)), 300);
  });

  it('but after a reboot the number belongs to nobody any more', async () => {
    const memory = machine().file('/proc/sys/kernel/random/boot_id', 'one\n');
    await carryOut(memory.host, () => plan(memory, [SMALL]));
    memory.file('/proc/sys/kernel/random/boot_id', 'two\n');
    await memory.host.writeInPlace('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '300');
    await takeBack(memory.host);
    equal(total(memory), 300);
  });
});

describe('pools: broken at every effect', () => {
  for (const late of [false, true]) {
    it(`${late ? 'killed after' : 'failing at'} each: undone, or finished and then undone`, async () => {
      const wishes = [SMALL, { pageSize: GIB, count: 2 }];
      const fresh = (): MemoryHost => machine().dir('/run/systemd/system').dir('/etc/tmpfiles.d');
      const whole = fresh();
      const all =
        (memory: MemoryHost): (() => Promise<PoolsPlan>) =>
        () =>
          plan(memory, wishes, { persist: true });
      await carryOut(whole.host, all(whole));
      equal(whole.effects > 8, true);
      for (let failAt = 1; failAt <= whole.effects; failAt++) {
        const memory = fresh();
        const before = stateOf(memory);
        Object.assign(memory, { failAt, late });
        await failure('CHANGE_FAILED', carryOut(memory.host, all(memory)));
        memory.failAt = undefined;
        if (failAt % 2 === 0) await carryOut(memory.host, all(memory));
        await takeBack(memory.host);
        deepEqual(stateOf(memory), before, `broken at ${failAt}`);
      }
    });
  }
});

describe('pools: at each start', () => {
  const systemd = (): MemoryHost => machine().dir('/run/systemd/system').dir('/etc/tmpfiles.d');
  const later = (memory: MemoryHost, ...pools: PoolWish[]): Promise<PoolsPlan> =>
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
    await takeBack(memory.host);
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
      /256 × 2M at each start: .* reserve 300 already\n4 × 1G at each start: .* reserve 4 already/,
    );
    deepEqual(open(await later(memory, { ...SMALL, count: 301 })), ['hugepages-at-start']);
  });

  it('without systemd it is a note; so is memory that nobody tells of in an image', async () => {
    const { steps, notes } = await later(machine(), SMALL);
    deepEqual(steps, []);
    match(notes[0] ?? '', /at each start somebody has to: echo 256 > \/sys\/\S+2048kB\/nr_hugepages$/);
    const inImage = image().file('/usr/lib/systemd/systemd', '');
    const planned = await later(inImage, SMALL);
    deepEqual(open(planned), ['hugepages-at-start']);
    match(planned.notes[0] ?? '', /cannot be told/);
  });

  it('the editor leaves what is not ours, and edits nothing twice', () => {
    const line = fc.constantFrom('# a comment', '', 'd /run/x 0755 - - -', 'w! /sys/a - - - - 1', '  # indented');
    const wish = fc.record({
      pageSize: fc.constantFrom(64 * KIB, 2 * MIB, GIB),
      count: fc.nat(9999),
      node: fc.option(fc.nat(3), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1 }),
        fc.uniqueArray(wish, { selector: (w) => `${w.pageSize} ${w.node}` }),
        (lines, wishes) => {
          const list = wishes.map(({ node: on, ...rest }) => (on === undefined ? rest : { ...rest, node: on }));
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
        const given = [...spread(missing, MIB, list).values()];
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
