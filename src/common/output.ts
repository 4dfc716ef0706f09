import type { Ora } from 'ora';
import { VhostHostError, messageOf, printable } from './errors.js';

/**
 * stdout is the answer, stderr is the log. Progress is a list of named steps: a spinner on a
 * terminal, plain lines elsewhere.
 */
export interface Console {
  /** One line of the answer on stdout. */
  print(line: string): void;
  /** One line on stderr. */
  log(line: string): void;
  /** Runs `work` as a named step; the step's line tells whether it came to a good end. */
  step<T>(title: string, work: (update: (text: string) => void) => Promise<T>): Promise<T>;
  /** Reports an error: one line and, where there is one, the hint. */
  fail(error: unknown): Promise<void>;
}

/** How good a state is. */
export type Tone = 'good' | 'waiting' | 'bad';

/** The terminal that an answer goes to; nothing of it where that is a file or a pipe. */
export interface Look {
  /** Characters in a line. */
  readonly width?: number;
  readonly paint?: (tone: Tone, text: string) => string;
}

const COLOURS = { good: 'green', waiting: 'yellow', bad: 'red' } as const satisfies Record<Tone, string>;

/** The terminal behind a stream. NO_COLOR: https://no-color.org. */
export async function lookOf(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Look> {
  if (stream.isTTY !== true) return {};
  // Some terminals tell no width: 0.
  const width = stream.columns > 0 ? { width: stream.columns } : {};
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return width;
  // Loaded only here: it costs a start its time.
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  return { ...width, paint: (tone, text) => chalk[COLOURS[tone]](text) };
}

export function describeError(error: unknown): { line: string; hint: string | undefined } {
  if (error instanceof VhostHostError) return { line: printable(error.message), hint: error.hint };
  return { line: `internal error: ${printable(messageOf(error))}`, hint: undefined };
}

export function makeConsole(program: string, out: NodeJS.WriteStream, err: NodeJS.WriteStream): Console {
  const log = (line: string): void => void err.write(`${line}\n`);
  return {
    print: (line) => void out.write(`${line}\n`),
    log,
    async step(title, work) {
      const spinner = await startSpinner(title, err);
      if (spinner === undefined) log(`- ${title} ...`);
      try {
        const result = await work((text) => {
          if (spinner !== undefined) spinner.text = `${title}: ${text}`;
        });
        if (spinner === undefined) log(`  ${title}: done`);
        else spinner.succeed(title);
        return result;
      } catch (error) {
        if (spinner === undefined) log(`  ${title}: failed`);
        else spinner.fail(title);
        throw error;
      }
    },
    async fail(error) {
      const { default: chalk } = await import('chalk');
      const { line, hint } = describeError(error);
      const color = err.isTTY === true;
      log(`${program}: ${color ? chalk.red(line) : line}`);
      if (hint !== undefined) log(`  ${color ? chalk.cyan(hint) : hint}`);
    },
  };
}

async function startSpinner(title: string, stream: NodeJS.WriteStream): Promise<Ora | undefined> {
  if (stream.isTTY !== true) return undefined;
  const { default: ora } = await import('ora');
  return ora({ text: title, stream }).start();
}
