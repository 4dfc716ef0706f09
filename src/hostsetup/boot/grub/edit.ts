import { VhostHostError } from '../../../common/errors.js';
import type { Assignment } from '../../system/shell-vars.js';
import { MAIN, VARIABLES, readGrubLine, refuse, writtenWords } from './line.js';
import type { GrubLine } from './line.js';
import { parseKernelLine } from '../../kernel/args.js';
import { applySpec, fulfils, ownArgs, withoutOwn } from '../../kernel/spec.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';
import type { Atom, ShellFile, Written } from '../../system/shell-values.js';

/** Edits of GRUB's files by single characters, so that quotes, comments and what is not understood stay. */

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

type Edits = Map<string, Edit[]>;

const isBlank = (atom: Written | undefined): boolean => atom !== undefined && /\s/.test(atom.char.text);

/** All characters that one assignment has written, in order. */
function charsOf({ by, file }: Written): Written[] {
  return by.value.pieces.flatMap((piece) => (piece.kind === 'char' ? [{ char: piece, by, file }] : []));
}

/** The words with the blanks before them; at the start of a value those behind. In the place of `spot` others come. */
function removals(words: readonly (readonly Written[])[], spot: Written | undefined): Set<Written['char']> {
  const gone = new Set<Written['char']>(words.flat().map(({ char }) => char));
  for (const word of words) {
    const [first, last] = [word[0], word.at(-1)];
    if (first === undefined || last === undefined || first.char === spot?.char) continue;
    const [all, behind] = [charsOf(first), charsOf(last)];
    const at = all.findIndex(({ char }) => char === first.char);
    const kept = all.slice(0, at).some((one) => one.char === spot?.char || (!gone.has(one.char) && !isBlank(one)));
    if (kept || first.by.value.pieces[0] !== all[0]?.char) {
      for (let i = at - 1; isBlank(all[i]); i--) gone.add(all[i]?.char ?? first.char);
    } else {
      for (let i = behind.findIndex(({ char }) => char === last.char) + 1; isBlank(behind[i]); i++)
        gone.add(behind[i]?.char ?? last.char);
    }
  }
  return gone;
}

/** What lies between two characters of the same quotes, such as the end of a line that goes on, goes with them. */
function removalEdits(chars: readonly Written[], gone: ReadonlySet<Written['char']>): Edit[] {
  const edits: Edit[] = [];
  let last: Written | undefined;
  for (const one of chars) {
    if (!gone.has(one.char)) {
      last = undefined;
      continue;
    }
    const { start, end, region } = one.char;
    const before = edits.at(-1);
    if (last !== undefined && last.char.region === region && before !== undefined) {
      edits[edits.length - 1] = { ...before, end };
    } else edits.push({ start, end, text: '' });
    last = one;
  }
  return edits;
}

function apply(text: string, edits: readonly Edit[]): string {
  // Of two at one place the one that takes nothing away comes first.
  const order = [...edits].sort((a, b) => b.start - a.start || b.end - a.end);
  return order.reduce((now, { start, end, text: put }) => now.slice(0, start) + put + now.slice(end), text);
}

function add(edits: Edits, path: string, list: readonly Edit[]): void {
  edits.set(path, [...(edits.get(path) ?? []), ...list]);
}

/** The edits that take every argument of ours out. */
function takeOut(words: readonly (readonly Written[])[], spot: Written | undefined): Edits {
  const gone = removals(words, spot);
  const edits: Edits = new Map();
  const seen = new Set<Assignment>();
  for (const one of words.flat()) {
    if (seen.has(one.by)) continue;
    seen.add(one.by);
    add(edits, one.file.path, removalEdits(charsOf(one), gone));
  }
  return edits;
}

/** The first word of the last assignment that has any. */
function spotOf(words: readonly (readonly Written[])[]): Written | undefined {
  const owner = words.at(-1)?.[0];
  return words.find(([one]) => one?.by === owner?.by)?.[0];
}

/** In that place, else at the end of the last assignment of `MAIN`. */
function putIn(line: GrubLine, spot: Written | undefined, args: string): [string, Edit] | undefined {
  if (spot !== undefined) {
    const { start, quote } = spot.char;
    return [spot.file.path, { start, end: start, text: quoted(args, quote) }];
  }
  const { statement, file } = line.setBy.get(MAIN) ?? {};
  if (statement?.kind !== 'assignment' || file === undefined) return undefined;
  const { value } = statement;
  const source = file.text.slice(value.start, value.end);
  const end = endMark(line);
  if (end?.char !== undefined && end.by === statement) {
    const { start, quote } = end.char;
    return [file.path, { start, end: start, text: quoted(`${args} `, quote) }];
  }
  // A value without quotes gets some; what stands in it means the same between them.
  if (/^[\w${}=.,:/%@+-]*$/.test(source))
    return [file.path, { start: value.start, end: value.end, text: `"${[source, args].filter(Boolean).join(' ')}"` }];
  const blank = value.pieces.length === 0 ? '' : ' ';
  return [file.path, { start: value.tail.at, end: value.tail.at, text: quoted(blank + args, value.tail.quote) }];
}

