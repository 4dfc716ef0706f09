import { groupOf, valueOf, withValue } from './argv.js';
import type { Item } from './argv.js';
import type { Command, Reason } from './command.js';

/** `-set group.id.property=value`: one more way to say a property of an option that stands before it. */

export const SET_APPLIED: Reason = {
  id: 'set-applied',
  why: '-set would change what stands in the place of this option',
};

const SET = /^([^.]+)\.([^.]+)\.([^=]+)=(.*)$/s;
/** Groups whose options may be edited here. JSON is in none of QEMU's groups, and -set does not find it. */
const GROUPS = new Set(['device', 'netdev', 'nic', 'net']);

interface Setting {
  readonly target: Item;
  readonly property: string;
  readonly value: string;
}

function settingOf(command: Command, item: Item): Setting | undefined {
  const [, group = '', id = '', property = '', value = ''] = SET.exec(valueOf(item)) ?? [];
  if (!GROUPS.has(group)) return undefined;
  const target = command.options(group).find((option) => {
    const parsed = groupOf(option);
    return parsed.form === 'keys' && parsed.get('id') === id;
  });
  return target === undefined ? undefined : { target, property, value };
}

/** Writes each such property where it belongs. */
export function applySettings(command: Command): void {
  for (const item of command.options('set')) {
    const setting = settingOf(command, item);
    if (setting === undefined) continue;
    const { target, property, value } = setting;
    command.replace(SET_APPLIED, target, [withValue(target, groupOf(target).set(property, value))]);
    command.replace(SET_APPLIED, item, []);
  }
}
