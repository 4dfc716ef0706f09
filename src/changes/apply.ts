import { changesOf, perform } from './perform.js';
import { VhostHostError, messageOf } from '../common/errors.js';
import { Journal } from './journal.js';
import { isDone } from './steps.js';
import type { Step } from './steps.js';
import { undoOne } from './undo.js';
import type { Host } from '../host/host.js';

export interface ApplyOptions {
  /** The command that makes the changes; the journal keeps runs of different commands apart. */
  readonly what: string;
  /** The command that takes them back, for the hint when something fails on the way. */
  readonly undoHint: string;
  /** Shows progress around the work of one step. */
  readonly around: (step: Step, work: () => Promise<void>) => Promise<void>;
  /** Told once a step is done that came out as less than was requested. */
  readonly remark?: (step: Step, line: string) => void;
}

/**
 * Does what is left to do of a plan, step by step, and returns the steps done. Each change is in the
 * journal before it is made, so that whatever stops us leaves something that can be undone, or finished by
 * planning anew.
 */
export async function applySteps(host: Host, steps: readonly Step[], options: ApplyOptions): Promise<string[]> {
  const todo = steps.filter((step) => !isDone(step));
  const done: string[] = [];
  if (todo.length === 0) return done;
  const journal = await Journal.begin(host, options.what);
  for (const step of todo) {
    try {
      await options.around(step, () => applyStep(host, step, journal));
    } catch (error) {
      throw failure(
        step,
        done,
        journal,
        options,
        step.takesBack === true ? await takenBack(host, step, journal, error) : error,
      );
    }
    done.push(step.id);
    const line = await step.remark?.(host);
    if (line !== undefined) options.remark?.(step, line);
  }
  return done;
}

async function applyStep(host: Host, step: Step, journal: Journal): Promise<void> {
  for (const action of step.actions) {
    await journal.record(...(await changesOf(host, action, { step: step.id, title: step.title })));
    await journal.settle(await perform(host, action));
  }
  const wrong = await step.verify?.(host);
  if (wrong !== undefined) throw new VhostHostError('CHANGE_FAILED', wrong);
}

/** The error, with what became of the changes that the step had made by then. */
async function takenBack(host: Host, step: Step, journal: Journal, error: unknown): Promise<unknown> {
  const changes = journal.changes.filter((change) => change.step === step.id).reverse();
  if (changes.length === 0) return error;
  try {
    for (const change of changes) await undoOne(host, { journal, change, line: step.title, diff: '' }, []);
    return new VhostHostError('CHANGE_FAILED', `${messageOf(error)}; its changes were taken back`, { cause: error });
  } catch (second) {
    const reason = `${messageOf(error)}; its changes could not all be taken back: ${messageOf(second)}`;
    return new VhostHostError('CHANGE_FAILED', reason, { cause: second });
  }
}

function failure(
  step: Step,
  done: readonly string[],
  journal: Journal,
  options: ApplyOptions,
  cause: unknown,
): VhostHostError {
  const changed = journal.changes.length > 0;
  const before = done.length === 0 ? '' : ` (done before it: ${done.join(', ')})`;
  const outcome = changed ? `${step.id} failed${before}` : `nothing was changed, for ${step.id} failed`;
  return new VhostHostError('CHANGE_FAILED', `${outcome}: ${messageOf(cause)}`, {
    ...(changed ? { hint: options.undoHint } : {}),
    details: { failed: step.id, done, journal: changed ? journal.path : null },
    cause,
  });
}
