import { envValue, expandOptions, optionsIn } from '../loaders/bls.js';
import { filesIn, grubEnvs } from '../detect.js';
import type { BootHost } from '../method.js';

/** GRUB's menu as a configuration of its tools makes it, and the entry that it starts (manual of GRUB 2, 6.1 and 15). */

export interface GrubEntry {
  readonly title: string;
  readonly id: string | undefined;
  /** The file of /etc/grub.d that has written it, where the configuration says so. */
  readonly by: string | undefined;
  /** Of a submenu. */
  readonly entries: readonly GrubEntry[] | undefined;
  /** The arguments of the Linux that it starts; undefined where it starts something else, or nobody knows with what. */
  readonly args: string | undefined;
}

export interface GrubStart {
  readonly entry: GrubEntry;
  /** What names it. */
  readonly says: string;
}

type Open = { -readonly [key in keyof GrubEntry]: GrubEntry[key] } & { entries: GrubEntry[] | undefined };

/** The words of a line, without their quotes. */
function wordsOf(line: string): string[] {
  const found = line.matchAll(/(?:'[^']*'|"(?:\\[^]|[^"\\])*"|\\[^]|[^\s'"\\])+/g);
  return [...found].map(([word]) =>
    word.replace(/'([^']*)'|"((?:\\[^]|[^"\\])*)"|\\([^])/g, (_, single?: string, double?: string, one?: string) => {
      return single ?? double?.replace(/\\(["$`\\])/g, '$1') ?? one ?? '';
    }),
  );
}

function entryOf(kind: string, rest: string, by: string | undefined): Open {
  const words = wordsOf(rest);
  const at = words.findIndex((word) => /^(\$\{?menuentry_id_option\}?|--id)$/.test(word));
  const id = at < 0 ? words.find((word) => word.startsWith('--id='))?.slice(5) : words[at + 1];
  return { title: words[0] ?? '', id, by, entries: kind === 'submenu' ? [] : undefined, args: undefined };
}

/** A kernel with its arguments, also one that Xen starts. */
const KERNEL = /^\s*(?:linux(?:16|efi|\$\S+)?\s+\S+|module2?\s+\S+\s+placeholder)(?:\s+(.*?))?\s*$/;

/** All entries of the menu; `bls`: those that stand where the configuration has `blscfg`. */
export function grubMenu(config: string, bls: readonly GrubEntry[]): readonly GrubEntry[] {
  const top: GrubEntry[] = [];
  /** undefined for what is no entry, such as a function. */
  const open: (Open | undefined)[] = [];
  let by: string | undefined;
  for (const line of config.replace(/\\\n/g, ' ').split('\n')) {
    by = /^### BEGIN (\S+) ###/.exec(line)?.[1] ?? (/^### END /.test(line) ? undefined : by);
    const menu = open.findLast((one) => one?.entries !== undefined)?.entries ?? top;
    const [, kind, rest = ''] = /^\s*(menuentry|submenu)\s+(.*)\{\s*$/.exec(line) ?? [];
    const args = KERNEL.exec(line)?.[1];
    const last = open.at(-1);
    if (kind !== undefined) {
      const entry = entryOf(kind, rest, by);
      menu.push(entry);
      open.push(entry);
    } else if (/^\s*function\s.*\{\s*$/.test(line)) open.push(undefined);
    else if (/^\s*\}/.test(line)) open.pop();
    else if (/^\s*blscfg\b/.test(line)) menu.push(...bls);
    else if (KERNEL.test(line) && last !== undefined) last.args ??= args ?? '';
  }
  return top;
}

/** By number, identifier or title; the first where there is no such entry, as GRUB does it. */
function pick(menu: readonly GrubEntry[], path: string): GrubEntry | undefined {
  const [, name = '', rest] = /^((?:[^>]|>>)*)(?:>([^]*))?$/.exec(path) ?? [];
  const plain = name.replaceAll('>>', '>');
  const number = /^\s*(\d+)\s*$/.exec(plain)?.[1];
  const found =
    number === undefined ? menu.find(({ id, title }) => id === plain || title === plain) : menu[Number(number)];
  const entry = found ?? menu[0];
  if (entry?.entries === undefined) return entry;
  return pick(entry.entries, found === undefined ? '' : (rest ?? ''));
}

/** What names the entry to start, and the name; a variable other than those of the environment block is not followed. */
function defaultOf(config: string, env: { path: string; valueOf: (name: string) => string }): [string, string] {
  const header = /^### BEGIN \S*\/00_header ###$([^]*?)^### END /m.exec(config)?.[1] ?? config;
  // Elsewhere a condition stands before an indented one, such as that the starts before have failed.
  const lines = [...config.matchAll(/^([ \t]*)set[ \t]+default=(.*?)[ \t]*$/gm)].filter(
    ([line, indent]) => indent === '' || header.includes(line),
  );
  const all = lines.map(([, , value = '']) => wordsOf(value)[0] ?? '');
  const once = env.valueOf('next_entry');
  if (once !== '' && all.some((value) => /\$\{?next_entry\b/.test(value)))
    return [once, `next_entry in ${env.path}, once`];
  const value = all.findLast((one) => !/\$\{?next_entry\b/.test(one)) ?? '0';
  if (!/^\$\{?saved_entry\}?$/.test(value)) return [value, `default="${value}"`];
  const before = config.includes('prev_saved_entry') ? env.valueOf('prev_saved_entry') : '';
  const name = before === '' ? 'saved_entry' : 'prev_saved_entry';
  const saved = env.valueOf(name);
  return saved === '' ? ['0', 'no saved_entry'] : [saved, `${name} in ${env.path}`];
}

/** Numbers in a name count as numbers; the newest stands first. */
const versions = new Intl.Collator('en', { numeric: true });

async function blsEntries(host: BootHost, blocks: readonly string[]): Promise<GrubEntry[]> {
  const found: GrubEntry[] = [];
  for (const path of await filesIn(host, '/boot/loader/entries', '.conf')) {
    const text = (await host.readOptional(path)) ?? '';
    const title = /^title[ \t]+(.*?)[ \t]*$/m.exec(text)?.[1] ?? '';
    const args = expandOptions(optionsIn(text), blocks);
    found.push({ title, id: path.replace(/^.*\/|\.conf$/g, ''), by: path, entries: undefined, args });
  }
  return found.sort((a, b) => versions.compare(b.id ?? '', a.id ?? ''));
}

/** What the configuration at `path` starts next; undefined where it has no entry at all. */
export async function grubStart(host: BootHost, path: string): Promise<GrubStart | undefined> {
  const config = (await host.readOptional(path)) ?? '';
  const envs: { path: string; text: string }[] = [];
  for (const env of await grubEnvs(host)) envs.push({ path: env, text: (await host.readOptional(env)) ?? '' });
  const blocks = envs.map(({ text }) => text);
  const valueOf = (name: string): string => blocks.map((block) => envValue(block, name)).find(Boolean) ?? '';
  const [name, says] = defaultOf(config, { path: envs[0]?.path ?? 'grubenv', valueOf });
  const entry = pick(grubMenu(config, await blsEntries(host, blocks)), name);
  return entry === undefined ? undefined : { entry, says };
}
