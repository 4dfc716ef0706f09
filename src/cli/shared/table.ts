import { printable } from '../../common/errors.js';
import type { Look, Tone } from '../../common/output.js';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand flush right. */
  readonly right?: boolean;
  /** How good that is, where it is a state. */
  readonly tone?: (row: Row) => Tone;
  /** Left out where no row has anything to say in it. */
  readonly optional?: boolean;
}

/** What is said where there is nothing to say. */
export const NOTHING = '-';
const BETWEEN = '  ';

interface Cell {
  readonly text: string;
  readonly painted: string;
}

function cellOf<Row>({ cell, tone }: Column<Row>, row: Row, { paint }: Look): Cell {
  const text = printable(cell(row));
  return { text, painted: paint === undefined || tone === undefined ? text : paint(tone(row), text) };
}

/** What does not fit into a line stands below each other: a title and its value, a block for each row. */
function blockLines(titles: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const width = Math.max(...titles.map((title) => title.length));
  return rows.flatMap((row, i) => [
    ...(i === 0 ? [] : ['']),
    ...row.map(({ painted }, at) => `${(titles[at] ?? '').padEnd(width)}${BETWEEN}${painted}`),
  ]);
}

/** Lines of an aligned table with a head; what comes from guests or files is made safe to print. */
export function tableLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[], look: Look = {}): string[] {
  const shown = columns.filter(({ optional, cell }) => optional !== true || rows.some((row) => cell(row) !== NOTHING));
  const titles = shown.map(({ title }) => title);
  const cells = rows.map((row) => shown.map((column) => cellOf(column, row, look)));
  const widths = titles.map((title, i) => Math.max(title.length, ...cells.map((line) => line[i]?.text.length ?? 0)));
  const whole = widths.reduce((sum, width) => sum + width, BETWEEN.length * (widths.length - 1));
  if (look.width !== undefined && whole > look.width) return blockLines(titles, cells);
  const head = titles.map((title) => ({ text: title, painted: title }));
  return [head, ...cells].map((line) =>
    line
      .map(({ text, painted }, i) => {
        const blanks = ' '.repeat((widths[i] ?? 0) - text.length);
        return shown[i]?.right === true ? blanks + painted : painted + blanks;
      })
      .join(BETWEEN)
      .trimEnd(),
  );
}

/** 1234567 as 1,234,567. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Seconds as `2d 3h`, `3h 4m`, `4m 5s` or `5s`. */
export function duration(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const;
  const first = Math.max(
    0,
    units.findIndex(([, size]) => seconds >= size),
  );
  if (seconds < 1) return '0s';
  return units
    .slice(first, first + 2)
    .map(([unit, size], i) => `${Math.floor((i === 0 ? seconds : seconds % (units[first]?.[1] ?? 1)) / size)}${unit}`)
    .join(' ');
}
