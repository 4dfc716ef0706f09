import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import type { ErrorCode } from '../../common/errors.js';
import { isSame, lives, orphaned, watchable } from './claim-owner.js';
import { MAX_OPEN_CLAIMS, expiredReason, lapsed, siblingName, takenReason } from './claim-rules.js';
import { DeviceTable } from './device-table.js';
import type { PortRecord, PortTableParts } from './port-record.js';
import { PortSockets } from './port-sockets.js';
import { foreignReason, nativeOwner } from './owner.js';
import { checkPort, refuseSharedPlace } from './port-check.js';
import { portSocketPath, ringRecordsPath } from '../run-dir/paths.js';
import { refuseServicePlace } from '../run-dir/service-place.js';
import { DEFAULT_MAC_LIMIT } from '../model/schema.js';
import type { Claimant, PortClaim } from '../model/schema.js';
import type { PortSpec } from '../config/settings.js';
import { BLOCKED, clearDeadSocket, socketState } from '../run-dir/socket-record.js';
import { Turns } from '../../common/serial-queue.js';
import { parseVlan } from '../model/vlan.js';
import { IN_SOFTWARE, portMisfit } from '../config/vm2vm.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const ENGINE_CODES: Readonly<Record<string, ErrorCode>> = { EEXIST: 'PORT_EXISTS', ENOSPC: 'PORT_LIMIT' };

/**
 * The ports of the switch. Changes run one after the other, however many requests come at once;
 * looking never waits.
 */
export class PortTable {
  readonly #parts: PortTableParts;
  readonly #devices: DeviceTable;
  readonly #ports = new Map<string, Mutable<PortRecord>>();
  readonly #sockets: PortSockets;
  readonly #turns = new Turns();

  constructor(parts: PortTableParts) {
    this.#parts = parts;
    this.#devices = new DeviceTable(parts);
    this.#sockets = new PortSockets(parts);
  }

  all(): readonly PortRecord[] {
    return [...this.#ports.values()].sort((a, b) => a.id - b.id);
  }

  get(name: string): PortRecord {
    const port = this.#ports.get(name);
    if (port !== undefined) return port;
    throw new VhostHostError('PORT_UNKNOWN', `there is no port ${printable(name)}`, { hint: 'vhost-host ports' });
  }

  has(name: string): boolean {
    return this.#ports.has(name);
  }

  byId(id: number): PortRecord | undefined {
    return this.#byId(id);
  }

  add(spec: PortSpec, origin: PortRecord['origin']): Promise<PortRecord> {
    return this.#turns.take(() => this.#add(spec, origin));
  }

  remove(name: string): Promise<void> {
    return this.#turns.take(() => this.#remove(this.get(name)));
  }

  /** Hands out a port to a guest, made now where it is missing. */
  claim(spec: PortClaim): Promise<PortRecord> {
    return this.#turns.take(() => this.#claim(spec));
  }

  /** Makes a port that an earlier switch had handed out, for its guest to come back to; one that is there stays. */
  restore(spec: PortSpec, claimant?: Claimant): Promise<void> {
    return this.#turns.take(async () => {
      if (this.#ports.has(spec.name)) return;
      const { id } = await this.#add(spec, 'claim', claimant);
      const port = this.#byId(id);
      if (port !== undefined) port.lostAt = this.#parts.clock.now();
    });
  }

