import { deepEqual, equal, match } from 'node:assert/strict';
import fc from 'fast-check';
import { POOLS_CONF, editPoolsConf } from '../../../src/hostsetup/pools-persist.js';
import type { PoolWish } from '../../../src/hostsetup/pools-plan.js';
import type { PartPlan } from '../../../src/hostsetup/plan-part.js';
import { spread } from '../../../src/hostsetup/pools-target.js';
import { GIB, KIB, MIB } from '../../../src/sizes.js';
import type { MemoryHost } from '../memory-host.js';
import { failure } from '../switch/support.js';
import { carryOut, open, stateOf } from './plan-support.js';
import { undoSteps } from '../../helpers/steps.js';
import { SMALL, machine, plan, total } from './pools-scene.js';
import { image } from './systems.js';

describe('pools: broken at every effect', () => {
  for (const late of [false, true]) {
    it(`${late ? 'killed after' : 'failing at'} each: undone, or finished and then undone`, async () => {
      const wishes = [SMALL, { pageSize: GIB, count: 2 }];
      const fresh = (): MemoryHost => machine().dir('/run/systemd/system').dir('/etc/tmpfiles.d');
      const whole = fresh();
      const all =
        (memory: MemoryHost): (() => Promise<PartPlan>) =>
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
        await undoSteps(memory.host);
        deepEqual(stateOf(memory), before, `broken at ${failAt}`);
      }
    });
  }
});

describe('pools: at each start', () => {
  const systemd = (): MemoryHost => machine().dir('/run/systemd/system').dir('/etc/tmpfiles.d');
  const later = (memory: MemoryHost, ...pools: PoolWish[]): Promise<PartPlan> =>
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
      /256 × 2M at each start: .* reserve 300 already\n4 × 1G at each start: .* reserve 4 already/,
    );
    deepEqual(open(await later(memory, { ...SMALL, count: 301 })), ['hugepages-at-start']);
  });

  it('without systemd it is left to the user; so is memory that nobody tells of in an image', async () => {
    const { steps, byHand } = await later(machine(), SMALL);
    deepEqual(steps, []);
    match(byHand?.[0]?.snippet ?? '', /^echo 256 > \/sys\/\S+2048kB\/nr_hugepages$/);
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
