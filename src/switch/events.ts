import { printable } from '../common/errors.js';
import type { Clock } from '../common/clock.js';
import { ContestedAddresses } from './ports/contested-addresses.js';
import type { PortTable } from './ports/port-table.js';
import { shapeOf } from './log/repeat-limit.js';
import type { LogLine, Repeatable, Repeats } from './log/repeat-limit.js';
import type { Contested } from './model/schema.js';
import type { EngineEvent } from './addon/native.js';
import type { UplinkTable } from './uplinks/uplink-table.js';

/** The engine's events as lines of the log. A guest or front end decides how many there are: they are summed up. */

/** A guest's addresses, each of which has a line of DPDK's vhost example. */
const LEARNED_ROOM = 1000;

function note(text: string): LogLine {
  return { text, verbatim: false };
}

export function eventLine(event: EngineEvent, portName: (id: number) => string): LogLine {
  switch (event.type) {
    case 'learned': {
      const text = `DATA: (${event.port}) MAC_ADDRESS ${event.mac} and VLAN_TAG ${event.vlan} registered`;
      return { text, verbatim: true };
    }
    case 'moved':
      return note(`${event.mac} (VLAN tag ${event.vlan}) moved to ${portName(event.port)}`);
    case 'connected':
      return note(`${portName(event.port)}: front end connected`);
    case 'disconnected':
      return note(`${portName(event.port)}: front end disconnected`);
    case 'ready':
      return note(`${portName(event.port)}: guest's driver is up`);
    case 'stopped':
      return note(`${portName(event.port)}: guest's driver stopped`);
    case 'rejected':
      return note(`${portName(event.port)}: rejected: ${printable(event.text)}`);
    case 'log':
      return note(printable(event.text));
    case 'lost':
      return note(`${event.count} events were lost`);
  }
}

/** Kinds are told apart by port, and where the text is somebody else's, by what it says. */
export function repeatable(event: EngineEvent, portName: (id: number) => string): Repeatable {
  const line = eventLine(event, portName);
  switch (event.type) {
    case 'learned': {
      const subject = `${portName(event.port)}: ${event.mac} (VLAN tag ${event.vlan}) registered`;
      return { kind: `learned ${event.port}`, line, subject, room: LEARNED_ROOM };
    }
    case 'log':
    case 'lost':
      return { kind: `${event.type} ${shapeOf(line.text)}`, line };
    case 'rejected':
      return { kind: `rejected ${event.port} ${shapeOf(event.text)}`, line };
    case 'connected':
    case 'disconnected':
    case 'ready':
    case 'stopped':
    case 'moved':
      return { kind: `${event.type} ${event.port}`, line };
  }
}

export interface EventSinkParts {
  readonly ports: Pick<PortTable, 'byId' | 'setConnected'>;
  readonly uplinks: Pick<UplinkTable, 'byId'>;
  readonly repeats: Pick<Repeats, 'add'>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Takes the engine's events: keeps the port table up to date and writes the log. */
export class EventSink {
  readonly #parts: EventSinkParts;
  readonly #contested = new ContestedAddresses();
  #lost = 0;

  constructor(parts: EventSinkParts) {
    this.#parts = parts;
  }

  /** Events that the engine could not hand over since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Addresses that several guests have. */
  contested(): readonly Contested[] {
    const { clock } = this.#parts;
    return this.#contested
      .now(clock.now())
      .map((found) => ({ ...found, ports: found.ports.map((id) => this.#bare(id)) }));
  }

  /** Every now and then: tells of them. */
  tick(): void {
    const { clock, repeats } = this.#parts;
    for (const { mac, vlan, ports } of this.#contested.news(clock.now())) {
      const names = ports.map((id) => this.#name(id)).join(' and ');
      const text = `${mac} (VLAN tag ${vlan}) is the address of ${names}: each gets only a part of its frames`;
      repeats.add({ kind: `contested ${mac}`, line: note(text) });
    }
  }

  take(events: readonly EngineEvent[]): void {
    const { ports, repeats, clock } = this.#parts;
    for (const event of events) {
      this.#contested.take(event, clock.now());
      if (event.type === 'connected' || event.type === 'disconnected') {
        ports.setConnected(event.port, event.type === 'connected');
      }
      if (event.type === 'lost') this.#lost += event.count;
      repeats.add(repeatable(event, (id) => this.#name(id)));
    }
  }

  #bare(id: number): string {
    const { uplinks, ports } = this.#parts;
    return (uplinks.byId(id) ?? ports.byId(id))?.name ?? String(id);
  }

  #name(id: number): string {
    const uplink = this.#parts.uplinks.byId(id);
    if (uplink !== undefined) return `uplink ${uplink.name} (${id})`;
    const port = this.#parts.ports.byId(id);
    return port === undefined ? `port ${id}` : `port ${port.name} (${id})`;
  }
}
