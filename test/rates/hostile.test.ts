import assert from 'node:assert/strict';
import { freshScope } from '../helpers/fresh-scope.js';
import { buildFrontEnd, residentMiB } from '../helpers/frontend.js';
import { Battlefield, SECONDS, SEED } from '../helpers/hostile.js';
import { withScope } from '../helpers/scope.js';
import { until } from '../helpers/until.js';

/** How long a pair's rate is measured beside random attacks, and beside those that always have the same work. */
const RANDOM_SECONDS = Math.min(SECONDS, 8);
const FLOOD_SECONDS = Math.min(SECONDS, 3);
/** It measures for longer where others disturb it (frontend/rate.c). */
const PATIENCE = 4;
/** What random attacks may add to the daemon; its own heap breathes, too. */
const ROOM_MIB = 48;

describe('a well-behaved pair of guests beside others', function () {
  this.timeout(300_000);
  const scope = freshScope();
  let field: Battlefield;

  before(() => withScope((building) => buildFrontEnd(building, 'hostile')));
  beforeEach(async () => (field = await Battlefield.start(scope())));

  /** What the pair keeps of its rate while `part` is at work: at least `least` of it. */
  async function keepsItsRate(part: string, seconds: number, args: readonly string[], least = 0.9): Promise<void> {
    const measure = async () => {
      const deadline = 60_000 + PATIENCE * seconds * 1000;
      const told = await field.attack(part, ['a', 'b', String(seconds), ...args, String(field.pid)], deadline);
      return { told, ratio: (JSON.parse(told) as { ratio: number }).ratio };
    };
    let measured = await measure();
    // Up to four times more: the machine is shared, and a bad stretch says nothing about the switch. It is another switch
    // then, which has not shut the port to the attacker.
    for (let again = 0; measured.ratio < least && again < 4; again++) {
      field = await Battlefield.start(scope());
      measured = await measure();
    }
    assert.ok(measured.ratio >= least, measured.told);
  }

  /** Goes on with it until the switch has had enough: how much that takes in seconds is the machine's affair. */
  async function isRejected(part: string, args: readonly string[], words: RegExp): Promise<void> {
    const refused = async () => words.test(await field.vswitch.log());
    const goOn = async () => {
      const deadline = 60_000 + PATIENCE * FLOOD_SECONDS * 1000;
      await field.attack(part, ['a', 'b', String(FLOOD_SECONDS), ...args, String(field.pid)], deadline);
    };
    const attackUntilRefused = async () => {
      if (await refused()) return true;
      await goOn().catch(() => undefined);
      return refused();
    };
    await until(attackUntilRefused, { deadline: 60_000, what: `${String(words)} in the log` });
  }

  it(`loses less than a tenth of its rate, and the switch keeps its size, under random attacks (seed ${SEED})`, async () => {
    const { pid } = field;
    const before = await residentMiB(pid);
    await keepsItsRate('measure', RANDOM_SECONDS, ['evil', SEED]);
    const grown = (await residentMiB(pid)) - before;
    assert.ok(grown < ROOM_MIB, `resident memory has grown by ${grown.toFixed(1)} MiB`);
  });

  it('loses less than a tenth of its rate to a guest that sends chains of nothing', async () => {
    await keepsItsRate('chains', FLOOD_SECONDS, ['evil']);
  });

  it('loses less than a twentieth to a guest that has every interrupt stop its sender', async () => {
    await keepsItsRate('flips', FLOOD_SECONDS, ['evil'], 0.95);
    await isRejected('flips', ['evil'], /port evil \(\d+\): rejected: a write to its call eventfd did not return/);
  });

  it('loses less than a twentieth to a guest with thousands of watches, which is refused', async () => {
    await keepsItsRate('watches', FLOOD_SECONDS, ['evil', '3000'], 0.95);
    await isRejected(
      'watches',
      ['evil', '3000'],
      /port evil \(\d+\): rejected: waking its guest takes more processor time/,
    );
  });

  for (const receiver of ['dead', 'slow']) {
    it(`loses less than a tenth of its rate to another pair whose receiver is ${receiver}`, async () => {
      await keepsItsRate('full', FLOOD_SECONDS, ['evil', 'other', receiver]);
      assert.ok(((await field.vswitch.counters('other')).drops.rx_ring_full ?? 0) > 0, 'its ring was full');
    });
  }
});
