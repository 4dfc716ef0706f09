import { VhostHostError } from '../../common/errors.js';
import { newItem, parseArgv, printArgs, textsOf, valueOf } from './argv.js';
import type { Arg, Item } from './argv.js';
import { NO_FILES, parseSections } from './readconfig.js';
import type { Files, Section } from './readconfig.js';

/** What one rule did at one place of the command line. */
export interface Change {
  readonly rule: string;
  readonly why: string;
  /** The arguments that were there; none where something was added. */
  readonly before: readonly string[];
  /** The arguments that are there now; none where something was taken away. */
  readonly after: readonly string[];
}

/** Who changes something, and why: goes into the record of every change. */
export interface Reason {
  readonly id: string;
  readonly why: string;
}

/** A file that QEMU reads gives its place to what it says, as soon as one part of that has to be edited. */
export const EXPANSION: Reason = {
  id: 'readconfig-expanded',
  why: 'a file cannot be edited for one guest, so the options that it holds stand in its place',
};

/** Any of these keeps QEMU from making a card of its own; in a file they do not. */
const NETWORK = new Set(['net', 'netdev', 'nic']);

/**
 * A command line under edit, with what the files of `-readconfig` say in their places: an option is the same to every
 * rule wherever it is written. Nothing changes but by the methods below, and each leaves a record.
 */
export class Command {
  private items: Item[];
  private readonly sections = new Map<Item, readonly Section[]>();
  private readonly log: Change[] = [];

  constructor(
    args: readonly string[],
    private readonly files: Files = NO_FILES,
  ) {
    this.items = this.withFiles(parseArgv(args));
  }

  all(): readonly Item[] {
    return this.items;
  }

  /** All options of one name, in order; `name` is without dashes, aliases resolved. */
  options(name: string): Item[] {
    return this.items.filter((item) => item.name === name);
  }

  has(name: string): boolean {
    return this.items.some((item) => item.name === name);
  }

  /** Files that QEMU will read and we could not. */
  unread(): string[] {
    return this.options('readconfig')
      .filter((item) => !this.sections.has(item))
      .map(valueOf);
  }

  /** Puts `wanted` in the place of `item`. Writing back the same arguments is no change. */
  replace(reason: Reason, item: Item, wanted: readonly Item[]): void {
    if (!this.items.includes(item)) throw new TypeError('the item to replace is not part of this command');
    const before = textsOf([item]);
    const after = textsOf(wanted);
    if (before.length === after.length && before.every((text, i) => text === after[i])) return;
    this.expand(item.within);
    this.items = this.items.toSpliced(this.items.indexOf(item), 1, ...wanted);
    this.log.push({ rule: reason.id, why: reason.why, before, after });
  }

  /** Adds options in front of `item`, or of all: there, nothing that stands before can take them for its value. */
  prepend(reason: Reason, wanted: readonly Item[], item: Item | undefined = this.items[0]): void {
    const place = item?.within === undefined || !this.items.includes(item.within) ? item : item.within;
    const at = place === undefined ? 0 : this.items.indexOf(place);
    this.items = this.items.toSpliced(at, 0, ...wanted);
    this.log.push({ rule: reason.id, why: reason.why, before: [], after: textsOf(wanted) });
  }

  append(reason: Reason, args: readonly string[]): void {
    if (args.length === 0) return;
    // Parsed like the rest, so that the rules see them; but these bytes are ours, not the caller's.
    const own = parseArgv(args).map((item) => ({ ...item, args: item.args.map(({ text }) => ({ text })) }));
    this.items = [...this.items, ...this.withFiles(own)];
    this.log.push({ rule: reason.id, why: reason.why, before: [], after: [...args] });
  }

  args(): Arg[] {
    return printArgs(this.items.filter(({ within }) => within === undefined || !this.items.includes(within)));
  }

  changes(): readonly Change[] {
    return this.log;
  }

  /** Each file's own items behind the option that names it. */
  private withFiles(items: readonly Item[]): Item[] {
    return items.flatMap((item) => {
      const text = item.name === 'readconfig' ? this.files.get(valueOf(item)) : undefined;
      if (text === undefined) return [item];
      const sections = parseSections(text, item);
      this.sections.set(item, sections);
      return [item, ...sections.flatMap((section) => section.item ?? [])];
    });
  }

  /** Takes the file out of the call; its items stay, as options. */
  private expand(file: Item | undefined): void {
    if (file === undefined || !this.items.includes(file)) return;
    for (const { item, group, line } of this.sections.get(file) ?? []) {
      if (item !== undefined) continue;
      const what = `no option means the same as its [${group}] (line ${line})`;
      throw new VhostHostError('ARGV_INVALID', `${valueOf(file)} has to be edited for the switch, but ${what}`, {
        hint: `take [netdev], [device] and the memory's [object] out of ${valueOf(file)}, and write them as options`,
      });
    }
    const own = this.items.filter(({ within }) => within === file);
    const extra = this.keepsDefaultCard(file, own) ? [newItem('net', 'nic'), newItem('net', 'user')] : [];
    this.items = [...this.items.filter((item) => item !== file), ...extra];
    this.log.push({
      rule: EXPANSION.id,
      why: EXPANSION.why,
      before: textsOf([file]),
      after: textsOf([...own, ...extra]),
    });
  }

  /** QEMU makes a card of its own beside those of a file, and none beside those of options. */
  private keepsDefaultCard(file: Item, own: readonly Item[]): boolean {
    const stands = (item: Item): boolean => item.within === undefined || !this.items.includes(item.within);
    const said = this.items.some(
      (item) => stands(item) && (NETWORK.has(item.name ?? '') || item.name === 'nodefaults'),
    );
    return !said && own.some((item) => item.within === file && NETWORK.has(item.name ?? ''));
  }
}
