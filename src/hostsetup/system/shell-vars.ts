import { Unreadable, readWord, skipWord } from './shell-words.js';
import type { Word } from './shell-words.js';

/**
 * A file that a shell reads for its variables (`/etc/default/grub`) as what it does, in order: assignments, read as
 * the shell reads them, and everything else, of which only the text is known.
 */

export interface Assignment {
  readonly kind: 'assignment';
  readonly name: string;
  /** `+=` rather than `=`. */
  readonly appends: boolean;
  readonly value: Word;
}

/** A command, a condition, or whatever else it may be. */
export interface Other {
  readonly kind: 'other';
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export type Statement = Assignment | Other;

export function statements(text: string): Statement[] {
  const found: Statement[] = [];
  for (let at = nextCommand(text, 0); at < text.length;) {
    const { list, end } = readCommand(text, at);
    found.push(...list);
    at = nextCommand(text, end);
  }
  return found;
}

/** Values of plain assignments, of each name the last; for files that are made by a program. */
export function lastValue(text: string, name: string): string | undefined {
  const found = statements(text).findLast((one) => one.kind === 'assignment' && one.name === name);
  if (found?.kind !== 'assignment' || found.value.pieces.some(({ kind }) => kind !== 'char')) return undefined;
  return found.value.pieces.map((piece) => (piece.kind === 'char' ? piece.text : '')).join('');
}

/** The number of a line, and what stands there, for people. */
export function lineAt(text: string, at: number): { readonly number: number; readonly text: string } {
  const before = text.slice(0, at);
  const line = text.slice(before.lastIndexOf('\n') + 1).split('\n', 1)[0] ?? '';
  const shown = line.trim();
  return { number: before.split('\n').length, text: shown.length > 100 ? `${shown.slice(0, 97)}...` : shown };
}

interface Read {
  readonly list: readonly Statement[];
  readonly end: number;
}

const BLANK = /(?:[ \t]|\\\n)*/y;
/** What stands between commands: ends of them, blanks, comments. */
const BETWEEN = /(?:[\s;]|\\\n|#[^\n]*)*/y;
const ASSIGN = /([A-Za-z_]\w*)(\+?)=(?!\()/y;
const END = /[\n;#]|$/y;
/** A variable that is only told to be exported. */
const BARE = /[A-Za-z_]\w*(?=[\s;]|$)/y;

function behind(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

const nextCommand = (text: string, at: number): number => behind(BETWEEN, text, at);

function readCommand(text: string, start: number): Read {
  try {
    return readAssignments(text, start) ?? other(text, start, skipCommand(text, start));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return other(text, start, text.length);
  }
}

function other(text: string, start: number, end: number): Read {
  return { list: [{ kind: 'other', start, end, text: text.slice(start, end) }], end };
}

/** A command of nothing but assignments; undefined where it is another. */
function readAssignments(text: string, start: number): Read | undefined {
  const list: Assignment[] = [];
  const exported = /export[ \t]/y;
  exported.lastIndex = start;
  const exports = exported.test(text);
  let at = exports ? behind(BLANK, text, exported.lastIndex) : start;
  for (;;) {
    END.lastIndex = at;
    if (END.test(text)) return list.length === 0 && !exports ? undefined : { list, end: at };
    if (exports && behind(BARE, text, at) > at) {
      at = behind(BLANK, text, behind(BARE, text, at));
      continue;
    }
    ASSIGN.lastIndex = at;
    const [all, name = '', plus = ''] = ASSIGN.exec(text) ?? [];
    if (all === undefined) return undefined;
    const value = readWord(text, at + all.length);
    // Some shells take what is expanded there for several words.
    if (exports && value.pieces.some((piece) => piece.kind !== 'char' && !piece.quoted)) return undefined;
    list.push({ kind: 'assignment', name, appends: plus !== '', value });
    const end = behind(BLANK, text, value.end);
    if (end === value.end && !/^[\n;]?$/.test(text.charAt(end))) return undefined;
    at = end;
  }
}

const OPENS: Readonly<Record<string, string>> = {
  if: 'fi',
  while: 'done',
  until: 'done',
  for: 'done',
  select: 'done',
  case: 'esac',
  '{': '}',
};
/** Behind these another command begins. */
const LEADS = ['then', 'do', 'else', 'elif', 'if', 'while', 'until', '{', '!', 'fi', 'done', 'esac', '}'];
const OPERATOR = /&&|\|\||;;|[;&|()<>\n]/y;

/** The end of a command that is not understood, with all that it opens and closes. */
function skipCommand(text: string, start: number): number {
  const open: string[] = [];
  let leads = true;
  // A line goes on behind `&&` and `|`.
  let unfinished = false;
  for (let at = behind(BLANK, text, start); at < text.length; at = behind(BLANK, text, at)) {
    if (text.charAt(at) === '#') {
      at = text.indexOf('\n', at) < 0 ? text.length : text.indexOf('\n', at);
      continue;
    }
    OPERATOR.lastIndex = at;
    const operator = OPERATOR.exec(text)?.[0];
    if (operator === undefined) {
      const end = skipWord(text, at);
      const word = text.slice(at, end);
      if (leads && open.at(-1) === word) open.pop();
      else if (leads && word === 'function') throw new Unreadable(at);
      else if (leads && OPENS[word] !== undefined) open.push(OPENS[word]);
      leads = leads && LEADS.includes(word);
      unfinished = false;
      at = end;
      continue;
    }
    if (text.startsWith('<<', at)) throw new Unreadable(at);
    if ((operator === '\n' || operator === ';') && open.length === 0 && !unfinished) return at;
    if (operator === '(') open.push(')');
    if (operator === ')' && open.at(-1) === ')') open.pop();
    leads = !/[<>]/.test(operator);
    unfinished = /^(?:&&|\|\|?)$/.test(operator) || (operator === '\n' && unfinished);
    at += operator.length;
  }
  return text.length;
}
