import { deepEqual, equal, match } from 'node:assert/strict';
import { GIB } from '../../../../src/common/bytes.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';
import { livePool } from '../kernel/fake.js';
import { carryOut, open, stateOf } from '../plan-support.js';
import { undoSteps } from '../../../helpers/host/steps.js';
import { SMALL, machine, node, plan, total, twoNodes } from './scene.js';
import { GIB_KB, debian12, withMemory, withPool } from '../systems.js';
import type { PoolSpec } from '../../../../src/hostsetup/hugepages/spec.js';

describe('pools: grown in the running kernel', () => {
  it('to the number requested, once, and given back to the very number', async () => {
    const memory = machine();
    withPool(memory, { sizeKb: 2048, total: 40, nodes: [40] });
    const before = stateOf(memory);
    const specs = [SMALL, { pageSize: GIB, count: 2 }];
    const { steps } = await plan(memory, specs);
    deepEqual(
      steps.map(({ id, current, wanted }) => [id, current, wanted]),
      [
        ['hugepages-2M', '40 × 2M', '256 × 2M'],
        ['hugepages-1G', '0 × 1G', '2 × 1G'],
      ],
    );
    const path = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';
    equal(steps[0]?.diff, `${path}: 40 -> 256\n`);
    deepEqual(await carryOut(memory.host, () => plan(memory, specs)), {
      done: ['hugepages-2M', 'hugepages-1G'],
      remarks: [],
    });
    deepEqual([total(memory), total(memory, GIB_KB)], [256, 2]);
    deepEqual(open(await plan(memory, specs)), []);
    const lines = await undoSteps(memory.host);
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
    const specs = [{ ...SMALL, count: 16, node: 1 }];
    await carryOut(memory.host, () => plan(memory, specs));
    deepEqual([total(memory, 2048, node(0)), total(memory, 2048, node(1)), total(memory)], [8, 16, 24]);
    deepEqual(open(await plan(memory, specs)), []);
    await undoSteps(memory.host);
    deepEqual(stateOf(memory), before);
  });

  it('without a node: on all in turn, and given back to each', async () => {
    const memory = twoNodes();
    const before = stateOf(memory);
    await carryOut(memory.host, () => plan(memory, [{ ...SMALL, count: 28 }]));
    deepEqual([total(memory, 2048, node(0)), total(memory, 2048, node(1))], [18, 10]);
    await undoSteps(memory.host);
    deepEqual(stateOf(memory), before);
  });

  it('pages requested on a node count for those of the host', async () => {
    const memory = twoNodes();
    const specs = [
      { ...SMALL, count: 30 },
      { ...SMALL, count: 20, node: 1 },
    ];
    await carryOut(memory.host, () => plan(memory, specs));
    deepEqual([total(memory), total(memory, 2048, node(0)), total(memory, 2048, node(1))], [30, 9, 21]);
  });
});

describe('pools: where the kernel gives less', () => {
  const spec = { pageSize: GIB, count: 3, node: 1 };

  it('says what was wanted, what came, and what would fix it; undo gives back that', async () => {
    const memory = twoNodes(2);
    const before = stateOf(memory);
    const { done, remarks } = await carryOut(memory.host, () => plan(memory, [spec]));
    deepEqual(done, ['hugepages-1G-node1']);
    equal(remarks.length, 1);
    match(
      remarks[0] ?? '',
      /^wanted 3 × 1G on node 1, got 2: .*compacted; run it again .* kernel arguments and reboot$/,
    );
    deepEqual(open(await plan(memory, [spec])), ['hugepages-1G-node1']);
    await undoSteps(memory.host);
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
    const { remarks } = await carryOut(memory.host, () => plan(memory, [spec]));
    match(remarks[0] ?? '', /, got 0:/);
    await undoSteps(memory.host);
  });

  it('a file system that is read-only is told, with the file', async () => {
    const memory = machine();
    const host = { ...memory.host, writeInPlace: () => Promise.reject(new Error('EROFS: read-only file system')) };
    const error = await failure(
      'CHANGE_FAILED',
      carryOut(host, () => plan(memory, [SMALL])),
    );
    match(error.message, /^hugepages-2M failed: \/sys\/\S+2048kB\/nr_hugepages does not take 256: EROFS/);
    await undoSteps(memory.host);
    equal(total(memory), 0);
  });
});

describe('pools: what is refused', () => {
  const refused = async (memory: MemoryHost, pools: readonly PoolSpec[], more: object = {}): Promise<string> =>
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
    const spec = [{ pageSize: GIB, count: 15 }];
    equal(
      await refused(memory, spec, { now: false, persist: true }),
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
    let error = await failure('CHANGED_SINCE', undoSteps(memory.host));
    equal(error.message, `${pool}/nr_hugepages cannot go back to 0, because 60 of 256 are in use: nothing was undone`);
    memory.file(`${pool}/nr_hugepages`, '300\n').file(`${pool}/free_hugepages`, '300\n');
    error = await failure('CHANGED_SINCE', undoSteps(memory.host));
    match(error.message, /nr_hugepages is 300 by now, neither 256 as it was left nor 0 as it was: nothing was undone$/);
    equal(total(memory, 2048, node(0)), 300);
  });

  it('but after a reboot the number belongs to nobody any more', async () => {
    const memory = machine().file('/proc/sys/kernel/random/boot_id', 'one\n');
    await carryOut(memory.host, () => plan(memory, [SMALL]));
    memory.file('/proc/sys/kernel/random/boot_id', 'two\n');
    await memory.host.writeInPlace('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '300');
    await undoSteps(memory.host);
    equal(total(memory), 300);
  });
});
