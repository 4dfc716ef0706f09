import { JsonGroup } from './json-group.js';
import { KeyGroup } from './key-group.js';
import type { Group } from './option-group.js';

/** A leading brace makes it JSON where QEMU takes that. `implied` names the key of a first word without one. */
export function parseGroup(text: string, implied: string | undefined, takesJson = true): Group {
  return takesJson && text.startsWith('{') ? JsonGroup.parse(text) : KeyGroup.parse(text, implied);
}

/** `key=value,…` from pairs, for options of our own. */
export function printKeys(first: string, pairs: Readonly<Record<string, string>>): string {
  let group: Group = KeyGroup.parse(first, undefined);
  for (const [key, value] of Object.entries(pairs)) group = group.set(key, value);
  return group.toString();
}
