import { deepEqual, ok } from 'node:assert/strict';
import { applySteps } from '../../../src/changes/apply.js';
import { VhostHostError } from '../../../src/common/errors.js';
import type { PartPlan } from '../../../src/changes/part-plan.js';
import { isDone } from '../../../src/changes/steps.js';
import type { Step } from '../../../src/changes/steps.js';
import { doSteps } from '../../helpers/host/steps.js';
import type { MemoryHost } from '../host/memory-host.js';
import { OPTIONS, undoAll } from '../changes/steps-support.js';
import type { Host } from '../../../src/host/host.js';

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

/** Plans, does what is planned, and gives the steps done and what was remarked. */
export async function carryOut(
  host: Host,
  plan: () => Promise<{ readonly steps: readonly Step[] }>,
): Promise<{ readonly done: readonly string[]; readonly remarks: readonly string[] }> {
  const remarks: string[] = [];
  const done = await doSteps(host, (await plan()).steps, (_, line) => void remarks.push(line));
  return { done, remarks };
}

/** Steps that would change something. */
export const open = ({ steps }: { readonly steps: readonly Step[] }): string[] =>
  steps.filter((step) => !isDone(step)).map(({ id }) => id);

/** All but what the journal and the directories above it leave, which is a matter of its own tests. */
export function stateOf(memory: MemoryHost): Record<string, string> {
  return Object.fromEntries(Object.entries(memory.tree()).filter(([path]) => !/^\/var(\/|$)/.test(path)));
}
