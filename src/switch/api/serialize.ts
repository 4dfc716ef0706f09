import { featureNames } from '../model/features.js';
import { missingOf } from '../ports/missing.js';
import type { PortRecord } from '../ports/port-record.js';
import type { Counters, Mac, Port, PortStats, Uplink, UplinkStats, Worker } from '../model/schema.js';
import type { NativeCounters, NativeMac, NativePort, NativeUplink, NativeWorker } from '../addon/native.js';
import { remarkOn } from '../uplinks/device.js';
import type { UplinkRecord } from '../uplinks/uplink-table.js';

/** From the engine's records to the API's shapes. Pure. */

/** Device number to VLAN tag, as in DPDK's vhost example. */
const FIRST_VLAN_TAG = 1000;

/** JSON numbers are exact up to 2^53; a counter that gets there stays there. */
function toNumber(value: bigint): number {
  const largest = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > largest ? largest : value);
}

function stateOf({ connected, ready }: NativePort): Port['state'] {
  if (!connected) return 'waiting';
  return ready ? 'ready' : 'connected';
}

/** An uplink with the engine's side of it. */
export type JoinedUplink = readonly [UplinkRecord, NativeUplink];

function poolsOf(id: number, uplinks: readonly JoinedUplink[]): Port['pools'] {
  return uplinks.flatMap(([{ name }, { pools, poolsTaken }]) => {
    const taken = poolsTaken.find(({ port }) => port === id);
    return pools === 0 ? [] : [{ uplink: name, pool: taken?.pool ?? null }];
  });
}

/** Pairs of which the guest uses at least one direction. */
function pairsInUse({ queues }: NativePort): number {
  return new Set(queues.filter(({ live }) => live).map(({ index }) => index >> 1)).size;
}

export function portView(
  port: PortRecord,
  native: NativePort,
  macs: readonly NativeMac[],
  uplinks: readonly JoinedUplink[],
): Port {
  return {
    id: port.id,
    name: port.name,
    socket: port.socket,
    queues: port.queues,
    queuesInUse: pairsInUse(native),
    offloads: port.offloads,
    transports: [...port.transports],
    device: port.device === undefined ? null : `/dev/${port.device}`,
    mac: port.mac ?? null,
    origin: port.origin,
    state: stateOf(native),
    missing: missingOf(native),
    vlanTag: FIRST_VLAN_TAG + port.id,
    vlan: port.vlan,
    macLimit: port.macLimit,
    forwardReserved: port.forwardReserved,
    owner: port.owner ?? null,
    features: featureNames(native.features),
    memoryBytes: toNumber(native.memoryBytes),
    rings: native.queues.map(({ index, size, live, worker }) => ({ index, size, live, worker })),
    macs: macs.filter((entry) => entry.port === port.id).map(({ mac }) => mac),
    pools: poolsOf(port.id, uplinks),
  };
}

export function countersView(counters: NativeCounters): Counters {
  const drops = Object.entries(counters.drops).map(([reason, count]) => [reason, toNumber(count)] as const);
  return {
    txPackets: toNumber(counters.txPackets),
    txBytes: toNumber(counters.txBytes),
    rxPackets: toNumber(counters.rxPackets),
    rxBytes: toNumber(counters.rxBytes),
    interrupts: toNumber(counters.interrupts),
    interruptsApart: toNumber(counters.interruptsApart),
    unlearned: toNumber(counters.unlearned),
    drops: Object.fromEntries(drops),
  };
}

export function statsView(port: PortRecord, native: NativePort): PortStats {
  return { name: port.name, id: port.id, counters: countersView(native.counters) };
}

function poolsView({ pools, poolsTaken }: NativeUplink, guests: readonly NativePort[]): Uplink['pools'] {
  if (pools === 0) return null;
  const taken = poolsTaken.map(({ pool, port, mac }) => ({ pool, id: port, mac }));
  const others = guests.filter(({ id, connected }) => connected && !taken.some((entry) => entry.id === id));
  return { count: pools, taken, software: others.map(({ id }) => id) };
}

export function uplinkView(
  [uplink, native]: JoinedUplink,
  macs: readonly NativeMac[],
  guests: readonly NativePort[],
): Uplink {
  const { id, driver, state, mac, mtu, workers, buffers, buffersFree } = native;
  return {
    ...{ id, name: uplink.name, device: uplink.device, driver, origin: uplink.origin, state, mac },
    speedMbps: native.speedMbps === 0 ? null : native.speedMbps,
    ...{
      offloads: [...native.offloads],
      remark: native.remark === '' ? (remarkOn(uplink.device) ?? null) : native.remark,
    },
    ...{ mtu, queues: workers.length, workers: [...workers], unknownUnicast: uplink.unknownUnicast },
    ...{ forwardReserved: uplink.forwardReserved, buffers, buffersFree },
    pools: poolsView(native, guests),
    zeroCopied: native.zeroCopy ? toNumber(native.zeroCopied) : null,
    zeroCopiedIn: native.zeroCopy ? toNumber(native.zeroCopiedIn) : null,
    macs: macs.filter((entry) => entry.port === id).length,
  };
}

export function uplinkStatsView(uplink: UplinkRecord, native: NativeUplink): UplinkStats {
  const { rxMissed, rxErrors, rxNoBuffer, txErrors } = native.deviceCounters;
  return {
    ...{ name: uplink.name, id: native.id, counters: countersView(native.counters) },
    device: {
      rxMissed: toNumber(rxMissed),
      rxErrors: toNumber(rxErrors),
      rxNoBuffer: toNumber(rxNoBuffer),
      txErrors: toNumber(txErrors),
    },
  };
}

export function macView(entry: NativeMac, { name, id }: { readonly name: string; readonly id: number }): Mac {
  return { mac: entry.mac, vlan: entry.vlan, port: name, id, ageSeconds: entry.ageSeconds };
}

export function workerView(worker: NativeWorker): Worker {
  return {
    id: worker.id,
    cpu: worker.cpu === -1 ? null : worker.cpu,
    tid: worker.tid,
    queues: worker.queues,
    packets: toNumber(worker.packets),
    sleeps: toNumber(worker.sleeps),
    cycles: toNumber(worker.cycles),
    busyCycles: toNumber(worker.busyCycles),
  };
}
