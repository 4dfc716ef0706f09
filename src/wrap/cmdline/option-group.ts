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

/** A boolean in any spelling that QEMU takes; undefined for anything else. */
export function asBoolean(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (['on', 'yes', 'true', 'y'].includes(text)) return true;
  return ['off', 'no', 'false', 'n'].includes(text) ? false : undefined;
}