  /** Removes ports whose claims came to nothing. */
  expire(): Promise<void> {
    return this.#turns.take(async () => {
      await this.#endOrphaned();
      this.#endLapsed();
      for (const port of this.all()) {
        const reason = expiredReason(port, this.#parts.clock.now());
        if (reason === undefined) continue;
        await this.#remove(port);
        this.#parts.log(`port ${port.name} (${port.id}) removed: ${reason}`);
      }
    });
  }

  /** Makes sockets anew whose names have gone. */
  tendSockets(): Promise<void> {
    return this.#turns.take(() => this.#sockets.tend(this.all()));
  }

  /** Brings back devices of ports that have gone. */
  tendDevices(): Promise<void> {
    return this.#turns.take(() => this.#devices.tend(this.all()));
  }

  /** Resolves when every change that was asked for is through. */
  settled(): Promise<void> {
    return this.#turns.settled();
  }

  /** Takes over who is connected, where events about it were lost. */
  reconcile(): void {
    for (const { id, connected } of this.#parts.binding.ports()) this.setConnected(id, connected);
  }

  setConnected(id: number, connected: boolean): void {
    const port = this.#byId(id);
    if (port === undefined || port.connected === connected) return;
    port.connected = connected;
    port.claimedAt = undefined;
    port.lostAt = connected ? undefined : this.#parts.clock.now();
  }

  #byId(id: number): Mutable<PortRecord> | undefined {
    return [...this.#ports.values()].find((port) => port.id === id);
  }

  #byMac(mac: string | undefined): PortRecord | undefined {
    return mac === undefined ? undefined : this.all().find((port) => port.mac === mac);
  }

  async #add(spec: PortSpec, origin: PortRecord['origin'], claimant?: Claimant): Promise<PortRecord> {
    const { binding, settings, record } = this.#parts;
    const socket = spec.socket ?? portSocketPath(settings.runDir, spec.name);
    const { queues = 1, offloads = settings.offloads, vlan = settings.vlan, transports = ['user'] } = spec;
    const { macLimit = DEFAULT_MAC_LIMIT, forwardReserved = false, owner } = spec;
    if (this.#parts.isUplink(spec.name)) {
      throw new VhostHostError('PORT_EXISTS', `port ${spec.name}: an uplink has this name`);
    }
    checkPort({ name: spec.name, socket, queues, mac: spec.mac, owner, transports }, binding.limits, this.all());
    this.#checkVlan(spec.name, vlan);
    await this.#parts.descriptors.check(spec.name, queues, this.all());
    await refuseServicePlace(this.#parts.host, spec.name, socket);
    await refuseSharedPlace(this.#parts.host, spec.name, socket);
    await this.#freeSocketPath(spec.name, socket);
    await record.add(socket);
    try {
      const { mergeable, vlanStrip } = settings;
      // Without vhost-user only the bridge has any business at the socket.
      const { socketMode, socketGid } = transports.includes('user') ? settings : { socketMode: 0o600, socketGid: -1 };
      const { mode: vlanMode, vlans } = parseVlan(vlan) ?? { mode: 'none', vlans: [0] };
      const recordsPath = ringRecordsPath(settings.runDir, spec.name);
      const place = { name: spec.name, socketPath: socket, recordsPath, queuePairs: queues };
      const native = { ...place, offloads, vlanMode, vlans };
      const rules = { macLimit, forwardReserved };
      // With the port, not after it: who waits for the socket to appear is faster.
      const whose = { owner: nativeOwner({ owner, origin, transports }, claimant) };
      const id = binding.addPort({
        ...native,
        ...rules,
        ...whose,
        mergeable,
        socketMode,
        socketGid,
        keepTag: !vlanStrip,
      });
      await this.#sockets.made(id, socket);
      const device = transports.includes('cuse') ? await this.#makeDevice(id, socket, spec.devIndex) : undefined;
      const shape = { id, name: spec.name, socket, queues, offloads, vlan, transports, device, mac: spec.mac };
      const port = { ...shape, ...rules, owner, origin, connected: false };
      const known = { ...port, claimedAt: undefined, lostAt: undefined, claimant, forks: false };
      this.#ports.set(spec.name, known);
      return known;
    } catch (error) {
      await record.remove(socket);
      if (error instanceof VhostHostError) throw error;
      const code = ENGINE_CODES[errnoOf(error) ?? ''] ?? 'PORT_FAILED';
      throw new VhostHostError(code, `port ${spec.name}: ${printable(messageOf(error))}`, { cause: error });
    }
  }

  /** With a port that cannot have its device goes the port. */
  async #makeDevice(id: number, socket: string, devIndex: number | undefined): Promise<string> {
    try {
      return await this.#devices.make(socket, devIndex);
    } catch (error) {
      this.#parts.binding.removePort(id);
      throw error;
    }
  }

  /** A card that switches between guests knows only some. */
  #checkVlan(name: string, vlan: string): void {
    const { settings, binding } = this.#parts;
    // As the engine will choose it.
    const id = this.all().findIndex((port, index) => port.id !== index);
    const misfit = portMisfit(vlan, id === -1 ? this.#ports.size : id, binding.limits.poolTags);
    if (settings.vm2vm === 'hardware' && misfit !== undefined) {
      throw new VhostHostError('PORT_FAILED', `port ${name}: ${misfit}`, { hint: IN_SOFTWARE });
    }
  }

  /** The way is free, or what blocks it is a dead socket under a name that only this switch uses. */
  async #freeSocketPath(name: string, socket: string): Promise<void> {
    const { host, settings } = this.#parts;
    const own = socket === portSocketPath(settings.runDir, name);
    const state = own ? await clearDeadSocket(host, socket) : await socketState(host, socket);
    if (state === 'absent' || state === 'removed') return;
    throw new VhostHostError('PORT_FAILED', `port ${name}: cannot use ${socket}: ${BLOCKED[state]}`, {
      hint: state === 'dead' ? `rm ${socket}` : `vhost-host ports add ${name} --socket PATH with another PATH`,
    });
  }

  async #remove(port: PortRecord): Promise<void> {
    this.#ports.delete(port.name);
    this.#parts.binding.removePort(port.id);
    await this.#parts.record.remove(port.socket);
    if (port.device !== undefined) await this.#devices.remove(port.device);
  }

  /** A claim whose process has ended is over as if its guest had come and gone. */
  async #endOrphaned(): Promise<void> {
    const over = await orphaned(this.#parts.host, [...this.#ports.values()]);
    // Afterwards: QEMU's -daemonize ends the process that connected and leaves the connection to its child.
    this.reconcile();
    for (const port of over) {
      if (port.claimedAt === undefined) continue;
      port.claimedAt = undefined;
      port.lostAt = this.#parts.clock.now();
      this.#parts.log(`port ${port.name} (${port.id}) is free: the process that it was handed out to has ended`);
    }
  }

  async #claim(spec: PortClaim): Promise<PortRecord> {
    await this.#endOrphaned();
    const owner = this.#byMac(spec.mac);
    const tries = spec.exact || owner !== undefined ? 1 : this.#parts.binding.limits.maxPorts + 1;
    let reason = '';
    for (let n = 1; n <= tries; n++) {
      const name = owner?.name ?? siblingName(spec.name, n);
      const port = this.#ports.get(name);
      const refusal = port === undefined ? undefined : await this.#refusal(port, spec);
      reason = n === 1 ? (refusal ?? '') : reason;
      if (refusal === undefined) return await this.#handOut(name, spec);
    }
    throw new VhostHostError('PORT_IN_USE', `port ${owner?.name ?? spec.name} is taken: ${reason}`, {
      hint: 'vhost-host ports',
    });
  }

  async #refusal(port: PortRecord, { queues, transport, claimant }: PortClaim): Promise<string | undefined> {
    const { host, clock } = this.#parts;
    const taken = takenReason(port, clock.now()) ?? (await this.#heldReason(port, claimant));
    if (taken !== undefined || port.origin === 'claim') return taken;
    const foreign = await foreignReason(host, port.owner, await watchable(host, claimant));
    if (foreign !== undefined) return foreign;
    if (port.queues < queues) return `it has too few queues: ${port.queues}, ${queues} asked for`;
    if (transport === undefined || port.transports.includes(transport)) return undefined;
    return `it is not for ${transport}: its transports are ${port.transports.join(', ')}`;
  }

  /** A guest that has only lost its connection comes back: QEMU tries once a second. */
  async #heldReason(port: PortRecord, claimant: Claimant | undefined): Promise<string | undefined> {
    const { claimant: holder, lostAt } = port;
    if (holder === undefined || lostAt === undefined || isSame(holder, claimant)) return undefined;
    if ((await lives(this.#parts.host, holder)) !== true) return undefined;
    return `its guest, process ${holder.pid}, still runs`;
  }

  /** Ports of the configuration that nobody uses any more for whom they were handed out. */
  #endLapsed(): void {
    for (const port of this.#ports.values()) {
      if (port.claimant === undefined || !lapsed(port, this.#parts.clock.now())) continue;
      port.claimant = undefined;
      this.#parts.binding.own({ id: port.id, owner: nativeOwner(port, undefined) });
    }
  }

  async #handOut(name: string, spec: PortClaim): Promise<PortRecord> {
    const { queues, transport = 'user', forks = false } = spec;
    const claimant = await watchable(this.#parts.host, spec.claimant);
    // By a device there is the bridge, and after a fork nobody knows which process it will be.
    const owner = transport === 'cuse' || forks ? undefined : claimant;
    const old = this.#ports.get(name);
    const open = this.all().filter(({ claimedAt }) => claimedAt !== undefined).length;
    if (old?.claimedAt === undefined && open >= MAX_OPEN_CLAIMS) {
      throw new VhostHostError('PORT_LIMIT', `${open} ports are handed out to guests that have not connected yet`);
    }
    const unfit = old?.origin === 'claim' && (old.queues < queues || !old.transports.includes(transport));
    if (old !== undefined && unfit) await this.#remove(old);
    if (!this.#ports.has(name)) await this.#add({ name, queues, transports: [transport] }, 'claim', owner);
    const port = this.get(name) as Mutable<PortRecord>;
    this.#parts.binding.own({ id: port.id, owner: nativeOwner(port, owner) });
    port.claimant = claimant;
    port.forks = forks;
    port.claimedAt = this.#parts.clock.now();
    port.lostAt = undefined;
    return port;
  }
}
