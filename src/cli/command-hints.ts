import type { Command } from 'commander';
import { VhostHostError } from '../common/errors.js';
import { quoteForShell } from '../common/shell-quote.js';

/** Hints that fit the command line at hand: the help of the very command, and the switch that was meant. */

/** The command that the words begin with, however far that goes. */
export function commandOf(program: Command, words: readonly string[]): Command {
  let found = program;
  for (const word of words) {
    const next = found.commands.find((command) => command.name() === word || command.aliases().includes(word));
    if (next === undefined) return found;
    found = next;
  }
  return found;
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** Whose help has the answer to a mistake in the arguments. */
export function helpHint(program: Command, args: readonly string[]): string {
  return `${pathOf(commandOf(program, args))} --help`;
}

/** The run directory that was named, read by hand: a mistake further on leaves no parsed options. */
function namedRunDir(args: readonly string[]): string | undefined {
  for (const [i, arg] of args.entries()) {
    if (arg === '--run-dir') return args[i + 1];
    if (arg.startsWith('--run-dir=')) return arg.slice('--run-dir='.length);
  }
  return undefined;
}

/**
 * `wholeProgram`: with every command that a hint may name. Return: the error with `--run-dir` in each command of its
 * hint that takes it, where this command line has named one.
 */
export async function forRunDir(
  wholeProgram: () => Promise<Command>,
  args: readonly string[],
  error: unknown,
): Promise<unknown> {
  const dir = namedRunDir(args);
  if (dir === undefined || !(error instanceof VhostHostError) || error.hint === undefined) return error;
  if (error.hint.includes('--run-dir')) return error;
  const program = await wholeProgram();
  const hint = error.hint.replace(/vhost-host((?: [a-z][a-z-]*)+)/g, (all, words: string) => {
    const command = commandOf(program, words.trim().split(' '));
    if (command === program || !command.options.some(({ long }) => long === '--run-dir')) return all;
    const path = pathOf(command);
    return `${path} --run-dir ${quoteForShell(dir)}${all.slice(path.length)}`;
  });
  return new VhostHostError(error.code, error.message, { hint, details: error.details, cause: error.cause });
}
