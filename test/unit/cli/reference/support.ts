import { Desk } from '../support.js';

export interface Shown {
  readonly options: readonly string[];
  readonly commands: readonly string[];
}

/** What stands below each heading of a help text. */
function partsOf(text: string): [string, string][] {
  return [...`${text}\n`.matchAll(/^(\S.*):\n((?: {2}.*\n?)*)/gm)].map(([, title = '', body = '']) => [title, body]);
}

/** Every command, by the words that lead to it, with the options and subcommands that its own help shows. */
export async function helpTree(words: readonly string[] = []): Promise<Map<string, Shown>> {
  const text = (await new Desk().run(...words, '--help')).out.join('\n');
  // What stands behind -- is not an option of the command.
  const parts = partsOf(text).filter(([title]) => !title.endsWith('behind --'));
  const all = (pattern: RegExp): string[] =>
    parts.flatMap(([, body]) => [...body.matchAll(pattern)].map(([, name = '']) => name));
  const options = all(/^ {2}(?:-\w, )?(--[\w-]+)/gm);
  const commands = parts
    .filter(([title]) => title !== 'Arguments')
    .flatMap(([, body]) => [...body.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name = '']) => name))
    .filter((name) => name !== 'help');
  const found = new Map<string, Shown>([[words.join(' '), { options, commands }]]);
  for (const name of commands) {
    for (const [key, value] of await helpTree([...words, name])) found.set(key, value);
  }
  return found;
}
