import { optionsOf, withAllBelow } from '../tree.js';
import type { CommandNode, OptionNode } from '../tree.js';

/** What the scripts of all shells have in common. */

export const HEAD = 'Written by `npm run reference`.';

/** Text in single quotes, as sh and its kin read it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A command by the words below the program, and an option of it. */
export interface Place {
  readonly command: string;
  readonly option: OptionNode;
}

export function places(tree: CommandNode): Place[] {
  return withAllBelow(tree).flatMap((node) =>
    optionsOf(node).map((option) => ({ command: node.words.join(' '), option })),
  );
}

export function spellings({ long, short }: OptionNode): string[] {
  return short === undefined ? [long] : [long, short];
}

/** How the options that take a value are spelled, long and short. */
export function valueOptions(tree: CommandNode): string[] {
  const names = places(tree)
    .filter(({ option }) => option.value !== undefined)
    .flatMap(({ option }) => spellings(option));
  return [...new Set(names)];
}
