import { JsonGroup } from './json-group.js';
import { KeyGroup } from './key-group.js';

export type Value = string | number | boolean;

/**
 * An option's value as named properties. Untouched it prints as the very text it was read from; an
 * edit changes only the property it names and keeps the form, JSON or `key=value`, it was written in.
 */
export interface Group {
  readonly form: 'json' | 'keys';
  keys(): string[];
  /** Scalars as QEMU writes them on a command line (`on`, `off`, digits); undefined where missing. */
  get(key: string): string | undefined;
  /** Every scalar of a key that may be there several times, or be a list. */
  getAll(key: string): string[];
  set(key: string, value: Value): Group;
  remove(key: string): Group;
  toString(): string;
}

/** A leading brace makes it JSON where QEMU takes that. `implied` names the key of a first word without one. */
export function parseGroup(text: string, implied: string | undefined, takesJson = true): Group {
  return takesJson && text.startsWith('{') ? JsonGroup.parse(text) : KeyGroup.parse(text, implied);
}

/** A boolean in any spelling that QEMU takes; undefined for anything else. */
export function asBoolean(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (['on', 'yes', 'true', 'y'].includes(text)) return true;
  return ['off', 'no', 'false', 'n'].includes(text) ? false : undefined;
}

/** `key=value,…` from pairs, for options of our own. */
export function printKeys(first: string, pairs: Readonly<Record<string, string>>): string {
  let group: Group = KeyGroup.parse(first, undefined);
  for (const [key, value] of Object.entries(pairs)) group = group.set(key, value);
  return group.toString();
}
