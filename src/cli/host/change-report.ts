import { applySteps } from '../../changes/apply.js';
import { VhostHostError } from '../../common/errors.js';
import { Journal } from '../../changes/journal.js';
import { isDone } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import { planUndo, undoOne } from '../../changes/undo.js';
import type { Undoing } from '../../changes/undo.js';
import type { CliContext } from '../shared/context.js';
import type { Host } from '../../host/host.js';

/** What `libvirt setup` and `setup` have in common: show a plan, ask, do it or take it back, tell. */

export interface ChangeFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export interface StepReport {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  readonly state: 'unchanged' | 'planned' | 'done';
  readonly current: string;
  readonly wanted: string;
  readonly diff: string;
  readonly needsReboot: boolean;
}

export function reportOf(step: Step, done: readonly string[]): StepReport {
  const { id, title, why, current, wanted, diff, needsReboot } = step;
  const state = isDone(step) ? 'unchanged' : done.includes(id) ? 'done' : 'planned';
  return { id, title, why, state, current, wanted, diff, needsReboot };
}

/** The plan as people read it: what is done already in a word, the rest with reason and diff. */
export function planLines(steps: readonly Step[]): string[] {
  return steps.flatMap((step) =>
    isDone(step)
      ? [`= ${step.title}: unchanged`]
      : [
          `+ ${step.title}`,
          `    why: ${step.why}`,
          `    now: ${step.current}`,
          `    then: ${step.wanted}${step.needsReboot ? ' (after a reboot)' : ''}`,
          ...step.actions.flatMap((action) =>
            action.kind === 'run' && action.command !== undefined ? [`    run: ${action.command.join(' ')}`] : [],
          ),
          ...diffLines(step.diff),
        ],
  );
}

function diffLines(diff: string): string[] {
  return diff === ''
    ? []
    : diff
        .trimEnd()
        .split('\n')
        .map((line) => `    ${line}`);
}

export function undoLines(plan: readonly Undoing[]): string[] {
  return plan.flatMap(({ line, diff }) => [`- ${line}`, ...diffLines(diff)]);
}

/** Asks, or insists on `--yes` where nobody can be asked. */
export async function agree(
  context: CliContext,
  { yes, json }: ChangeFlags,
  question: string,
  command: string,
): Promise<void> {
  if (yes === true) return;
  if (!context.interactive || json === true) {
    const why = context.interactive ? '--json asks nothing' : 'there is no terminal to ask on';
    throw new VhostHostError('USAGE', `${why}, and nothing was changed`, {
      hint: `${command} --yes (or --dry-run to look only)`,
    });
  }
  if (!(await context.confirm(question))) throw new VhostHostError('CANCELLED', 'cancelled: nothing was changed');
}

export function requireRoot(context: CliContext, command: string): void {
  if (context.host.uid() === 0) return;
  throw new VhostHostError('NEEDS_ROOT', `${command} reads and changes files of root`, { hint: `sudo ${command}` });
}

export function applyPlan(context: CliContext, host: Host, steps: readonly Step[], what: string): Promise<string[]> {
  return applySteps(host, steps, {
    what,
    undoHint: `vhost-host ${what} --undo`,
    around: (step, work) => context.console.step(step.title, work),
    remark: (_, line) => context.console.log(line),
  });
}

export async function planUndoOf(host: Host, what: string, leave: readonly string[]): Promise<Undoing[]> {
  return planUndo(host, await Journal.list(host, what), leave);
}

export async function undoPlan(
  context: CliContext,
  host: Host,
  plan: readonly Undoing[],
  leave: readonly string[],
): Promise<void> {
  for (const undoing of plan) {
    await context.console.step(undoing.line, () => undoOne(host, undoing, leave));
  }
}
