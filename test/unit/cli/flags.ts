import type { Command } from 'commander';
import { ALL_COMMANDS } from '../../../src/cli/commands.js';
import { buildProgram } from '../../../src/cli/program.js';
import { Desk } from './support.js';
import type { Outcome } from './support.js';

/** Which flags the calls of a test file have used, so that a last test can name the ones that none did. */
export class FlagLedger {
  /** `ports add --queues` and the like. */
  readonly #used = new Set<string>();

  async run(desk: Desk, ...args: string[]): Promise<Outcome> {
    const { path } = leaf(program(), args);
    for (const flag of args.filter((arg) => arg.startsWith('--'))) this.#used.add([...path, flag].join(' '));
    return desk.run(...args);
  }

  /** Declared, not used, and nobody else's. */
  unused(elsewhere: (flag: string) => boolean): string[] {
    const all = declared(program());
    const flags = all.filter((flag) => !elsewhere(flag));
    if (all.length < 10 || flags.length === 0)
      throw new Error(`only ${flags.length} of ${all.length} flags are declared`);
    return flags.filter((flag) => !this.#used.has(flag));
  }
}

function program(): Command {
  return buildProgram(new Desk().context([], []), () => undefined, ALL_COMMANDS);
}

function leaf(command: Command, args: readonly string[]): { command: Command; path: string[] } {
  const [word, ...rest] = args;
  const next = command.commands.find((child) => child.name() === word);
  if (next === undefined || word === undefined) return { command, path: [] };
  const found = leaf(next, rest);
  return { command: found.command, path: [word, ...found.path] };
}

function declared(command: Command, path: readonly string[] = []): string[] {
  const own = command.options.map(({ long }) => [...path, long].join(' '));
  return [...own, ...command.commands.flatMap((child) => declared(child, [...path, child.name()]))];
}

/** Why a command line that a text tells people to type is none of ours; undefined where it is one. */
export function mistakeIn(words: readonly string[]): string | undefined {
  const { command, path } = leaf(program(), words);
  if (path.length === 0 || command.commands.length > 0) return `no subcommand: ${words.join(' ')}`;
  const flags = words.filter((word) => word.startsWith('--'));
  return flags.find((flag) => !command.options.some(({ long }) => long === flag));
}
