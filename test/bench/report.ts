import type { Machine } from './machine.js';
import type { Figures } from './rig.js';

export interface Row extends Figures {
  readonly size: number;
  readonly bitsPerSecond: number;
  /** Rounds that counted, and how many were thrown away because others took CPU time. */
  readonly rounds: number;
  readonly discarded: number;
}

export interface Report {
  readonly machine: Machine;
  readonly dpdk: string;
  readonly hugepages: boolean;
  readonly hugepagesReason: string | null;
  readonly poll: string;
  readonly switchCpu: number;
  readonly guestCpu: number;
  readonly seconds: number;
  readonly rows: readonly Row[];
}

/** Above this share of CPU time for others, a round says more about them than about the switch. */
export const foreignLimit = 0.05;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

/** The median of each figure on its own. */
export function rowOf(size: number, rounds: readonly Figures[], discarded: number): Row {
  const of = (pick: (figures: Figures) => number) => median(rounds.map(pick));
  const packetsPerSecond = of((figures) => figures.packetsPerSecond);
  return {
    size,
    packetsPerSecond,
    bitsPerSecond: packetsPerSecond * size * 8,
    dropsPerSecond: of((figures) => figures.dropsPerSecond),
    cyclesPerPacket: of((figures) => figures.cyclesPerPacket),
    busy: of((figures) => figures.busy),
    foreign: of((figures) => figures.foreign),
    features: rounds[0]?.features ?? [],
    rounds: rounds.length,
    discarded,
  };
}

const columns: readonly { title: string; cell: (row: Row) => string }[] = [
  { title: 'frame', cell: ({ size }) => `${size} B` },
  { title: 'Mpps', cell: (row) => (row.packetsPerSecond / 1e6).toFixed(2) },
  { title: 'Gbit/s', cell: (row) => (row.bitsPerSecond / 1e9).toFixed(2) },
  { title: 'drops/s', cell: (row) => row.dropsPerSecond.toFixed(0) },
  { title: 'busy cycles/frame', cell: (row) => row.cyclesPerPacket.toFixed(0) },
  { title: 'worker busy', cell: (row) => `${(row.busy * 100).toFixed(0)} %` },
  { title: 'CPU to others', cell: (row) => `${(row.foreign * 100).toFixed(1)} %` },
  {
    title: 'rounds',
    cell: (row) => (row.discarded === 0 ? String(row.rounds) : `${row.rounds} (+${row.discarded} void)`),
  },
];

function table(rows: readonly Row[]): string[] {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))];
  const widths = columns.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines.map((cells) => cells.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
}

const disturbed = `Others took more than ${foreignLimit * 100} % of the CPUs: these figures say little about the switch.`;

/** The report for people. */
export function render(report: Report): string[] {
  const { machine } = report;
  return [
    'Guest to guest throughput: one dpdk-testpmd with two virtio-user ports sends frames round through the switch',
    '(forward mode mac; the guests do not touch the payload; 1024 frames started). Medians of each figure.',
    `machine: ${machine.processor}, ${machine.cpus} CPUs, ${machine.memoryMb} MiB, Linux ${machine.kernel}`,
    `switch: ${report.dpdk}, one worker on CPU ${report.switchCpu}, ${report.poll} polling; guests on CPU ${report.guestCpu}; windows of ${report.seconds} s`,
    `memory: ${report.hugepages ? '2M hugepages' : `ordinary pages, because ${report.hugepagesReason ?? 'of the switch'}`}`,
    `negotiated: ${report.rows[0]?.features.join(' ') ?? ''}`,
    '',
    ...table(report.rows),
    ...(report.rows.some(({ foreign }) => foreign > foreignLimit) ? [disturbed] : []),
  ];
}
