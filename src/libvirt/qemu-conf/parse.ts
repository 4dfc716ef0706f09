import { VhostHostError } from '../../common/errors.js';

/**
 * libvirt's configuration format as a lossless model: the text in pieces, in order, so that printing is
 * joining. As strict as libvirt's own reader: a file that libvirtd would not start with is refused with the
 * line, not edited. (So there are no comments inside lists: libvirt takes none.)
 */

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Item extends Span {
  readonly value: string;
}

export type Value =
  | ({ readonly kind: 'string' | 'number'; readonly value: string } & Span)
  /** `items` are strings; `trailingComma` is where the comma after the last one ends. */
  | ({ readonly kind: 'list'; readonly items: readonly Item[]; readonly trailingComma: number | undefined } & Span);

/** `name = value`, from the first letter of the name to the end of the value. */
export interface Setting extends Span {
  readonly name: string;
  readonly value: Value;
}

export type Piece =
  | { readonly kind: 'other'; readonly text: string }
  | { readonly kind: 'setting'; readonly text: string; readonly setting: Setting };

/** Comments, blank lines and settings, in order. */
export function parseQemuConf(text: string, path: string): Piece[] {
  const reader = new Reader(text, path);
  const pieces: Piece[] = [];
  let at = 0;
  for (let setting = reader.next(); setting !== undefined; setting = reader.next()) {
    pieces.push({ kind: 'other', text: text.slice(at, setting.start) });
    pieces.push({ kind: 'setting', text: text.slice(setting.start, setting.end), setting });
    at = setting.end;
  }
  pieces.push({ kind: 'other', text: text.slice(at) });
  return pieces;
}

export function printQemuConf(pieces: readonly Piece[]): string {
  return pieces.map((piece) => piece.text).join('');
}

/** The setting that counts: libvirt takes the first of several. */
export function findSetting(text: string, path: string, name: string): Setting | undefined {
  for (const piece of parseQemuConf(text, path)) {
    if (piece.kind === 'setting' && piece.setting.name === name) return piece.setting;
  }
  return undefined;
}

class Reader {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly path: string,
  ) {}

  next(): Setting | undefined {
    this.skip(/(?:[ \t\r\n]+|#[^\r\n]*)*/y);
    if (this.#at >= this.text.length) return undefined;
    const start = this.#at;
    const name = this.take(/[A-Za-z][A-Za-z0-9_]*/y) ?? this.fail('expected the name of a setting');
    this.skip(/[ \t]*/y);
    if (this.take(/=/y) === undefined) this.fail(`expected = after ${name}`);
    const value = this.value();
    const end = this.#at;
    // What may stand behind a value: a comment, a line end, or a semicolon.
    this.skip(/[ \t]*/y);
    if (this.#at < this.text.length && !/[#\r\n;]/.test(this.peek())) this.fail(`text after the value of ${name}`);
    this.skip(/;/y);
    return { start, end, name, value };
  }

  private value(): Value {
    this.skip(/[ \t]*/y);
    const start = this.#at;
    if (this.peek() === '[') return this.list(start);
    const number = this.take(/[+-]?\d+/y);
    if (number !== undefined) return { kind: 'number', start, end: this.#at, value: number };
    return { kind: 'string', ...this.string() };
  }

  private list(start: number): Value {
    const items: Item[] = [];
    let trailingComma: number | undefined;
    this.#at++;
    this.skip(/[ \t\r\n]*/y);
    while (this.peek() !== ']') {
      if (items.length > 0 && trailingComma === undefined) this.fail('expected , or ] in a list');
      items.push(this.item());
      this.skip(/[ \t\r\n]*/y);
      trailingComma = this.take(/,/y) === undefined ? undefined : this.#at;
      this.skip(/[ \t\r\n]*/y);
    }
    this.#at++;
    return { kind: 'list', start, end: this.#at, items, trailingComma };
  }

  private item(): Item {
    const start = this.#at;
    const number = this.take(/[+-]?\d+/y);
    return number === undefined ? this.string() : { start, end: this.#at, value: number };
  }

  private string(): Item {
    const start = this.#at;
    const quoted = this.take(/"""[^]*?"""|"[^"\r\n]*"|'[^'\r\n]*'/y);
    if (quoted === undefined) {
      this.fail(this.peek() === '#' ? 'libvirt takes no comment inside a list' : 'expected a quoted string');
    }
    const marks = quoted.startsWith('"""') ? 3 : 1;
    return { start, end: this.#at, value: quoted.slice(marks, -marks) };
  }

  private peek(): string {
    return this.text.charAt(this.#at);
  }

  private skip(pattern: RegExp): void {
    this.take(pattern);
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at = pattern.lastIndex;
    return found;
  }

  private fail(reason: string): never {
    const line = this.text.slice(0, this.#at).split('\n').length;
    throw new VhostHostError('CONFIG_INVALID', `${this.path}, line ${line}: ${reason}; libvirt cannot read it either`, {
      hint: `edit line ${line} of ${this.path}`,
      details: { path: this.path, line },
    });
  }
}
