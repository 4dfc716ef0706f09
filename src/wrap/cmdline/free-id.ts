import { groupOf } from './argv.js';
import type { Command } from './command.js';

/** `wanted`, or the first of `wanted-2`, `wanted-3`, … that no option of that name has as its id. */
export function freeId(command: Command, option: string, wanted: string): string {
  const taken = new Set(command.options(option).map((item) => groupOf(item).get('id')));
  for (let n = 1; ; n++) {
    const id = n === 1 ? wanted : `${wanted}-${n}`;
    if (!taken.has(id)) return id;
  }
}
