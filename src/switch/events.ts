import { printable } from '../errors.js';
import type { Clock } from './clock.js';
import type { PortTable } from './ports.js';
import type { EngineEvent } from './surface.js';
import type { UplinkTable } from './uplinks.js';

/**
 * The engine's events as lines of the log. A guest decides how many there are (each new source
 * address is one), so their rate is bounded and what is left out is counted.
 */

const BURST_LINES = 2000;
const LINES_PER_SECOND = 20;

/** A bucket of lines that refills with time. */
export class LineBudget {
  readonly #clock: Clock;
  #left = BURST_LINES;
  #since: number;
  #leftOut = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Whether one more line may be written. */
  take(): boolean {
    const now = this.#clock.now();
    this.#left = Math.min(BURST_LINES, this.#left + ((now - this.#since) / 1000) * LINES_PER_SECOND);
    this.#since = now;
    if (this.#left < 1) {
      this.#leftOut++;
      return false;
    }
    this.#left--;
    return true;
  }

  /** How many lines were left out since this was last asked. */
  takeLeftOut(): number {
    const count = this.#leftOut;
    this.#leftOut = 0;
    return count;
  }
}

export interface LogLine {
  readonly text: string;
  /** The original's own line: nothing may stand before it. */
  readonly verbatim: boolean;
}

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
    case 'refused':
      return note(`${portName(event.port)}: refused: ${printable(event.text)}`);
    case 'log':
      return note(printable(event.text));
    case 'lost':
      return note(`${event.count} events were lost`);
  }
}

export interface EventSinkParts {
  readonly ports: Pick<PortTable, 'byId' | 'setConnected'>;
  readonly uplinks: Pick<UplinkTable, 'byId'>;
  readonly clock: Clock;
  readonly write: (line: LogLine) => void;
}

/** Takes the engine's events: keeps the port table up to date and writes the log. */
export class EventSink {
  readonly #parts: EventSinkParts;
  readonly #budget: LineBudget;
  #lost = 0;

  constructor(parts: EventSinkParts) {
    this.#parts = parts;
    this.#budget = new LineBudget(parts.clock);
  }

  /** Events that the engine could not hand over since the start. */
  get lost(): number {
    return this.#lost;
  }

  take(events: readonly EngineEvent[]): void {
    const { ports, write } = this.#parts;
    for (const event of events) {
      if (event.type === 'connected' || event.type === 'disconnected') {
        ports.setConnected(event.port, event.type === 'connected');
      }
      if (event.type === 'lost') this.#lost += event.count;
      if (this.#budget.take()) write(eventLine(event, (id) => this.#name(id)));
    }
  }

  /** Once a second: says how many lines were left out. */
  tick(): void {
    const count = this.#budget.takeLeftOut();
    if (count > 0) this.#parts.write(note(`${count} lines about events left out: too many at once`));
  }

  #name(id: number): string {
    const uplink = this.#parts.uplinks.byId(id);
    if (uplink !== undefined) return `uplink ${uplink.name} (${id})`;
    const port = this.#parts.ports.byId(id);
    return port === undefined ? `port ${id}` : `port ${port.name} (${id})`;
  }
}
