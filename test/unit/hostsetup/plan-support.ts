import { applySteps } from '../../../src/apply.js';
import type { Host } from '../../../src/host.js';
import { Journal } from '../../../src/journal.js';
import { isDone } from '../../../src/steps.js';
import type { Step } from '../../../src/steps.js';
import { planUndo, undoOne } from '../../../src/undo.js';
import type { MemoryHost } from '../memory-host.js';
import { OPTIONS, WHAT } from '../steps-support.js';

/** Plans, does what is planned, and gives the steps done and what was remarked. */
export async function carryOut(
  host: Host,
  plan: () => Promise<{ readonly steps: readonly Step[] }>,
): Promise<{ readonly done: readonly string[]; readonly remarks: readonly string[] }> {
  const remarks: string[] = [];
  const options = { ...OPTIONS, remark: (_: Step, line: string) => void remarks.push(line) };
  return { done: await applySteps(host, (await plan()).steps, options), remarks };
}

export async function takeBack(host: Host): Promise<string[]> {
  const plan = await planUndo(host, await Journal.list(host, WHAT), []);
  for (const undoing of plan) await undoOne(host, undoing, []);
  return plan.map(({ line }) => line);
}

/** Steps that would change something. */
export const open = ({ steps }: { readonly steps: readonly Step[] }): string[] =>
  steps.filter((step) => !isDone(step)).map(({ id }) => id);

/** All but what the journal and the directories above it leave, which is a matter of its own tests. */
export function stateOf(memory: MemoryHost): Record<string, string> {
  return Object.fromEntries(Object.entries(memory.tree()).filter(([path]) => !/^\/var(\/|$)/.test(path)));
}
