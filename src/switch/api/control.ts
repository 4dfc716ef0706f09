import { VhostHostError } from '../../common/errors.js';
import type { Control } from './routes.js';
import { isDefaultMac } from '../ports/contested-addresses.js';
import type { Clock } from '../../common/clock.js';
import type { EventSink } from '../events.js';
import type { PortRecord } from '../ports/port-record.js';
import type { PortTable } from '../ports/port-table.js';
import type {
  ClaimedPort,
  Mac,
  Port,
  PortAdd,
  PortClaim,
  StatsList,
  Status,
  Uplink,
  UplinkAdd,
} from '../model/schema.js';
import type { NativeBinding, NativePort } from '../addon/native.js';
import type { UplinkTable } from '../uplinks/uplink-table.js';
import { macView, portView, statsView, uplinkStatsView, uplinkView, workerView } from './serialize.js';

/** What does not change while the switch runs. */
export type StatusFacts = Omit<
  Status,
  'uptimeSeconds' | 'workers' | 'ports' | 'portsReady' | 'macs' | 'eventsLost' | 'contested'
>;

export interface ControlParts {
  readonly binding: NativeBinding;
  readonly clock: Clock;
  readonly facts: StatusFacts;
  readonly ports: PortTable;
  readonly uplinks: UplinkTable;
  readonly sink: Pick<EventSink, 'lost' | 'contested'>;
  readonly log: (line: string) => void;
  readonly stopSoon: () => void;
}

/** The API's questions, answered from the port table and the engine. */
export class SwitchControl implements Control {
  readonly #parts: ControlParts;
  readonly #startedAt: number;

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
  }

  get version(): string {
    return this.#parts.facts.version;
  }

  status(): Status {
    const { binding, clock, facts, sink } = this.#parts;
    const natives = binding.ports();
    return {
      ...facts,
      uptimeSeconds: Math.floor((clock.now() - this.#startedAt) / 1000),
      workers: binding.workers().map(workerView),
      ports: natives.length,
      portsReady: natives.filter(({ ready }) => ready).length,
      macs: binding.macs().length,
      eventsLost: sink.lost,
      contested: [...sink.contested()],
    };
  }

  ports(): Port[] {
    const macs = this.#parts.binding.macs();
    const uplinks = this.#parts.uplinks.joined();
    return this.#joined().map(([port, native]) => portView(port, native, macs, uplinks));
  }

  port(name: string): Port {
    return this.#view(this.#parts.ports.get(name));
  }

  async addPort(spec: PortAdd): Promise<Port> {
    const port = await this.#parts.ports.add(spec, 'api');
    this.#parts.log(`port ${port.name} (${port.id}) added on ${port.socket}`);
    return this.#view(port);
  }

  async removePort(name: string): Promise<void> {
    const { id } = this.#parts.ports.get(name);
    await this.#parts.ports.remove(name);
    this.#parts.log(`port ${name} (${id}) removed`);
  }

  async claimPort(spec: PortClaim): Promise<ClaimedPort> {
    const port = await this.#parts.ports.claim(spec);
    this.#parts.log(`port ${port.name} (${port.id}) handed out on ${port.socket}`);
    const heard = this.#parts.binding.macs().find(({ mac, port: at }) => isDefaultMac(mac) && at !== port.id);
    const other = heard === undefined ? undefined : this.#parts.ports.byId(heard.port);
    return { ...this.#view(port), defaultMacAt: other?.name ?? null };
  }

  macs(): Mac[] {
    return this.#parts.binding.macs().flatMap((entry) => {
      const port = this.#parts.ports.byId(entry.port) ?? this.#parts.uplinks.byId(entry.port);
      return port === undefined ? [] : [macView(entry, port)];
    });
  }

  uplinks(): Uplink[] {
    const [macs, guests] = [this.#parts.binding.macs(), this.#parts.binding.ports()];
    return this.#parts.uplinks.joined().map((uplink) => uplinkView(uplink, macs, guests));
  }

  async addUplink(spec: UplinkAdd): Promise<Uplink> {
    const { id, name, device } = await this.#parts.uplinks.add(spec, 'api');
    this.#parts.log(`uplink ${name} (${id}) added on ${device}`);
    const view = this.uplinks().find((uplink) => uplink.id === id);
    if (view !== undefined) return view;
    throw new VhostHostError('UPLINK_UNKNOWN', `uplink ${name} is gone`, { hint: 'vhost-host uplinks' });
  }

  async removeUplink(name: string): Promise<void> {
    const { id } = this.#parts.uplinks.get(name);
    await this.#parts.uplinks.remove(name);
    this.#parts.log(`uplink ${name} (${id}) removed`);
  }

  stats(): StatsList {
    return {
      ports: this.#joined().map(([port, native]) => statsView(port, native)),
      uplinks: this.#parts.uplinks.joined().map(([uplink, native]) => uplinkStatsView(uplink, native)),
    };
  }

  rebalance(): number {
    return this.#parts.binding.rebalance();
  }

  stopSoon(): void {
    this.#parts.stopSoon();
  }

  report(line: string): void {
    this.#parts.log(line);
  }

  /** Each port with the engine's side of it; one that is just being made or removed has none and is left out. */
  #joined(): (readonly [PortRecord, NativePort])[] {
    const natives = new Map(this.#parts.binding.ports().map((native) => [native.id, native]));
    return this.#parts.ports.all().flatMap((port) => {
      const native = natives.get(port.id);
      return native === undefined ? [] : [[port, native] as const];
    });
  }

  #view(port: PortRecord): Port {
    const { binding, uplinks } = this.#parts;
    const native = binding.ports().find(({ id }) => id === port.id);
    if (native !== undefined) return portView(port, native, binding.macs(), uplinks.joined());
    throw new VhostHostError('PORT_UNKNOWN', `port ${port.name} is gone`, { hint: 'vhost-host ports' });
  }
}
