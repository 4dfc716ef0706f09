import { statements } from './shell-vars.js';
import type { Assignment, Statement } from './shell-vars.js';
import type { Char, Piece } from './shell-words.js';

/** What variables hold once a shell has read some files one after the other, and where each character comes from. */

export interface ShellFile {
  readonly path: string;
  readonly text: string;
}

/** A character of a value, written by this assignment. */
export interface Written {
  readonly char: Char;
  readonly by: Assignment;
  readonly file: ShellFile;
}

/** Something of which only the running shell knows what it is; it may be nothing, or many words. */
export interface Hidden {
  readonly char: undefined;
  readonly file: ShellFile;
  readonly start: number;
  readonly end: number;
}

export type Atom = Written | Hidden;

/** Stands in a text for what is hidden. */
export const HIDDEN = '\uFFFC';

export interface ShellValues {
  readonly values: ReadonlyMap<string, readonly Atom[]>;
  /** What sets each variable last. */
  readonly setBy: ReadonlyMap<string, { readonly statement: Statement; readonly file: ShellFile }>;
  /** Every part of the files whose outcome is hidden. */
  readonly hidden: readonly Hidden[];
}

export const textOf = (atoms: readonly Atom[]): string => atoms.map(({ char }) => char?.text ?? HIDDEN).join('');

class Evaluation {
  readonly values = new Map<string, readonly Atom[]>();
  readonly setBy = new Map<string, { statement: Statement; file: ShellFile }>();
  readonly hidden: Hidden[] = [];
  readonly #unset: readonly string[];

  constructor(unset: readonly string[]) {
    this.#unset = unset;
  }

  run(file: ShellFile, statement: Statement): void {
    if (statement.kind === 'assignment') {
      const before = statement.appends ? (this.#get(statement.name) ?? []) : [];
      this.#set(statement.name, [...before, ...this.#expand(statement.value.pieces, statement, file)], statement, file);
      return;
    }
    const { start, end, text } = statement;
    const hides: Hidden = { char: undefined, file, start, end };
    this.hidden.push(hides);
    // Whatever it names otherwise than to read it, it may set.
    for (const [, name = ''] of text.matchAll(/(?<![\w$]|\$\{)([A-Za-z_]\w*)/g)) {
      if (this.#get(name) !== undefined || new RegExp(`\\b${name}\\+?=`).test(text))
        this.#set(name, [hides], statement, file);
    }
  }

  #get(name: string): readonly Atom[] | undefined {
    return this.values.get(name) ?? (this.#unset.includes(name) ? [] : undefined);
  }

  #set(name: string, atoms: readonly Atom[], statement: Statement, file: ShellFile): void {
    this.values.set(name, atoms);
    this.setBy.set(name, { statement, file });
  }

  #expand(pieces: readonly Piece[], by: Assignment, file: ShellFile): Atom[] {
    return pieces.flatMap((piece): readonly Atom[] => {
      if (piece.kind === 'char') return [{ char: piece, by, file }];
      if (piece.kind === 'unknown') return [this.#hide({ char: undefined, file, start: piece.start, end: piece.end })];
      const known = this.#get(piece.name);
      if (known === undefined) return [this.#hide({ char: undefined, file, start: by.value.start, end: by.value.end })];
      if (piece.instead === undefined) return known;
      const { operator, pieces: word } = piece.instead;
      const [set, some] = [known.length > 0, known.some(({ char }) => char !== undefined)];
      // Of something hidden nobody knows whether it is empty.
      if (operator.startsWith(':') && set && !some) return known;
      const there = operator.startsWith(':') ? some : this.values.has(piece.name);
      if (operator.endsWith('+')) return there ? this.#expand(word, by, file) : [];
      return there ? known : this.#expand(word, by, file);
    });
  }

  #hide(hidden: Hidden): Hidden {
    this.hidden.push(hidden);
    return hidden;
  }
}

/** `unset` names variables that nobody has set before the first file; of others nobody knows. */
export function evaluate(files: readonly ShellFile[], unset: readonly string[]): ShellValues {
  const evaluation = new Evaluation(unset);
  for (const file of files) for (const statement of statements(file.text)) evaluation.run(file, statement);
  return evaluation;
}
