import type { PortSpec } from './settings.js';

/** One step on the way from the ports that are to the ports that are wanted. */
export type PortAction =
  { readonly kind: 'remove'; readonly name: string } | { readonly kind: 'add'; readonly port: PortSpec };

function same(a: PortSpec, b: PortSpec): boolean {
  if (a.name !== b.name || a.socket !== b.socket) return false;
  if (a.owner !== b.owner) return false;
  if (a.macLimit !== b.macLimit || (a.forwardReserved ?? false) !== (b.forwardReserved ?? false)) return false;
  return (a.queues ?? 1) === (b.queues ?? 1) && (a.offloads ?? false) === (b.offloads ?? false) && a.vlan === b.vlan;
}

/**
 * What to do so that the wanted ports are there. Removals come first: they free names, sockets and
 * device numbers. A port that differs in anything is removed and added again, one that does not is
 * left alone with the guest on it.
 */
export function portActions(old: readonly PortSpec[], wanted: readonly PortSpec[]): readonly PortAction[] {
  const gone = old.filter((port) => !wanted.some((other) => same(port, other)));
  const missing = wanted.filter((port) => !old.some((other) => same(port, other)));
  return [
    ...gone.map(({ name }) => ({ kind: 'remove' as const, name })),
    ...missing.map((port) => ({ kind: 'add' as const, port })),
  ];
}
