import { VhostHostError, printable } from '../../../common/errors.js';
import { lineAt } from '../../system/shell-vars.js';
import { parseKernelLine } from '../../kernel/args.js';
import { isOwnArg, ownArgs } from '../../kernel/spec.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';
import { HIDDEN, evaluate, textOf } from '../../system/shell-values.js';
import type { Atom, Hidden, ShellFile, ShellValues, Written } from '../../system/shell-values.js';

/** The kernel's command line as GRUB's files make it, with the place where each word is written. */

export const MAIN = 'GRUB_CMDLINE_LINUX';
/** In the order in which they come on the command line. */
export const VARIABLES = [MAIN, 'GRUB_CMDLINE_LINUX_DEFAULT'] as const;

/** An argument of ours on the line, and what it is written with. */
export interface OwnWord {
  readonly text: string;
  readonly atoms: readonly Atom[];
}

export interface GrubLine extends ShellValues {
  readonly line: string;
  readonly atoms: readonly Atom[];
  readonly own: readonly OwnWord[];
}

export function refuse(file: ShellFile, at: number, reason: string, hint: string): VhostHostError {
  const { number, text } = lineAt(file.text, at);
  return new VhostHostError('SETUP_REFUSED', `${file.path}:${number}: ${reason}: ${printable(text)}`, {
    hint,
    details: { path: file.path, line: number, text },
  });
}

const placeOf = (atom: Atom): { file: ShellFile; at: number } => ({
  file: atom.file,
  at: atom.char?.start ?? (atom as Hidden).start,
});

/** Refuses where an argument of ours is written in a way that leaves no place to change it. */
export function readGrubLine(files: readonly ShellFile[], spec: KernelArgsSpec): GrubLine {
  const state = evaluate(files, VARIABLES);
  const [main = [], more = []] = VARIABLES.map((name) => state.values.get(name) ?? []);
  const atoms = [...main, ...more];
  const line = `${textOf(main)} ${textOf(more)}`;
  refuseHidden(state.hidden, spec);
  const lineEnd = atoms.find(({ char }) => char?.text === '\n');
  if (lineEnd !== undefined) {
    const { file, at } = placeOf(lineEnd);
    throw refuse(file, at, 'the value goes on behind the end of the line, where GRUB takes no more of it', ONE_LINE);
  }
  return { ...state, line, atoms, own: ownWords(line, atoms, main.length, spec) };
}

const ONE_LINE = `put all of it on one line, or end the line with a backslash`;

/** Names of ours in what only a running shell makes something of. */
function refuseHidden(hidden: readonly Hidden[], spec: KernelArgsSpec): void {
  const words = [
    ...(spec.hugepages === undefined ? [] : ['hugepages', 'hugepagesz']),
    ...(spec.iommu ? ['iommu'] : []),
  ];
  for (const { file, start, end } of hidden) {
    for (const [index, line] of commentless(file.text.slice(start, end))) {
      if (!words.some((word) => line.includes(`${word}=`))) continue;
      throw refuse(file, start + index, 'arguments of ours in what is no plain assignment', 'take them out of there');
    }
  }
}

/** Lines that are no comments, with where they begin. */
function commentless(text: string): [number, string][] {
  let at = 0;
  const lines = text.split('\n').map((line): [number, string] => {
    const start = at;
    at += line.length + 1;
    return [start, line];
  });
  return lines.filter(([, line]) => !/^\s*#/.test(line));
}

function ownWords(line: string, atoms: readonly Atom[], border: number, spec: KernelArgsSpec): OwnWord[] {
  const isOwn = isOwnArg(spec);
  const count = ownArgs(line, spec).length;
  const found: OwnWord[] = [];
  let at = 0;
  for (const arg of parseKernelLine(line).args) {
    if (found.length === count) break;
    at += arg.gap.length;
    const end = at + arg.text.length;
    if (isOwn(arg)) {
      // Behind the border all places are one less, for the blank in between.
      const first = at > border ? at - 1 : at;
      found.push({ text: arg.text, atoms: atoms.slice(first, first + arg.text.length) });
    }
    at = end;
  }
  return found;
}

/** The words as somebody has written them; refuses any that is put together out of something else. */
export function writtenWords(own: readonly OwnWord[]): readonly (readonly Written[])[] {
  return own.map(({ text, atoms }) => atoms.map((atom) => written(atom, text)));
}

function written(atom: Atom, word: string): Written {
  const { file, at } = placeOf(atom);
  if (atom.char === undefined) {
    throw refuse(file, at, `${word.replaceAll(HIDDEN, '…')} is not known before it runs`, 'write it as a plain word');
  }
  const { name } = atom.by;
  if (!VARIABLES.some((known) => known === name)) {
    throw refuse(file, at, `${word} comes from the variable ${name}`, `write it into ${MAIN} itself, or take it out`);
  }
  return atom;
}
