import { Command, CommanderError } from 'commander';
import { VhostHostError, printable } from '../errors.js';
import type { CliContext } from './context.js';
import { addCheck } from './check.js';
import { commandOf, forRunDir, helpHint } from './command-hints.js';
import { Verdict, errorObject, exitCodeOf } from './exit.js';
import { addLibvirt } from './libvirt.js';
import { addLogs } from './logs.js';
import { addMacs } from './macs.js';
import { addPorts } from './ports.js';
import { addStart } from './start.js';
import { addStats } from './stats.js';
import { addStatus } from './status.js';
import { addSetup } from './setup.js';
import { addSpread } from './spread.js';
import { addStop } from './stop.js';
import { addUplinks } from './uplinks.js';
import { addVm } from './vm.js';

export const PROGRAM = 'vhost-host';

/** The command line as commander sees it; `onText` takes help and version texts. */
export function buildProgram(context: CliContext, onText: (text: string) => void): Command {
  const program = new Command(PROGRAM)
    .description('A switch in user space for QEMU guests, and its control.')
    .version(context.version)
    .exitOverride()
    // Help goes to stdout when asked for; what commander says about mistakes arrives as an error and is told there.
    .configureOutput({ writeOut: onText, writeErr: () => undefined });
  const adders = [
    addStart,
    addStatus,
    addPorts,
    addUplinks,
    addMacs,
    addStats,
    addLogs,
    addSpread,
    addStop,
    addVm,
    addLibvirt,
    addSetup,
    addCheck,
  ];
  for (const add of adders) add(program, context);
  return program;
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
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const program = buildProgram(context, (text) => context.talk.answer(text.trimEnd()));
  let failure: unknown;
  try {
    await program.parseAsync(spelledOut(args), { from: 'user' });
  } catch (error) {
    if (asksForHelp(error)) context.talk.answer(commandOf(program, args).helpInformation().trimEnd());
    else failure = forRunDir(program, args, fromCommander(error, helpHint(program, args)));
  }
  // A verdict is told in the answer already.
  if (failure !== undefined && !(failure instanceof Verdict)) {
    // Looked up by hand: with a mistake in the arguments there are no parsed options to ask.
    if (args.includes('--json')) context.talk.answer(JSON.stringify(errorObject(failure)));
    else await context.talk.fail(failure);
  }
  return exitCodeOf(failure);
}
