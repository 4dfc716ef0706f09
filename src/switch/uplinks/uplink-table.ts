import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import type { ErrorCode } from '../../common/errors.js';
import { UNKNOWN_UNICAST } from '../model/schema.js';
import type { UplinkSpec } from '../config/settings.js';
import type { NativeBinding, NativeUplink } from '../addon/native.js';
import { Turns } from '../../common/serial-queue.js';
import { checkAddresses } from './iova-mode.js';
import type { DmaAddresses } from './iova-mode.js';
import { checkDevice, resolveDevice } from './device.js';
import { engineDevice } from './device-arguments.js';
import { IN_SOFTWARE } from '../config/vm2vm.js';
import type { Host } from '../../host/host.js';

/** What the control plane knows of an uplink; link, counters and queues are the engine's. */
export interface UplinkRecord {
  readonly id: number;
  readonly name: string;
  readonly device: string;
  readonly origin: 'config' | 'api';
  readonly unknownUnicast: (typeof UNKNOWN_UNICAST)[number];
  readonly forwardReserved: boolean;
}

interface Entry {
  record: UplinkRecord;
  readonly spec: UplinkSpec;
  /** What the engine said of it last. */
  last: NativeUplink | undefined;
  /** Whether the engine has it; not while its device is gone and could not be taken back at once. */
  attached: boolean;
  /** Whether it was said that there are more guests than pools. */
  toldBeyond: boolean;
}

export interface UplinkTableParts {
  readonly host: Host;
  readonly binding: NativeBinding;
  readonly log: (line: string) => void;
  /** What cards are told; fixed when the switch starts. */
  readonly addresses: DmaAddresses;
  /** Whether VMDq would show no guest anything else than sorting in software does. */
  readonly poolsFit: () => boolean;
  /** Cards switch between guests (`--vm2vm 2`): there is one uplink, whose card can. */
  readonly byCard: boolean;
  /** A guest that is connected and has at least this device number. */
  readonly connectedFrom: (least: number) => { readonly name: string; readonly id: number } | undefined;
  /** Whether a guest's port has this name: tables of addresses and counters name both kinds. */
  readonly isPort: (name: string) => boolean;
}

const ENGINE_CODES: Readonly<Record<string, ErrorCode>> = { ENOSPC: 'UPLINK_LIMIT', EEXIST: 'UPLINK_EXISTS' };
const NEWS = {
  up: 'its link is up',
  down: 'its link is down',
  gone: 'its device has gone; guests go on talking to each other, and it is taken back when it is there again',
} as const;

/** How an engine's refusal is fixed, where that is known. */
function hintFor(error: unknown, device: string): string | undefined {
  if (error instanceof VhostHostError) return error.hint;
  if (errnoOf(error) === 'EADDRNOTAVAIL') return 'vhost-host start --zero-copy 0';
  const driver = /^net_[a-z_]+/.exec(device)?.[0];
  if (errnoOf(error) !== 'ENODEV' || driver === undefined) return undefined;
  return `apt-get install librte-${driver.replaceAll('_', '-')}23`;
}

/** The uplinks of the switch. Changes run one after the other; looking never waits. */
export class UplinkTable {
  readonly #parts: UplinkTableParts;
  readonly #uplinks = new Map<string, Entry>();
  readonly #turns = new Turns();

  constructor(parts: UplinkTableParts) {
    this.#parts = parts;
  }

  get(name: string): UplinkRecord {
    const entry = this.#uplinks.get(name);
    if (entry !== undefined) return entry.record;
    throw new VhostHostError('UPLINK_UNKNOWN', `there is no uplink ${printable(name)}`, {
      hint: 'vhost-host uplinks',
    });
  }

  has(name: string): boolean {
    return this.#uplinks.has(name);
  }

  byId(id: number): UplinkRecord | undefined {
    return [...this.#uplinks.values()].find(({ record, attached }) => attached && record.id === id)?.record;
  }

  /** Each with the engine's side of it, by number. */
  joined(): (readonly [UplinkRecord, NativeUplink])[] {
    const natives = new Map(this.#parts.binding.uplinks().map((native) => [native.id, native]));
    const entries = [...this.#uplinks.values()].sort((a, b) => a.record.id - b.record.id);
    return entries.flatMap(({ record, attached, last }) => {
      const native = attached ? natives.get(record.id) : last;
      return native === undefined ? [] : [[record, native] as const];
    });
  }

  add(spec: UplinkSpec, origin: UplinkRecord['origin']): Promise<UplinkRecord> {
    return this.#turns.take(async () => {
      if (this.#uplinks.has(spec.name)) {
        throw new VhostHostError('UPLINK_EXISTS', `uplink ${spec.name} exists already`);
      }
      if (this.#parts.isPort(spec.name)) {
        throw new VhostHostError('UPLINK_EXISTS', `uplink ${spec.name}: a port has this name`);
      }
      const [other] = this.#uplinks.keys();
      if (this.#parts.byCard && other !== undefined) {
        const reason = `with --vm2vm 2 there is one uplink, ${other}`;
        throw new VhostHostError('UPLINK_LIMIT', `uplink ${spec.name}: ${reason}`, { hint: IN_SOFTWARE });
      }
      const { host } = this.#parts;
      const others = [...this.#uplinks.values()].map(({ record }) => record.device);
      const found = { ...spec, device: await resolveDevice(host, spec.device, others) };
      const record = await this.#attach(found, origin);
      this.#uplinks.set(spec.name, { record, spec: found, last: undefined, attached: true, toldBeyond: false });
      return record;
    });
  }

  remove(name: string): Promise<void> {
    return this.#turns.take(() => {
      const { id } = this.get(name);
      const attached = this.#uplinks.get(name)?.attached === true;
      this.#uplinks.delete(name);
      if (attached) this.#parts.binding.removeUplink(id);
      return Promise.resolve();
    });
  }

