import { VhostHostError } from '../../common/errors.js';
import { ALIASES, IMPLIED_KEYS, TAKE_JSON, takesValue } from './options.js';
import { parseGroup } from './parse-group.js';
import type { Group } from './option-group.js';

/**
 * One argument of the call. `origin` is its place among the arguments we were given; an argument
 * that has one is handed on as the very bytes that came in, even where they are not valid UTF-8.
 */
export interface Arg {
  readonly text: string;
  readonly origin?: number;
}

/** An option with its value, or (`name` is undefined) a lone argument such as a disk image. */
export interface Item {
  readonly name?: string;
  /** One argument, or two: the option as it was spelled and its value. */
  readonly args: readonly Arg[];
  /** The `-readconfig` whose file it is written in; such an item is no argument of its own. */
  readonly within?: Item;
}

/** QEMU takes one dash or two, and calls an option by the name after them. */
function optionName(text: string): string | undefined {
  if (!text.startsWith('-') || text === '-') return undefined;
  const name = text.slice(text.startsWith('--') ? 2 : 1);
  return ALIASES[name] ?? name;
}

/** Cuts the arguments into options and their values; `print` of the result gives them back unchanged. */
export function parseArgv(args: readonly string[]): Item[] {
  const items: Item[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg: Arg = { text: args[i] ?? '', origin: i };
    const name = optionName(arg.text);
    const value = args[i + 1];
    if (name === undefined) items.push({ args: [arg] });
    else if (value === undefined || !takesValue(name, value)) items.push({ name, args: [arg] });
    else items.push({ name, args: [arg, { text: value, origin: ++i }] });
  }
  return items;
}

export function printArgs(items: readonly Item[]): Arg[] {
  return items.flatMap((item) => item.args);
}

export function textsOf(items: readonly Item[]): string[] {
  return printArgs(items).map((arg) => arg.text);
}

/** The value of an option as text; an option without one has the empty value. */
export function valueOf(item: Item): string {
  return item.args[1]?.text ?? '';
}

/** Items and groups never change, and rule after rule asks for the same ones. */
const groups = new WeakMap<Item, Group>();

/** The value of an option taken apart. */
export function groupOf(item: Item): Group {
  const known = groups.get(item);
  if (known !== undefined) return known;
  try {
    const name = item.name ?? '';
    const group = parseGroup(valueOf(item), IMPLIED_KEYS[name], TAKE_JSON.has(name));
    groups.set(item, group);
    return group;
  } catch (error) {
    throw new VhostHostError('ARGV_INVALID', `the JSON of "-${item.name ?? ''} ${valueOf(item)}" cannot be read`, {
      cause: error,
    });
  }
}

/** The same option, spelled the same way, with another value. */
export function withValue(item: Item, value: Group): Item {
  const [option, old] = item.args;
  if (option === undefined || old === undefined) throw new TypeError(`option ${item.name ?? ''} has no value to edit`);
  if (old.text.includes('\ufffd')) {
    // Node has already replaced what is not UTF-8: writing the rest back would name another file or guest.
    throw new VhostHostError('ARGV_INVALID', `"${option.text} ${old.text}" has to be edited, but is not valid UTF-8`);
  }
  return { ...item, args: [option, { text: value.toString() }] };
}

/** An option of our own. */
export function newItem(name: string, value: string): Item {
  return { name, args: [{ text: `-${name}` }, { text: value }] };
}
