import { VhostHostError } from '../../../common/errors.js';
import type { Domain } from '../../../libvirt/domain/domain.js';
import type { Nic } from '../../../libvirt/domain/nic.js';
import { siblingName } from '../../../switch/ports/claim-rules.js';
import { portSocketPath } from '../../../switch/run-dir/paths.js';
import type { Port } from '../../../switch/model/schema.js';
import { portName } from '../../../wrap/guest.js';
import type { PortUse, Rivals } from './port-use.js';

/** Which port an interface may have: one that nobody else is on. */

/** For those who may not ask libvirt: what the switch says is all that there is. */
export const NO_RIVALS: Rivals = { others: [], own: new Map(), running: true };

/** Another interface on the same socket, of the domain's own or of another domain; those of the domain first. */
export function sharerOf(nic: Nic, { others, own }: Rivals): PortUse | undefined {
  const mine = own.get(nic.index);
  if (mine === undefined) return undefined;
  const before = [...own].filter(([index]) => index !== nic.index).map(([, use]) => use);
  return [...before, ...others].find(({ socket }) => socket === mine.socket);
}

/** Whether the interface is to leave its port to the other; between equals the one that is asked gives way. */
export function givesWay(nic: Nic, { others, own }: Rivals): boolean {
  const mine = own.get(nic.index);
  if (mine === undefined) return false;
  const twin = [...own].some(([index, { socket }]) => index < nic.index && socket === mine.socket);
  return twin || others.some(({ socket, right }) => socket === mine.socket && right >= mine.right);
}

function taken(use: PortUse, what: string): VhostHostError {
  return new VhostHostError('PORT_IN_USE', `${what} belongs to ${use.title}`, {
    hint: `leave it out for a port of its own, or give the other one up: vhost-host vm show ${use.name}`,
  });
}

/** Throws where a port or socket that was asked for by name is another domain's. */
export function checkFree(port: string | undefined, socket: string | undefined, { others }: Rivals): void {
  const use = others.find((other) => (port !== undefined && other.port === port) || other.socket === socket);
  if (use !== undefined) throw taken(use, use.socket === socket ? socket : `port ${port}`);
}

/** The name that qemu-wrap would give the interface, so that both modes lead to the same port; else a numbered sibling. */
export function freeName(
  domain: Domain,
  nic: Nic,
  { runDir, ports }: { readonly runDir: string; readonly ports: readonly Port[] | undefined },
  { others, own, running }: Rivals,
  chosen: ReadonlySet<string>,
): string {
  const base = portName(domain.name, nic.netdev);
  const uses = [...others, ...[...own].filter(([index]) => index !== nic.index).map(([, use]) => use)];
  const blocked = (name: string): boolean => {
    const port = ports?.find((candidate) => candidate.name === name);
    const socket = port?.socket ?? portSocketPath(runDir, name);
    const busy = port !== undefined && port.state !== 'waiting' && !running;
    return chosen.has(name) || busy || uses.some((use) => use.port === name || use.socket === socket);
  };
  for (let n = 1; ; n++) {
    const name = siblingName(base, n);
    if (!blocked(name)) return name;
  }
}
