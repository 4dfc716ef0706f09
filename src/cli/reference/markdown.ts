import { withAllBelow } from './tree.js';
import type { CommandNode, OptionGroup } from './tree.js';

/** docs/reference/cli.md. */

export const HEAD = '<!-- Written by `npm run reference`. -->';

/** A text in a cell of a table. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replace(/\s+/g, ' ');
}

/** As it is typed, in a cell of a table. */
export function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}

const fence = (lines: readonly string[]): string[] => ['```text', ...lines, '```', ''];

function groupLines({ title, options }: OptionGroup): string[] {
  const shown = options.filter(({ long }) => long !== '--help');
  const rows = shown.map(({ term, text }) => [code(term), cell(text)]);
  return shown.length === 0 ? [] : table([title, ''], rows);
}

function sentence(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1).replace(/\.$/, '')}.`;
}

function section(node: CommandNode): string[] {
  const calls = node.examples.flatMap(({ purpose, call }) => [...(purpose === '' ? [] : [`# ${purpose}`]), call]);
  return [
    `${'#'.repeat(node.words.length + 1)} ${node.name}`,
    '',
    cell(sentence(node.summary)),
    '',
    ...fence([`${node.name} ${node.usage}`.trim()]),
    ...(node.operands.length === 0
      ? []
      : table(
          ['Argument', ''],
          node.operands.map(({ term, text }) => [code(term), cell(text)]),
        )),
    ...node.groups.flatMap(groupLines),
    ...node.notes.flatMap((note) => fence(note.split('\n'))),
    ...(calls.length === 0 ? [] : fence(calls)),
  ];
}

export function commandReference(tree: CommandNode): string {
  return [HEAD, '', ...withAllBelow(tree).flatMap(section)].join('\n');
}
