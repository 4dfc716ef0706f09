import { messageOf } from '../../src/common/errors.js';
import type { Console } from '../../src/common/output.js';
import type { Case } from './cases.js';
import type { Place } from './contenders/contender.js';
import { measure } from './measure.js';
import type { Measured } from './measure.js';
import { measureNic } from './nic/nic.js';
import type { NicCase } from './nic/cases.js';
import { startOursWithNic } from './nic/ours.js';
import { addOvsNic } from './nic/ovs.js';
import { startOurs } from './contenders/ours.js';
import { addOvsPorts } from './contenders/ovs.js';
import type { Ovs } from './contenders/ovs.js';
import { nicRowOf, rowOf } from './report/report.js';
import type { NicRow, Row } from './report/report.js';
import { summarize } from './report/summary.js';
import type { Outcome } from './report/summary.js';
import type { Pace } from './windows.js';

/** All rows, all rounds, the two switches in turn: a change of the machine's mood meets both. */

export interface Plan {
  readonly rounds: number;
  readonly pace: Pace;
  readonly place: Place;
  readonly ovs: Ovs | undefined;
}

interface Taken {
  readonly rounds: Measured[];
  error: string | undefined;
}

/** One that failed is not tried again: the reason is part of the result, and the other rows go on. */
async function once(taken: Taken, take: () => Promise<Measured>): Promise<void> {
  if (taken.error !== undefined) return;
  try {
    taken.rounds.push(await take());
  } catch (error) {
    taken.error = messageOf(error);
  }
}

function outcomeOf({ rounds, error }: Taken): Outcome {
  return error === undefined ? summarize(rounds) : { error };
}

/** How a round of a row is taken of each switch. */
interface Takers<C> {
  readonly ours: (c: C) => Promise<Measured>;
  readonly peer: ((c: C) => Promise<Measured>) | undefined;
}

interface Result<C> {
  readonly c: C;
  readonly ours: Outcome;
  readonly peer: Outcome | null;
}

async function inTurn<C extends { readonly id: string }>(
  cases: readonly C[],
  rounds: number,
  { ours, peer }: Takers<C>,
  console: Console,
): Promise<Result<C>[]> {
  const nothing = (): Taken => ({ rounds: [], error: undefined });
  const entries = cases.map((c) => ({ c, ours: nothing(), peer: nothing() }));
  for (let round = 1; round <= rounds; round++) {
    for (const entry of entries) {
      await console.step(`round ${round} of ${rounds}, ${entry.c.id}`, async (update) => {
        update('ours');
        await once(entry.ours, () => ours(entry.c));
        if (peer === undefined) return;
        update('Open vSwitch');
        await once(entry.peer, () => peer(entry.c));
      });
    }
  }
  return entries.map((entry) => ({
    ...{ c: entry.c, ours: outcomeOf(entry.ours) },
    peer: peer === undefined ? null : outcomeOf(entry.peer),
  }));
}

export async function measureRows(cases: readonly Case[], plan: Plan, console: Console): Promise<Row[]> {
  const { rounds, place, pace, ovs } = plan;
  const takers: Takers<Case> = {
    ours: (c) => measure((scope) => startOurs(scope, c, place), c, place, pace),
    peer: ovs === undefined ? undefined : (c) => measure((scope) => addOvsPorts(scope, ovs, c), c, place, pace),
  };
  return (await inTurn(cases, rounds, takers, console)).map(({ c, ours, peer }) => rowOf(c, ours, peer));
}

export async function measureNicRows(cases: readonly NicCase[], plan: Plan, console: Console): Promise<NicRow[]> {
  const { rounds, place, pace, ovs } = plan;
  const takers: Takers<NicCase> = {
    ours: (c) => measureNic((scope) => startOursWithNic(scope, c, place), c, place, pace),
    peer: ovs === undefined ? undefined : (c) => measureNic((scope) => addOvsNic(scope, ovs, c), c, place, pace),
  };
  return (await inTurn(cases, rounds, takers, console)).map(({ c, ours, peer }) => nicRowOf(c, ours, peer));
}