  /** Once a second: tells what has become of the links, and takes devices back that are there again. */
  watch(): Promise<void> {
    return this.#turns.take(async () => {
      this.#parts.binding.tendPools();
      for (const [{ name, id }, native] of this.joined()) {
        const entry = this.#uplinks.get(name);
        if (entry === undefined) continue;
        if (native.state !== entry.last?.state) this.#parts.log(`uplink ${name} (${id}): ${NEWS[native.state]}`);
        entry.last = native;
        this.#tellBeyond(entry, native);
        if (native.state !== 'gone' && (native.pools === 0 || this.#parts.poolsFit())) continue;
        if (native.state !== 'gone')
          this.#parts.log(`uplink ${name} (${id}): VMDq is given up: it knows only VLAN mode auto`);
        await this.#takeBack(entry);
      }
    });
  }

  /** Resolves when every change that was asked for is through. */
  settled(): Promise<void> {
    return this.#turns.settled();
  }

  /** Once: that there are guests without a pool of the card's. */
  #tellBeyond(entry: Entry, { id, pools }: NativeUplink): void {
    const guest = pools === 0 || entry.toldBeyond ? undefined : this.#parts.connectedFrom(pools);
    if (guest === undefined) return;
    entry.toldBeyond = true;
    const who = `port ${guest.name} (${guest.id}), as others above ${pools - 1},`;
    this.#parts.log(
      `uplink ${entry.record.name} (${id}): VMDq has pools for ${pools} guests; ${who} is sorted in software`,
    );
  }

  async #takeBack(entry: Entry): Promise<void> {
    const { host, binding, log } = this.#parts;
    const { id, name, device, origin } = entry.record;
    try {
      await checkDevice(host, device);
      // The driver holds on to the one that is gone, under the same name.
      if (entry.attached) binding.removeUplink(id);
      entry.attached = false;
      entry.record = await this.#attach(entry.spec, origin);
    } catch {
      // Not there yet, or there but not ready: the next turn tries again.
      return;
    }
    entry.attached = true;
    log(`uplink ${name} (${entry.record.id}): its device is back`);
  }

  async #attach(spec: UplinkSpec, origin: UplinkRecord['origin']): Promise<UplinkRecord> {
    const { host, binding, poolsFit, addresses, byCard } = this.#parts;
    const { maxPools } = binding.limits;
    const { name, queues = 1, mtu = 0, buffers = 0, unknownUnicast = 'drop', pools = maxPools } = spec;
    const { forwardReserved = false } = spec;
    const { device } = spec;
    if (queues > binding.limits.maxUplinkQueues) {
      const most = binding.limits.maxUplinkQueues;
      throw new VhostHostError('UPLINK_LIMIT', `uplink ${name}: ${queues} queues asked for, at most ${most}`);
    }
    try {
      await checkDevice(host, device);
      await checkAddresses(host, addresses, { name, device });
      const id = binding.addUplink({
        name,
        device: engineDevice(device, { queues, mtu }),
        queues,
        mtu,
        buffers,
        floodUnknownUnicast: unknownUnicast === 'flood',
        forwardReserved,
        pools: poolsFit() ? Math.min(pools, maxPools) : 0,
        loops: byCard,
      });
      return { id, name, device, origin, unknownUnicast, forwardReserved };
    } catch (error) {
      const software = byCard && errnoOf(error) === 'EOPNOTSUPP';
      const hint = software ? IN_SOFTWARE : hintFor(error, device);
      const code = ENGINE_CODES[errnoOf(error) ?? ''] ?? 'UPLINK_FAILED';
      const options = { cause: error, ...(hint === undefined ? {} : { hint }) };
      throw new VhostHostError(code, `uplink ${name}: ${printable(messageOf(error))}`, options);
    }
  }
}
