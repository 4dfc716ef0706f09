import * as z from 'zod';

/** What a port's guest may send and gets to see, as users write it; `native/base/vlan.h` says what each does. */

export interface VlanMode {
  readonly mode: 'none' | 'auto' | 'access' | 'trunk';
  /** As `NativePortOptions.vlans`. */
  readonly vlans: readonly number[];
}

/** 4095 is reserved (802.1Q, table 9-2). */
const LAST_VLAN = 4094;
const FORMS = 'none, auto, access:N, trunk:all or trunk:LIST such as trunk:10,20-29';

function parseIds(text: string, first: number): readonly number[] | undefined {
  const ids = new Set<number>();
  for (const part of text.split(',')) {
    const range = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    const from = Number(range?.[1]);
    const to = Number(range?.[2] ?? range?.[1]);
    if (range === null || from < first || to > LAST_VLAN || to < from) return undefined;
    for (let id = from; id <= to; id++) ids.add(id);
  }
  return [...ids];
}

/** undefined where it is none of the forms. */
export function parseVlan(text: string): VlanMode | undefined {
  if (text === 'none' || text === 'auto') return { mode: text, vlans: [0] };
  if (text === 'trunk:all') return { mode: 'trunk', vlans: Array.from({ length: LAST_VLAN + 1 }, (_, id) => id) };
  const access = text.startsWith('access:');
  if (!access && !text.startsWith('trunk:')) return undefined;
  const vlans = parseIds(text.slice(text.indexOf(':') + 1), access ? 1 : 0);
  if (vlans === undefined || (access && vlans.length !== 1)) return undefined;
  return { mode: access ? 'access' : 'trunk', vlans };
}

export const VLAN_FAULT = `must be ${FORMS}, with VLANs from 1 to ${LAST_VLAN} (0: untagged frames, on a trunk)`;

export const VlanText = z.string().refine((text) => parseVlan(text) !== undefined, VLAN_FAULT);
