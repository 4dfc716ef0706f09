import { bin, tempDir } from '../../helpers/paths.js';
import type { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { median } from '../report/summary.js';
import type { Table } from '../report/table.js';
import { timeOf, withoutNodeVariables } from './timed-call.js';

/**
 * `npm run bench -- --cli`: how fast `vhost-host` answers, as a multiple of what an empty Node program takes here. Each
 * turn takes Node and every command once, so that a change of the machine's mood meets all.
 */

/** 200 ms where Node itself takes 60. */
export const MOST_TIMES_NODE = 200 / 60;

export interface CommandRow {
  readonly command: string;
  /** Milliseconds, medians of `runs` calls. */
  readonly node: number;
  readonly answer: number;
  /** The median of the ratios within one turn. */
  readonly ratio: number;
  readonly runs: number;
}

const empty = { command: process.execPath, args: ['-e', '0'] };

export async function measureCommandLine(scope: Scope, runs: number): Promise<CommandRow[]> {
  const { runDir } = await Switch.start(scope, { runDir: await tempDir(scope), args: ['--hugepages', 'off'] });
  const env = { ...withoutNodeVariables(), VHOST_HOST_RUN_DIR: runDir };
  const commands = ['--version', 'status', 'ports', 'stats', 'check --help'];
  const turns: { node: number; answers: number[] }[] = [];
  // One more, thrown away: it finds cold files.
  for (let run = 0; run <= runs; run++) {
    const node = await timeOf(empty, env);
    const answers: number[] = [];
    for (const command of commands)
      answers.push(await timeOf({ command: bin.vhostHost, args: command.split(' ') }, env));
    if (run > 0) turns.push({ node, answers });
  }
  return commands.map((command, at) => ({
    ...{ command, runs },
    node: median(turns.map(({ node }) => node)),
    answer: median(turns.map(({ answers }) => answers[at] ?? NaN)),
    ratio: median(turns.map(({ node, answers }) => (answers[at] ?? NaN) / node)),
  }));
}

export function commandLineTable(rows: readonly CommandRow[]): Table {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  return {
    head: ['vhost-host', 'Node alone', 'answers in', 'ratio', 'at most', 'calls'],
    rows: rows.map(({ command, node, answer, ratio, runs }) => [
      ...[command, ms(node), ms(answer), ratio.toFixed(2), MOST_TIMES_NODE.toFixed(2), String(runs)],
    ]),
  };
}
