import { failed, figures, isDisturbed } from './report.js';
import type { Report, Row } from './report.js';
import type { Summary } from './summary.js';

/** The bar chart of the report: two panels of rows, in each a bar for both switches. Plain SVG, no script, no font. */

const colors = { ours: '#1f6fb2', peer: '#c9822b', text: '#222222', faint: '#666666', rule: '#dddddd' } as const;
const barHeight = 9;
const rowHeight = 28;
const labelWidth = 170;
const panelWidth = 300;
const numberWidth = 50;
const gap = 30;
const top = 66;
const small = 'font-size="9"';

interface Panel {
  readonly title: string;
  readonly value: (summary: Summary) => number;
  readonly digits: number;
}

const panels: readonly Panel[] = [
  { title: 'Mpps (more is better)', value: ({ packetsPerSecond }) => packetsPerSecond / 1e6, digits: 2 },
  { title: 'busy cycles per frame (less is better)', value: ({ cyclesPerPacket }) => cyclesPerPacket, digits: 0 },
];

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${x}" y="${y}" ${more}>${escaped(content)}</text>`;
}

function barsOf(row: Row, panel: Panel, x: number, y: number, most: number): string[] {
  const both = [
    { outcome: row.ours, color: colors.ours },
    { outcome: row.peer, color: colors.peer },
  ];
  return both.flatMap(({ outcome, color }, index) => {
    const found = figures(outcome);
    if (found === undefined) return failed(outcome) ? [text(x, y + 12 + index * barHeight, 'failed', small)] : [];
    const value = panel.value(found);
    const width = ((panelWidth - numberWidth) * value) / most;
    const barY = y + 4 + index * (barHeight + 1);
    return [
      `<rect x="${x}" y="${barY}" width="${Math.max(1, width).toFixed(1)}" height="${barHeight}" fill="${color}"/>`,
      text(Math.round(x + width + 4), barY + barHeight - 1, value.toFixed(panel.digits), small),
    ];
  });
}

function panelOf(rows: readonly Row[], panel: Panel, x: number): string[] {
  const values = rows.flatMap(({ ours, peer }) => [figures(ours), figures(peer)].map((s) => (s ? panel.value(s) : 0)));
  const most = Math.max(...values, Number.MIN_VALUE);
  return [
    text(x, top - 10, panel.title, 'font-weight="bold"'),
    ...rows.flatMap((row, index) => barsOf(row, panel, x, top + index * rowHeight, most)),
  ];
}

function legend(report: Report): string[] {
  const entry = (x: number, color: string, name: string): string[] => [
    `<rect x="${x}" y="27" width="10" height="10" fill="${color}"/>`,
    text(x + 15, 36, name),
  ];
  return [
    ...entry(labelWidth, colors.ours, 'vhost-host'),
    ...(report.peer === null ? [] : entry(labelWidth + 110, colors.peer, report.peer)),
  ];
}

export function chart(report: Report): string {
  const { rows } = report;
  const width = labelWidth + panels.length * (panelWidth + gap);
  const height = top + rows.length * rowHeight + 14;
  const labels = rows.flatMap((row, index) => {
    const y = top + index * rowHeight;
    return [
      `<line x1="10" y1="${y}" x2="${width - 10}" y2="${y}" stroke="${colors.rule}"/>`,
      text(labelWidth - 12, y + 18, `${row.id}${isDisturbed(row) ? ' !' : ''}`, 'text-anchor="end"'),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11" fill="${colors.text}" role="img">`,
    `<title>Guest to guest: frames per second and cycles per frame</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(10, 18, `Guest to guest on ${report.machine.processor}, one core for the switch`, `fill="${colors.faint}"`),
    ...legend(report),
    ...labels,
    ...panels.flatMap((panel, index) => panelOf(rows, panel, labelWidth + index * (panelWidth + gap))),
    '</svg>',
    '',
  ].join('\n');
}
