import { applySteps } from '../../../src/changes/apply.js';
import { Journal } from '../../../src/changes/journal.js';
import type { Step } from '../../../src/changes/steps.js';
import { planUndo, undoOne } from '../../../src/changes/undo.js';
import type { Host } from '../../../src/host/host.js';

/** What the command line does with steps, for programs that are nothing but one part of it. */
const what = 'test';

/** Return: the ids of the steps that were done. */
export function doSteps(
  host: Host,
  steps: readonly Step[],
  remark?: (step: Step, line: string) => void,
): Promise<string[]> {
  const options = { what, undoHint: '', around: (_: Step, work: () => Promise<void>): Promise<void> => work() };
  return applySteps(host, steps, remark === undefined ? options : { ...options, remark });
}

/** Return: a line for each change that was taken back, newest first. */
export async function undoSteps(host: Host, leave: readonly string[] = []): Promise<string[]> {
  const plan = await planUndo(host, await Journal.list(host, what), leave);
  for (const undoing of plan) await undoOne(host, undoing, leave);
  return plan.map(({ line }) => line);
}
