/**
 * Words as a POSIX shell takes them apart (XCU 2.2, 2.3 and 2.6), each character with the place where it is
 * written, so that some of them can be taken out or put in without touching the others. What only a running shell
 * knows, such as `$(…)`, is kept as an unknown; what cannot be read at all throws `Unreadable`.
 */

export type Quote = '"' | "'" | '';

/** One character of the value, with its escape if it has one. */
export interface Char {
  readonly kind: 'char';
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly quote: Quote;
  /** Where its quotes begin; characters of one region have nothing but text between them. */
  readonly region: number;
}

export interface Variable {
  readonly kind: 'variable';
  readonly name: string;
  readonly quoted: boolean;
  /** `${name:+word}` and its like. */
  readonly instead?: { readonly operator: ':+' | '+' | ':-' | '-'; readonly pieces: readonly Piece[] };
}

export interface Unknown {
  readonly kind: 'unknown';
  readonly start: number;
  readonly end: number;
  readonly quoted: boolean;
}

export type Piece = Char | Variable | Unknown;

export interface Word {
  readonly pieces: readonly Piece[];
  readonly start: number;
  readonly end: number;
  /** Where more can be added to it, and between which quotes that is. */
  readonly tail: { readonly at: number; readonly quote: Quote };
}

/** The text goes on in a way that is not understood here; the shell may well do so. */
export class Unreadable extends Error {
  readonly at: number;

  constructor(at: number) {
    super('not understood');
    this.at = at;
  }
}

const ENDS = /[\s;&|()<>]/;
const NAME = /[A-Za-z_]\w*/y;

/** Characters that a backslash takes the meaning from between double quotes. */
const ESCAPED = '$`"\\\n';

