import { failed, figures, limitOf } from './report.js';
import type { NicRow, Report, Row } from './report.js';
import type { Outcome, Summary } from './summary.js';

/** The cells of the report, shared by terminal and document. */

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const pair = (row: Pick<Row, 'ours' | 'peer'>, cell: (summary: Summary) => string): string[] =>
  [row.ours, row.peer].map((outcome: Outcome | null) => {
    const found = figures(outcome);
    if (found !== undefined) return cell(found);
    return failed(outcome) ? 'failed' : '–';
  });

const mpps = (summary: Summary): string => (summary.packetsPerSecond / 1e6).toFixed(2);
const gbits = (summary: Summary): string => (summary.bitsPerSecond / 1e9).toFixed(1);
const cycles = (summary: Summary): string => summary.cyclesPerPacket.toFixed(0);
const busy = (summary: Summary): string => `${(summary.busy * 100).toFixed(0)} %`;
const dropped = (summary: Summary): string => `${(summary.dropped * 100).toFixed(1)} %`;
const lost = (summary: Summary): string => `${summary.lostByGuests}/${summary.lostBySwitch}`;
const windows = (summary: Summary): string =>
  `${summary.windows}${summary.discarded === 0 ? '' : ` (+${summary.discarded})`}${summary.disturbed ? '!' : ''}`;

function ratio(row: Row, pick: (ratio: NonNullable<Row['ratio']>) => number): string {
  return row.ratio === null ? '–' : pick(row.ratio).toFixed(2);
}

/** The figures: for each both switches, ours first. */
export function figuresTable(rows: readonly Row[]): Table {
  const both = ['ours', 'OVS'];
  return {
    head: [
      ...['row', ...both.map((who) => `Mpps ${who}`), 'ratio', ...both.map((who) => `Gbit/s ${who}`)],
      ...[...both.map((who) => `cycles/frame ${who}`), 'ratio', ...both.map((who) => `busy ${who}`)],
    ],
    rows: rows.map((row) => [
      ...[row.id, ...pair(row, mpps), ratio(row, ({ throughput }) => throughput), ...pair(row, gbits)],
      ...[...pair(row, cycles), ratio(row, (found) => found.cycles), ...pair(row, busy)],
    ]),
  };
}

/** The figures of the network side; frames per core are those per busy cycle of the switch's. */
export function nicTable(rows: readonly NicRow[]): Table {
  const both = ['ours', 'OVS'];
  const columns = (what: string): string[] => both.map((who) => `${what} ${who}`);
  return {
    head: [
      ...['row', ...columns('cycles/frame'), 'frames per core', ...columns('Mpps'), 'ratio'],
      ...[...columns('busy'), ...columns('dropped'), ...columns('windows')],
    ],
    rows: rows.map((row) => [
      ...[row.id, ...pair(row, cycles), row.ratio === null ? '–' : `x ${row.ratio.perCore.toFixed(2)}`],
      ...[...pair(row, mpps), row.ratio === null ? '–' : row.ratio.throughput.toFixed(2)],
      ...[...pair(row, busy), ...pair(row, dropped), ...pair(row, windows)],
    ]),
  };
}

/** How far the figures can be trusted, and what each row ends at. */
export function conditionsTable(rows: readonly Row[]): Table {
  return {
    head: ['row', 'frames in flight', 'lost ours', 'lost OVS', 'windows ours', 'windows OVS', 'limited by'],
    rows: rows.map((row) => [
      ...[row.id, String(row.inFlight), ...pair(row, lost), ...pair(row, windows)],
      limitOf(row),
    ]),
  };
}

/** What was negotiated, and the functions that the guests' driver chose for it; once for each kind of ring. */
export function featuresTable(rows: readonly Row[]): Table {
  const first = rows.filter((row, index) => rows.findIndex(({ rings }) => rings === row.rings) === index);
  const names = (row: Row): string[] => pair(row, ({ features }) => features.join(' '));
  const paths = (row: Row): string[] => pair(row, ({ guestPaths }) => guestPaths.join(', '));
  return {
    head: ['rings', 'negotiated with ours', 'negotiated with OVS', "guests' functions with ours", 'with OVS'],
    rows: first.map((row) => [row.rings, ...names(row), ...paths(row)]),
  };
}

export function memoryTable({ memory }: Report): Table | undefined {
  if (memory === null) return undefined;
  const mb = (value: number): string => `${value.toFixed(1)} MiB`;
  return {
    head: [
      'ports',
      'beyond buffers',
      'of it own',
      'of it programs and libraries',
      "DPDK's memory",
      "guests' memory touched",
    ],
    rows: [
      [
        ...[String(memory.ports), mb(memory.beyondBuffers), mb(memory.own), mb(memory.files)],
        ...[mb(memory.buffers), mb(memory.guests)],
      ],
    ],
  };
}

export function latencyTable({ latency }: Report): Table | undefined {
  if (latency === null) return undefined;
  const us = (value: number): string => `${value.toFixed(1)} us`;
  const { busy, adaptive } = latency;
  return {
    head: ['idle before', 'frames', 'busy', 'adaptive', 'median difference', '90 % below: busy', 'adaptive'],
    rows: [
      [
        ...[us(latency.idleUs), String(adaptive.frames), us(busy.medianUs), us(adaptive.medianUs)],
        ...[us(adaptive.medianUs - busy.medianUs), us(busy.p90Us), us(adaptive.p90Us)],
      ],
    ],
  };
}

/** What failed, one line each. */
export function failures(rows: readonly Pick<Row, 'id' | 'ours' | 'peer'>[]): string[] {
  return rows.flatMap((row) =>
    [
      { who: 'ours', outcome: row.ours },
      { who: 'OVS', outcome: row.peer },
    ].flatMap(({ who, outcome }) => (failed(outcome) ? [`${row.id}, ${who}: ${outcome.error}`] : [])),
  );
}

/** In columns, for a terminal. */
export function aligned({ head, rows }: Table): string[] {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** As Markdown. */
export function markdown({ head, rows }: Table): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map((_, index) => (index === 0 ? '---' : '--:')).join('|')}|`, ...rows.map(line)];
}
