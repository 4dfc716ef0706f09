import type { OptionGroup } from './tree.js';

/** What man pages are written in: man(7), with what groff and mandoc both read. */

/** Text for troff: nothing in it is a request or an escape. */
export function plain(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/\s+/g, ' ').trim();
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

export function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

/** `--run-dir <dir>`: bold, and what is to be replaced in italics. */
export function term(text: string): string {
  return bold(text).replace(/([<[])([^<>[\]]+)([>\]])/g, '$1\\fI$2\\fB$3');
}

export function entry(name: string, text: string): string[] {
  return ['.TP', name, plain(text)];
}

/** A summary of help as a sentence of a page. */
export function sentence(text: string): string {
  return plain(`${text[0]?.toUpperCase() ?? ''}${text.slice(1).replace(/\.$/, '')}.`);
}

/** Lines that stay as they are, indented. */
export function verbatim(lines: readonly string[]): string[] {
  return ['.RS 4', '.nf', ...lines, '.fi', '.RE'];
}

/** Every option but `--help`; `title` makes the line that a group begins with. */
export function optionEntries(groups: readonly OptionGroup[], title: (text: string) => string[]): string[] {
  const shown = groups
    .map((group) => ({ ...group, options: group.options.filter(({ long }) => long !== '--help') }))
    .filter(({ options }) => options.length > 0);
  return shown.flatMap((group) => [
    ...(shown.length > 1 ? title(group.title) : []),
    ...group.options.flatMap((option) => entry(term(option.term), option.text)),
  ]);
}

export interface Page {
  readonly name: string;
  readonly section: number;
  readonly version: string;
  readonly purpose: string;
  /** By their headings, in order; those without lines are left out. */
  readonly parts: readonly (readonly [string, readonly string[]])[];
  /** Such as `vhost-host(8)`. */
  readonly seeAlso: readonly string[];
}

const VOLUMES: Readonly<Record<number, string>> = { 1: 'User Commands', 8: 'System Administration' };

function reference(page: string, last: boolean): string {
  const [, name = page, section = ''] = /^(.*)(\(\d\))$/.exec(page) ?? [];
  return `.BR ${plain(name)} ${section}${last ? '' : ','}`;
}

/** The source of one page. */
export function pageText({ name, section, version, purpose, parts, seeAlso }: Page): string {
  const filled = parts.filter(([, lines]) => lines.length > 0);
  return [
    '.\\" Written by `npm run reference`; what stands here comes from src/cli/.',
    `.TH ${plain(name).toUpperCase()} ${section} "" "vhost-host ${version}" "${VOLUMES[section] ?? ''}"`,
    '.SH NAME',
    `${plain(name)} \\- ${plain(purpose)}`,
    ...filled.flatMap(([heading, lines]) => [`.SH ${heading}`, ...lines]),
    '.SH SEE ALSO',
    ...seeAlso.map((page, at) => reference(page, at === seeAlso.length - 1)),
    '',
  ].join('\n');
}