class WordReader {
  readonly pieces: Piece[] = [];
  tail: { at: number; quote: Quote } = { at: 0, quote: '' };
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
    this.tail = { at, quote: '' };
  }

  read(): Word {
    const start = this.#at;
    while (this.#at < this.#text.length && !ENDS.test(this.#text.charAt(this.#at))) this.#bare(start);
    return { pieces: this.pieces, start, end: this.#at, tail: this.tail };
  }

  #bare(region: number): void {
    const text = this.#text;
    const char = text.charAt(this.#at);
    if (char === "'") this.#single();
    else if (char === '"') this.#double();
    else if (char === '\\' && text.charAt(this.#at + 1) === '\n') this.#at += 2;
    else if (char === '\\' && this.#at + 1 >= text.length) throw new Unreadable(this.#at);
    else if (char === '\\') this.#put(2, '', region, text.charAt(this.#at + 1));
    else if (char === '$' || char === '`') this.#expansion('', region);
    // A tilde is somebody's home at these places, unless quotes follow.
    else if (char === '~' && /^$|:$/.test(text.slice(region, this.#at).slice(-1))) throw new Unreadable(this.#at);
    else this.#put(1, '', region, char);
    if (!`'"`.includes(char)) this.tail = { at: this.#at, quote: '' };
  }

  #single(): void {
    const region = this.#at;
    const end = this.#text.indexOf("'", region + 1);
    if (end < 0) throw new Unreadable(region);
    this.#at++;
    while (this.#at < end) this.#put(1, "'", region, this.#text.charAt(this.#at));
    this.tail = { at: end, quote: "'" };
    this.#at = end + 1;
  }

  #double(): void {
    const text = this.#text;
    const region = this.#at++;
    for (;;) {
      const [char, next] = [text.charAt(this.#at), text.charAt(this.#at + 1)];
      if (char === '') throw new Unreadable(region);
      if (char === '"') break;
      if (char === '\\' && next === '\n') this.#at += 2;
      else if (char === '\\' && next !== '' && ESCAPED.includes(next)) this.#put(2, '"', region, next);
      else if (char === '$' || char === '`') this.#expansion('"', region);
      else this.#put(1, '"', region, char);
    }
    this.tail = { at: this.#at, quote: '"' };
    this.#at++;
  }

  #put(length: number, quote: Quote, region: number, text: string): void {
    this.pieces.push({ kind: 'char', text, start: this.#at, end: this.#at + length, quote, region });
    this.#at += length;
  }

  #unknown(end: number, quoted: boolean): void {
    this.pieces.push({ kind: 'unknown', start: this.#at, end, quoted });
    this.#at = end;
  }

  #expansion(quote: Quote, region: number): void {
    const text = this.#text;
    const quoted = quote !== '';
    const next = text.charAt(this.#at + 1);
    if (text.charAt(this.#at) === '`') return this.#unknown(skipBackticks(text, this.#at), quoted);
    if (next === '(') return this.#unknown(skipParens(text, this.#at + 1), quoted);
    if (next === '{') return this.#braced(quote, region);
    const name = match(NAME, text, this.#at + 1);
    if (name !== undefined) {
      this.pieces.push({ kind: 'variable', name, quoted });
      this.#at += 1 + name.length;
    } else if (/[\d@*#?\-$!]/.test(next)) this.#unknown(this.#at + 2, quoted);
    // A string that bash knows and others do not.
    else if (!quoted && /['"]/.test(next)) throw new Unreadable(this.#at);
    else this.#put(1, quote, region, '$');
  }

  #braced(quote: Quote, region: number): void {
    const end = skipBraces(this.#text, this.#at + 1);
    const inside = this.#text.slice(this.#at + 2, end - 1);
    const [, name, operator, word] = /^([A-Za-z_]\w*)(?:(:?[+-])([^'"`~]*))?$/s.exec(inside) ?? [];
    if (name === undefined || /[{}]/.test((word ?? '').replace(/\$\{\w+\}/g, ''))) {
      return this.#unknown(end, quote !== '');
    }
    const quoted = quote !== '';
    if (operator === undefined) this.pieces.push({ kind: 'variable', name, quoted });
    else {
      const inner = new WordReader(this.#text, end - 1 - (word ?? '').length);
      const pieces = inner.#within(end - 1, quote, region);
      this.pieces.push({ kind: 'variable', name, quoted, instead: { operator: operator as ':+', pieces } });
    }
    this.#at = end;
  }

  /** The word of `${name:+word}`: it stands between the quotes that the whole stands between. */
  #within(end: number, quote: Quote, region: number): readonly Piece[] {
    const text = this.#text;
    while (this.#at < end) {
      const [char, next] = [text.charAt(this.#at), text.charAt(this.#at + 1)];
      if (char === '\\' && next === '\n') this.#at += 2;
      else if (char === '\\' && (quote === '' || ESCAPED.includes(next) || next === '}'))
        this.#put(2, quote, region, next);
      else if (char === '$') this.#expansion(quote, region);
      else this.#put(1, quote, region, char);
    }
    return this.pieces;
  }
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

export function readWord(text: string, at: number): Word {
  return new WordReader(text, at).read();
}

function skipBackticks(text: string, at: number): number {
  const end = match(/`(?:[^`\\]|\\[^])*`/y, text, at);
  if (end === undefined) throw new Unreadable(at);
  return at + end.length;
}

/** Behind the bracket that closes the one at `at`. What would need all of the shell's grammar is not understood. */
function skipParens(text: string, at: number): number {
  for (let i = at + 1; i < text.length;) {
    const char = text.charAt(i);
    if (char === ')') return i + 1;
    const rest = text.slice(i, i + 6);
    if (/^(?:<<|\s#|\s*case\b)/.test(rest) || (char === '#' && i === at + 1)) throw new Unreadable(i);
    i = skipOne(text, i);
  }
  throw new Unreadable(at);
}

function skipBraces(text: string, at: number): number {
  for (let i = at + 1; i < text.length;) {
    if (text.charAt(i) === '}') return i + 1;
    i = skipOne(text, i);
  }
  throw new Unreadable(at);
}

/** One character outside of quotes, or all of what it opens. */
function skipOne(text: string, at: number): number {
  const char = text.charAt(at);
  if (char === '\\') return at + 2;
  if (char === '`') return skipBackticks(text, at);
  if (char === '(') return skipParens(text, at);
  if (char === '$' && text.charAt(at + 1) === '{') return skipBraces(text, at + 1);
  if (char === '"') return skipDouble(text, at);
  if (char !== "'") return at + 1;
  const end = text.indexOf("'", at + 1);
  if (end < 0) throw new Unreadable(at);
  return end + 1;
}

function skipDouble(text: string, at: number): number {
  for (let i = at + 1; i < text.length;) {
    const char = text.charAt(i);
    if (char === '"') return i + 1;
    const opens = char === '`' || char === '\\' || (char === '$' && /[({]/.test(text.charAt(i + 1)));
    i = !opens ? i + 1 : char === '$' && text.charAt(i + 1) === '(' ? skipParens(text, i + 1) : skipOne(text, i);
  }
  throw new Unreadable(at);
}

/** Behind a word that nothing is to be known of but its end. */
export function skipWord(text: string, at: number): number {
  let i = at;
  while (i < text.length && !ENDS.test(text.charAt(i))) {
    const opens = text.charAt(i) === '$' && text.charAt(i + 1) === '(';
    i = opens ? skipParens(text, i + 1) : skipOne(text, i);
  }
  return i;
}
