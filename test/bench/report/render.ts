import type { Report, Row } from './report.js';
import { isDisturbed } from './report.js';
import {
  aligned,
  conditionsTable,
  failures,
  featuresTable,
  figuresTable,
  latencyTable,
  memoryTable,
  nicTable,
} from './table.js';
import { foreignLimit } from '../windows.js';

/** Facts that every reader needs before the first figure. */
export function facts(report: Report): string[] {
  const { machine } = report;
  const memory = report.hugepages ? '2M hugepages' : `ordinary pages (${report.hugepagesReason ?? ''})`;
  return [
    `machine: ${machine.processor}, ${machine.cpus} CPUs${machine.virtual ? ' (virtual)' : ''}, ${machine.memoryMb} MiB, Linux ${machine.kernel}`,
    `ours: ${report.switchVersion}, one busy worker on CPU ${report.switchCpu}`,
    `OVS: ${report.peer === null ? `not measured: ${report.peerReason ?? ''}` : `${report.peer}, NORMAL bridge, one PMD thread on CPU ${report.switchCpu}`}`,
    `guests: one dpdk-testpmd on CPU ${report.guestCpu}, two virtio-user ports, ${memory}`,
    `taken: ${report.rounds} rounds in turn, ${report.windows} windows of ${report.seconds} s in each; rates are medians, cycles lower quartiles`,
  ];
}

export const disturbedNote = `! no window of it was free of others (at most ${foreignLimit * 100} % of either CPU): such figures say little about a switch.`;

function guestToGuest(rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  return [
    '',
    ...aligned(figuresTable(rows)),
    '',
    ...aligned(conditionsTable(rows)),
    '',
    ...aligned(featuresTable(rows)),
  ];
}

/** The report for people. */
export function render(report: Report): string[] {
  const { rows, nic, micro } = report;
  const memory = memoryTable(report);
  const latency = latencyTable(report);
  const broken = failures([...rows, ...nic]).map((text) => `failed: ${text}`);
  return [
    ...facts(report),
    ...guestToGuest(rows),
    ...(nic.length > 0 ? ['', 'network side: net_null for the card', ...aligned(nicTable(nic))] : []),
    ...([...rows, ...nic].some(isDisturbed) ? ['', disturbedNote] : []),
    ...(broken.length > 0 ? ['', ...broken] : []),
    ...(memory === undefined ? [] : ['', 'memory of the daemon', ...aligned(memory)]),
    ...(latency === undefined ? [] : ['', 'first frame after an idle time', ...aligned(latency)]),
    ...(micro ?? []).flatMap(({ title, columns, rows: cells }) => [
      '',
      title,
      ...aligned({ head: columns, rows: cells }),
    ]),
  ];
}
