import { DROP_REASONS } from '../model/drop-reasons.js';
import type * as schema from '../model/schema.js';

/** Every reason with what it means and what to do about it, and how often it happened where. */
export function dropsOf({ ports, uplinks }: schema.StatsList): schema.DropList {
  const all = [...ports, ...uplinks];
  return {
    drops: DROP_REASONS.map(({ name, meaning, fix }) => {
      const counts = all.map((port) => ({ name: port.name, frames: port.counters.drops[name] ?? 0 }));
      const found = counts.filter(({ frames }) => frames > 0);
      const frames = found.reduce((sum, port) => sum + port.frames, 0);
      return { reason: name, meaning, fix, frames, ports: found };
    }),
  };
}
