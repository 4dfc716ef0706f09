import { parseArgv, printArgs, textsOf } from './argv.js';
import type { Arg, Item } from './argv.js';

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

/** A command line under edit. Nothing changes but through `replace` and `append`, and each leaves a record. */
export class Command {
  private items: Item[];
  private readonly log: Change[] = [];

  constructor(args: readonly string[]) {
    this.items = parseArgv(args);
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

  /** Puts `wanted` in the place of `item`. Writing back the same arguments is no change. */
  replace(reason: Reason, item: Item, wanted: readonly Item[]): void {
    const at = this.items.indexOf(item);
    if (at < 0) throw new TypeError('the item to replace is not part of this command');
    const before = textsOf([item]);
    const after = textsOf(wanted);
    if (before.length === after.length && before.every((text, i) => text === after[i])) return;
    this.items = this.items.toSpliced(at, 1, ...wanted);
    this.log.push({ rule: reason.id, why: reason.why, before, after });
  }

  /** Adds options in front of all others, where nothing that stands before can take them for its value. */
  prepend(reason: Reason, wanted: readonly Item[]): void {
    this.items = [...wanted, ...this.items];
    this.log.push({ rule: reason.id, why: reason.why, before: [], after: textsOf(wanted) });
  }

  append(reason: Reason, args: readonly string[]): void {
    if (args.length === 0) return;
    // Parsed like the rest, so that the rules see them; but these bytes are ours, not the caller's.
    const own = parseArgv(args).map((item) => ({ ...item, args: item.args.map(({ text }) => ({ text })) }));
    this.items = [...this.items, ...own];
    this.log.push({ rule: reason.id, why: reason.why, before: [], after: [...args] });
  }

  args(): Arg[] {
    return printArgs(this.items);
  }

  changes(): readonly Change[] {
    return this.log;
  }
}
