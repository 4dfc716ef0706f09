import { messageOf } from '../../src/errors.js';
import type { Talk } from '../../src/log.js';
import type { Scope } from '../helpers/scope.js';
import type { Case } from './cases.js';
import type { Contender, Place } from './contender.js';
import { measure } from './measure.js';
import type { Measured } from './measure.js';
import { startOurs } from './ours.js';
import { addOvsPorts } from './ovs.js';
import type { Ovs } from './ovs.js';
import { rowOf } from './report.js';
import type { Row } from './report.js';
import { summarize } from './summary.js';
import type { Outcome } from './summary.js';
import type { Pace } from './windows.js';

/** All rows, all rounds, the two switches in turn: a change of the machine's mood meets both. */

export interface Plan {
  readonly cases: readonly Case[];
  readonly rounds: number;
  readonly pace: Pace;
  readonly place: Place;
  readonly ovs: Ovs | undefined;
}

interface Taken {
  readonly rounds: Measured[];
  error: string | undefined;
}

type Start = (scope: Scope, c: Case) => Promise<Contender>;

/** One that failed is not tried again: the reason is part of the result, and the other rows go on. */
async function once(taken: Taken, start: Start, c: Case, { place, pace }: Plan): Promise<void> {
  if (taken.error !== undefined) return;
  try {
    taken.rounds.push(await measure((scope) => start(scope, c), c, place, pace));
  } catch (error) {
    taken.error = messageOf(error);
  }
}

function outcomeOf({ rounds, error }: Taken): Outcome {
  return error === undefined ? summarize(rounds) : { error };
}

export async function measureRows(plan: Plan, talk: Talk): Promise<Row[]> {
  const { cases, rounds, place, ovs } = plan;
  const ours: Start = (scope, c) => startOurs(scope, c, place);
  const nothing = (): Taken => ({ rounds: [], error: undefined });
  const entries = cases.map((c) => ({ c, ours: nothing(), peer: nothing() }));
  for (let round = 1; round <= rounds; round++) {
    for (const entry of entries) {
      await talk.step(`round ${round} of ${rounds}, ${entry.c.id}`, async (update) => {
        update('ours');
        await once(entry.ours, ours, entry.c, plan);
        if (ovs === undefined) return;
        update('Open vSwitch');
        await once(entry.peer, (scope, c) => addOvsPorts(scope, ovs, c), entry.c, plan);
      });
    }
  }
  return entries.map((entry) =>
    rowOf(entry.c, outcomeOf(entry.ours), ovs === undefined ? null : outcomeOf(entry.peer)),
  );
}
