import type { ConfFile } from '../../system/conf-files.js';
import { globMatches } from '../../system/conf-files.js';
import { poolFileOf } from './writes.js';
import type { PoolFile, StartWrite } from './writes.js';

/**
 * Lines of tmpfiles.d that write numbers of hugepages, in the order in which systemd-tmpfiles does them at a start
 * (src/tmpfiles/tmpfiles.c). Of several lines with the same path the first by name of file counts, and the others are
 * ignored with a warning, but for those that say the same, and for `w+` where there is nothing but `w+` before it.
 */

interface Line {
  /** `w`, `f`, … without modifiers. */
  readonly type: string;
  readonly plus: boolean;
  readonly path: string;
  readonly argument: string | undefined;
  /** All that systemd compares to find out whether a second line says the same. */
  readonly rest: string;
  readonly by: string;
}

/** Lines with patterns for paths are a world of their own, done after those with plain ones. */
const BY_PATTERN = 'wexXrRtThHaAzZm';
/** Of these there may be one for each path; the others, such as `z`, only add to it. */
const OWNERS = 'fFdDvqQpLcbCwexXrR';

/** Words as systemd splits them: with quotes and backslashes. */
function split(line: string): { readonly words: string[]; readonly argument: string | undefined } {
  const word = /\s*((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+)/y;
  const words: string[] = [];
  for (let found = word.exec(line); found !== null && words.length < 6; found = word.exec(line)) {
    words.push((found[1] ?? '').replace(/\\(.)|["']/g, (_, letter: string | undefined) => letter ?? ''));
  }
  const before = /^(?:\s*(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+){6}\s*/.exec(line)?.[0] ?? line;
  const argument = line.slice(before.length).trim();
  return { words, argument: argument === '' || argument === '-' ? undefined : argument };
}

const simplified = (path: string): string => path.replace(/\/(\.\/)*\/*/g, '/').replace(/(.)\/$/, '$1');

function linesOf({ path: file, text }: ConfFile): Line[] {
  return text.split('\n').flatMap((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const { words, argument } = split(line);
    const [action = '', path = '', ...fields] = words;
    if (!path.startsWith('/') || !/^[A-Za-z][-+!=~^$?]*$/.test(action)) return [];
    const rest = [...fields.map((field) => (field === '-' ? '' : field)), argument ?? ''].join(' ');
    const type = action.charAt(0);
    return [{ type, plus: action.includes('+'), path: simplified(path), argument, rest, by: `${file}:${i + 1}` }];
  });
}

/** The number that the kernel takes out of it (kstrtoul(): nothing but digits, and one line end). */
function pagesOf({ argument = '' }: Line): number | undefined {
  const digits = /^\+?(\d+)(?:\\n|\\012)?$/.exec(argument.replace(/%%/g, '%'))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function writes({ type, plus, argument }: Line): boolean {
  return argument !== undefined && (type === 'w' || type === 'F' || (type === 'f' && plus));
}

function compatible(a: Line, b: Line): boolean {
  const both = (sort: (line: Line) => boolean): boolean => sort(a) && sort(b);
  return (
    a.rest === b.rest || !both(({ type }) => OWNERS.includes(type)) || both(({ type, plus }) => type === 'w' && plus)
  );
}

function effective(files: readonly ConfFile[]): Line[] {
  const paths = { plain: new Map<string, Line[]>(), pattern: new Map<string, Line[]>() };
  for (const line of files.flatMap(linesOf)) {
    const world = BY_PATTERN.includes(line.type) ? paths.pattern : paths.plain;
    const there = world.get(line.path) ?? [];
    if (there.every((other) => compatible(other, line))) world.set(line.path, [...there, line]);
  }
  return [...paths.plain.values(), ...paths.pattern.values()].flat().filter(writes);
}

export interface TmpfilesRules {
  readonly defaultSize: number;
  /** Pools that may be meant by a pattern. */
  readonly pools: readonly (PoolFile & { readonly path: string })[];
}

/** What the files write, in this order. */
export function tmpfilesWrites(files: readonly ConfFile[], { defaultSize, pools }: TmpfilesRules): StartWrite[] {
  return effective(files).flatMap((line) => {
    const pages = pagesOf(line);
    if (pages === undefined) return [];
    const isPattern = line.type === 'w' && /[*?[]/.test(line.path);
    const one = poolFileOf(line.path, defaultSize);
    const meant = isPattern ? pools.filter(({ path }) => globMatches(line.path, path)) : one === undefined ? [] : [one];
    return meant.map(({ pageSize, node }) => ({ pageSize, node, pages, by: line.by }));
  });
}
