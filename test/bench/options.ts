import { parseArgs } from 'node:util';
import { VhostHostError, messageOf } from '../../src/common/errors.js';
import { allCases, chooseCases } from './cases.js';
import type { Case } from './cases.js';
import { nicCases } from './nic/cases.js';
import type { NicCase } from './nic/cases.js';

export interface Options {
  readonly json: boolean;
  readonly list: boolean;
  readonly cases: readonly Case[];
  readonly nicCases: readonly NicCase[];
  readonly rounds: number;
  readonly windows: number;
  readonly seconds: number;
  readonly peer: boolean;
  readonly hugepages: boolean;
  readonly memory: boolean;
  readonly latency: boolean;
  /** How much the ring to ring bench does; 0: not at all. */
  readonly micro: number;
  readonly writeDocs: boolean;
  /** Starts of each call through qemu-wrap, instead of the switch's rows; 0: not at all. */
  readonly wrap: number;
  /** Calls of each command of `vhost-host`, likewise. */
  readonly commandLine: number;
}

export const usage = [
  'npm run bench -- [OPTION...]',
  '  --rows PATTERN    only rows whose name matches this regular expression (--list shows them)',
  '  --nic             only the rows of the network side',
  '  --quick           four rows, short windows: does everything work?',
  '  --rounds N        rounds in which both switches are measured in turn (3)',
  '  --windows N       undisturbed windows wanted of each switch, row and round (3)',
  '  --seconds S       length of a window (1)',
  '  --micro           also the ring to ring bench of the switch alone; --effort N makes it longer',
  '  --wrap            only what qemu-wrap adds to the start of a guest; --effort N makes it longer',
  '  --cli             only how fast vhost-host answers; --effort N makes it longer',
  '  --no-ovs          do not compare with Open vSwitch',
  '  --no-hugepages    do not reserve hugepages (then there is no Open vSwitch either)',
  '  --no-memory       leave out the memory of the daemon',
  '  --no-latency      leave out the first frame after an idle time',
  '  --json            one object for machines',
  '  --write-docs      write docs/performance.md and docs/performance.svg (with --micro for everything in it)',
];

const wrapRuns = 41;
const commandLineRuns = 21;

function wrong(message: string): VhostHostError {
  return new VhostHostError('USAGE', message, { hint: 'npm run bench -- --help' });
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw wrong(`--${name} takes a whole number from 1 on, not ${text}`);
}

function duration(text: string): number {
  const value = Number(text);
  // Below, reading the counters takes a good part of the time; above, nobody waits for it.
  if (value >= 0.2 && value <= 60) return value;
  throw wrong(`--seconds takes a number from 0.2 to 60, not ${text}`);
}

/** Enough to see that both directions of the network side work. */
const quickNic = ['receive/split/64', 'transmit/packed/1500'];

interface Chosen {
  readonly cases: readonly Case[];
  readonly nicCases: readonly NicCase[];
}

function casesOf(pattern: string | undefined, quick: boolean, nic: boolean): Chosen {
  let regExp: RegExp | undefined;
  try {
    regExp = pattern === undefined ? undefined : new RegExp(pattern);
  } catch (error) {
    throw wrong(`--rows: ${messageOf(error)}`);
  }
  const wanted = ({ id }: NicCase): boolean => regExp?.test(id) ?? (!quick || quickNic.includes(id));
  const chosen = { cases: nic ? [] : chooseCases(regExp, quick), nicCases: nicCases.filter(wanted) };
  if (chosen.cases.length + chosen.nicCases.length === 0) {
    const ids = [...(nic ? [] : allCases), ...nicCases].map(({ id }) => id);
    throw wrong(`no row matches ${pattern ?? ''}; there are: ${ids.join(' ')}`);
  }
  return chosen;
}

const declared = {
  json: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  nic: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  micro: { type: 'boolean', default: false },
  wrap: { type: 'boolean', default: false },
  cli: { type: 'boolean', default: false },
  'no-ovs': { type: 'boolean', default: false },
  'no-hugepages': { type: 'boolean', default: false },
  'no-memory': { type: 'boolean', default: false },
  'no-latency': { type: 'boolean', default: false },
  'write-docs': { type: 'boolean', default: false },
  rows: { type: 'string' },
  rounds: { type: 'string' },
  windows: { type: 'string' },
  seconds: { type: 'string' },
  effort: { type: 'string', default: '1' },
} as const;

/** Undefined: help was asked for. */
export function parseOptions(args: string[]): Options | undefined {
  let values;
  try {
    ({ values } = parseArgs({ args, options: declared }));
  } catch (error) {
    throw wrong(messageOf(error));
  }
  if (values.help) return undefined;
  const { json, list, quick, nic } = values;
  return {
    ...{ json, list },
    ...casesOf(values.rows, quick, nic),
    rounds: count('rounds', values.rounds ?? (quick ? '1' : '3')),
    windows: count('windows', values.windows ?? (quick ? '2' : '3')),
    seconds: duration(values.seconds ?? (quick ? '0.3' : '1')),
    peer: !values['no-ovs'],
    hugepages: !values['no-hugepages'],
    memory: !values['no-memory'] && !nic,
    latency: !values['no-latency'] && !nic,
    micro: values.micro ? count('effort', values.effort) : 0,
    writeDocs: values['write-docs'],
    wrap: values.wrap ? wrapRuns * count('effort', values.effort) : 0,
    commandLine: values.cli ? commandLineRuns * count('effort', values.effort) : 0,
  };
}
