import { deepEqual, ok } from 'node:assert/strict';
import { applySteps } from '../../../src/apply.js';
import { VhostHostError } from '../../../src/errors.js';
import type { PartPlan } from '../../../src/hostsetup/plan-part.js';
import type { MemoryHost } from '../memory-host.js';
import { OPTIONS, undoAll } from '../steps-support.js';

/** A part of setup from plan to undo, on a host in memory. */

export type Planner = () => Promise<PartPlan>;

/** What the steps of a plan run, in order. */
export function commandsOf({ steps }: PartPlan): string[] {
  return steps.flatMap(({ actions }) =>
    actions.flatMap((action) => (action.kind === 'run' && action.command ? [action.command.join(' ')] : [])),
  );
}

/** Does the plan; afterwards planning again finds nothing to do. */
export async function applyOnce(memory: MemoryHost, plan: Planner): Promise<void> {
  await applySteps(memory.host, (await plan()).steps, OPTIONS);
  const { steps } = await plan();
  deepEqual(
    steps.flatMap(({ actions }) => actions),
    [],
  );
}

/** Plan, nothing left to do, undo: the host is as it was. */
export async function cycle(memory: MemoryHost, plan: Planner): Promise<void> {
  memory.dir('/var/lib');
  const before = memory.tree();
  await applyOnce(memory, plan);
  await undoAll(memory);
  deepEqual(memory.tree(), before);
}

/** The error of a plan that is refused. */
export async function refusalOf(work: Promise<unknown>): Promise<VhostHostError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  ok(error instanceof VhostHostError, String(error));
  ok(!error.message.includes('\n'));
  return error;
}