/** Where `--` is written, behind which nothing is the kernel's. */
function endMark({ line, atoms }: GrubLine): Atom | undefined {
  let at = 0;
  for (const { gap, text } of parseKernelLine(line).args) {
    at += gap.length;
    if (text === '--') return atoms[at];
    at += text.length;
  }
  return undefined;
}

const quoted = (text: string, quote: string): string => (quote === '' ? `"${text}"` : text);

/** Which words of a command line are not ours, all in order, and what is handed on to the first process. */
const foreign = (line: string, spec: KernelArgsSpec): string => withoutOwn(line, spec).trim().split(/\s+/).join(' ');

/** What is wrong with a line that should be `before` but for the spec; the arguments of ours are `args` then. */
export function difference(before: string, after: string, spec: KernelArgsSpec, args: string): string | undefined {
  if (foreign(before, spec) !== foreign(after, spec))
    return `"${after.trim()}" has other words than "${before.trim()}"`;
  const now = ownArgs(after, spec).join(' ');
  return now === args ? undefined : `"${after.trim()}" has ${now === '' ? 'none of the arguments' : now}`;
}

export interface GrubEdit {
  readonly before: GrubLine;
  /** Arguments of ours that the line shall have. */
  readonly args: string;
  /** Every file as it shall be, those that do not change as well. */
  readonly files: readonly ShellFile[];
}

/** What a file of our own says, which comes last and adds to what the others have said. */
export type OwnFile = (args: string) => ShellFile;

/**
 * The files with the spec in them: in a file of our own where there is one, else in the assignment that has such
 * arguments, else in the last of `MAIN`. What comes out is read again here, before anybody writes it.
 */
export function editGrub(files: readonly ShellFile[], spec: KernelArgsSpec, own?: OwnFile): GrubEdit {
  const before = readGrubLine(files, spec);
  const has = ownArgs(before.line, spec).join(' ');
  const ownPath = own?.('').path;
  const others = files.filter(({ path }) => path !== ownPath);
  if (fulfils(before.line, spec)) return { before, args: has, files };
  const args = applySpec(has, spec);
  const words = writtenWords(before.own.filter(({ atoms }) => atoms[0]?.file.path !== ownPath));
  const direct = own === undefined && args !== '';
  const spot = direct ? spotOf(words) : undefined;
  const edits = takeOut(words, spot);
  const put = direct ? putIn(before, spot, args) : undefined;
  if (put !== undefined) add(edits, put[0], [put[1]]);
  const now = others.map(({ path, text }) => ({ path, text: apply(text, edits.get(path) ?? []) }));
  if (own !== undefined) {
    const kept = others.length < files.length ? keptIn(before, ownPath, spec) : '';
    if (args !== '' || others.length < files.length) now.push(own([kept, args].filter(Boolean).join(' ')));
    now.sort((a, b) => (a.path < b.path ? -1 : 1));
  } else if (put === undefined && args !== '') {
    const last = now.at(-1);
    if (last !== undefined) now.splice(-1, 1, { ...last, text: withLine(last.text, before, args) });
  }
  const wrong = difference(before.line, readAgain(now, before, spec).line, spec, args);
  if (wrong === undefined) return { before, args, files: now };
  const paths = files.map(({ path }) => path).join(', ');
  throw new VhostHostError('SETUP_REFUSED', `${paths}: nothing was changed, for ${printableLine(wrong)}`, {
    hint: `set ${MAIN} there by hand: ${args}`,
    details: { paths },
  });
}

/** Where what comes out is refused, it is for what was there: everything behind it may be part of it. */
function readAgain(files: readonly ShellFile[], { hidden }: GrubLine, spec: KernelArgsSpec): GrubLine {
  try {
    return readGrubLine(files, spec);
  } catch (error) {
    const open = hidden.find(({ file, end }) => end === file.text.length);
    if (open === undefined) throw error;
    throw refuse(open.file, open.start, 'cannot be followed from here on', `sh -n ${open.file.path}`);
  }
}

/** What our own file says besides, for another spec. */
function keptIn({ setBy }: GrubLine, path: string | undefined, spec: KernelArgsSpec): string {
  const { statement, file } = setBy.get(MAIN) ?? {};
  if (statement?.kind !== 'assignment' || file?.path !== path) return '';
  const text = statement.value.pieces.map((piece) => (piece.kind === 'char' ? piece.text : '')).join('');
  return withoutOwn(text, spec).trim();
}

const printableLine = (text: string): string => text.replaceAll('\uFFFC', '…');

/** At the end, where nothing is set plainly. */
function withLine(text: string, { setBy }: GrubLine, args: string): string {
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  const before = VARIABLES.some((name) => name === MAIN && setBy.has(name)) ? `$${MAIN} ` : '';
  return `${start}${MAIN}="${before}${args}"\n`;
}
