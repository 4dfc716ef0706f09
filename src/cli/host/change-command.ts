import { isDone } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import type { Undoing } from '../../changes/undo.js';
import { agree, applyPlan, planLines, planUndoOf, reportOf, undoLines, undoPlan } from './change-report.js';
import type { ChangeFlags } from './change-report.js';
import type { CliContext } from '../shared/context.js';
import type { Host } from '../../host/host.js';

/** The course of a command that changes the host, or takes back what it has changed: show, ask, do, tell. */
export interface ChangeCommand {
  readonly context: CliContext;
  /** The system that is changed; with `--root` not the one we run on. */
  readonly host: Host;
  /** Its name behind `vhost-host`; the journal keeps what it did by it. */
  readonly what: string;
  readonly flags: ChangeFlags & { readonly leave: readonly string[] };
}

export interface ChangePlan {
  readonly steps: readonly Step[];
  /** Lines below the steps. */
  readonly notes?: readonly string[];
  /** What is said where no step has anything to do. */
  readonly idle?: string;
  /** For `--json`, beside the steps. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** What the user is told, and what `--json` gives, once all is done or looked at. */
interface Answer {
  readonly changed: boolean;
  readonly lines: readonly string[];
  readonly fields: Readonly<Record<string, unknown>>;
}

function give({ context, flags }: ChangeCommand, { changed, lines, fields }: Answer): void {
  if (flags.json === true) context.console.print(JSON.stringify({ changed, ...fields }));
  else for (const line of lines) context.console.print(line);
}

/** The plan is the answer of a dry run, and log lines where it is there to be agreed to. */
function show({ context, flags }: ChangeCommand, lines: readonly string[]): void {
  if (flags.json === true) return;
  for (const line of lines)
    if (flags.dryRun === true) context.console.print(line);
    else context.console.log(line);
}

/** `after`: what the user has to know or to do yet, once these steps are done. */
export async function runChange(
  command: ChangeCommand,
  { steps, notes = [], fields = {}, idle = 'nothing to do' }: ChangePlan,
  after: (done: readonly string[]) => Promise<readonly string[]>,
): Promise<void> {
  const { context, host, what, flags } = command;
  const reports = (done: readonly string[]): unknown => steps.map((step) => reportOf(step, done));
  show(command, [...planLines(steps), ...notes]);
  if (flags.dryRun === true) {
    give(command, { changed: false, lines: [], fields: { ...fields, steps: reports([]) } });
    return;
  }
  if (steps.every(isDone)) {
    const awaits = await after([]);
    give(command, {
      changed: false,
      lines: [idle, ...awaits],
      fields: { ...fields, steps: reports([]), awaits },
    });
    return;
  }
  await agree(context, flags, 'Change the host so?', `vhost-host ${what}`);
  const done = await applyPlan(context, host, steps, what);
  const awaits = await after(done);
  give(command, {
    changed: true,
    lines: [
      `${done.length} ${done.length === 1 ? 'change' : 'changes'} made; vhost-host ${what} --undo takes them back`,
      ...awaits,
    ],
    fields: { ...fields, steps: reports(done), awaits },
  });
}

export async function runUndo(
  command: ChangeCommand,
  after: (plan: readonly Undoing[]) => Promise<readonly string[]>,
): Promise<void> {
  const { context, host, what, flags } = command;
  const plan = await planUndoOf(host, what, flags.leave);
  const undone = plan.map(({ line, diff }) => ({ line, diff }));
  show(command, undoLines(plan));
  if (flags.dryRun === true || plan.length === 0) {
    const lines = plan.length === 0 ? ['nothing to undo'] : [];
    give(command, { changed: false, lines, fields: { undo: undone } });
    return;
  }
  await agree(context, flags, 'Take these changes back?', `vhost-host ${what} --undo`);
  await undoPlan(context, host, plan, flags.leave);
  const awaits = await after(plan);
  give(command, { changed: true, lines: ['all taken back', ...awaits], fields: { undo: undone, awaits } });
}
