import { basename } from 'node:path';
import type { Contested, Port } from '../../../switch/model/schema.js';
/** Which interface of which domain is on which port: a port belongs to one interface of one domain. */
export interface PortUse {
  readonly name: string;
  readonly uuid: string | undefined;
  /** `interface 0 (52:54:00:00:00:01) of domain web`. */
  readonly title: string;
  /** The switch's port; undefined of another switch's socket. */
  readonly port: string | undefined;
  readonly socket: string;
  /** The greater, the more it is this interface's: attach gave it to it, or it is named after it. */
  readonly right: number;
  /** What gives the interface another port. */
  readonly attach: string;
}

export interface Rivals {
  /** What other domains are on. */
  readonly others: readonly PortUse[];
  /** What the domain's own interfaces are on, by number. */
  readonly own: ReadonlyMap<number, PortUse>;
  /** The guest may be the front end that a port has. */
  readonly running: boolean;
}

/** The switch as the `vm` subcommands see it: which ports there are, and which sockets are its own. */
export interface SwitchView {
  readonly runDir: string;
  /** undefined where no switch runs. */
  readonly ports: readonly Port[] | undefined;
  /** The switch's configuration file, where ports that outlive a restart stand. */
  readonly config: string | null;
  /** Addresses that several guests have. */
  readonly contested: readonly Contested[];
  /** What it says of its DPDK; undefined where no switch runs. */
  readonly dpdk: string | undefined;
  ours(socket: string | undefined): boolean;
}

/** Of a port in a run directory. */
export const PORT_SOCKET = /^port-(.+)\.sock$/;

/** The name of the port behind a socket; one that the switch has lost keeps the name that its socket tells. */
export function portOfSocket(socket: string, view: SwitchView): string | undefined {
  const own = view.ports?.find((port) => port.socket === socket);
  return own?.name ?? (view.ours(socket) ? PORT_SOCKET.exec(basename(socket))?.[1] : undefined);
}
