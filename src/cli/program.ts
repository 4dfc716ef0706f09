import { Command, CommanderError } from 'commander';
import { VhostHostError, printable } from '../common/errors.js';
import { commandOf, forRunDir, helpHint } from './command-hints.js';
import { SWITCH_COMMANDS } from './commands-switch.js';
import type { AddCommand } from './commands-switch.js';
import type { CliContext } from './shared/context.js';
import { addExamples } from './examples.js';
import { GROUPED_HELP } from './shared/help-groups.js';
import { Verdict, errorObject, exitCodeOf } from './shared/exit-code.js';

export const PROGRAM = 'vhost-host';

/** The command line as commander sees it, with these commands; `onText` takes help and version texts. */
export function buildProgram(
  context: CliContext,
  onText: (text: string) => void,
  commands: readonly AddCommand[],
): Command {
  const program = new Command(PROGRAM)
    .description('A switch in user space for QEMU guests, and its control.')
    .version(context.version)
    .exitOverride()
    .configureHelp(GROUPED_HELP)
    // Help goes to stdout when asked for; what commander says about mistakes arrives as an error and is told there.
    .configureOutput({ writeOut: onText, writeErr: () => undefined });
  for (const add of commands) add(program, context);
  addExamples(program);
  return program;
}

/** The program for this command line: with all commands, unless the first word alone says that a few will do. */
async function programFor(args: readonly string[], context: CliContext): Promise<Command> {
  const quick = buildProgram(context, answers(context), SWITCH_COMMANDS);
  const known = ['--version', '-V', ...quick.commands.map((command) => command.name())];
  if (known.includes(args[0] ?? '')) return quick;
  return wholeProgram(context);
}

/** Three quarters of the program's text are left unread without it, which is what most of an answer's time goes to. */
async function wholeProgram(context: CliContext): Promise<Command> {
  const { ALL_COMMANDS } = await import('./commands.js');
  return buildProgram(context, answers(context), ALL_COMMANDS);
}

function answers(context: CliContext): (text: string) => void {
  return (text) => context.console.print(text.trimEnd());
}

/** Commander's complaint as one of our errors; undefined where it only showed a text that was asked for. */
function fromCommander(error: unknown, hint: string): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) return undefined;
  return new VhostHostError('USAGE', printable(error.message.replace(/^error: /, '')), { hint });
}

/** The version as people ask for it besides. */
function spelledOut(args: readonly string[]): string[] {
  const [first, ...rest] = args;
  return first === '-v' || first === 'version' ? ['--version', ...rest] : [...args];
}

/** Whether a command that does nothing but by its subcommands came without one: that asks what there is. */
function asksForHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.code === 'commander.help';
}

/** Runs one command line and returns the exit code. */
export async function runCli(given: readonly string[], context: CliContext): Promise<number> {
  const args = spelledOut(given);
  const program = await programFor(args, context);
  let failure: unknown;
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (asksForHelp(error)) commandOf(program, args).outputHelp();
    else failure = await forRunDir(() => wholeProgram(context), args, fromCommander(error, helpHint(program, args)));
  }
  // A verdict is told in the answer already.
  if (failure !== undefined && !(failure instanceof Verdict)) {
    // Looked up by hand: with a mistake in the arguments there are no parsed options to ask.
    if (args.includes('--json')) context.console.print(JSON.stringify(errorObject(failure)));
    else await context.console.fail(failure);
  }
  return exitCodeOf(failure);
}
