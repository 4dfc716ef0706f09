import { closeSync, existsSync, fstatSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import type {
  EngineEvent,
  EngineInfo,
  EngineOptions,
  NativeBinding,
  NativeCounters,
  NativeMac,
  NativeOwner,
  NativePort,
  NativePortOptions,
  NativeUplink,
  NativeUplinkOptions,
  NativeWorker,
} from '../../src/switch/addon/native.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Held by any switch in this process, as flock(2) would have it. */
const locked = new Map<number, string>();

function withCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Of a port or uplink that nothing has gone through. */
export function countersOf(drops: NativeCounters['drops']): NativeCounters {
  return {
    txPackets: 0n,
    txBytes: 0n,
    rxPackets: 0n,
    rxBytes: 0n,
    interrupts: 0n,
    interruptsApart: 0n,
    unlearned: 0n,
    drops,
  };
}

/** A stand-in for the native addon: real sockets and lock files, guests that a test moves by hand. */
export class FakeBinding implements NativeBinding {
  readonly limits = {
    maxPorts: 40,
    maxUplinks: 2,
    firstUplinkId: 256,
    maxQueuePairs: 4,
    maxUplinkQueues: 4,
    maxWorkers: 2,
    maxPools: 7,
    poolTags: 32,
    maxSocketPath: 107,
  };
  readonly dropReasons = ['rx_ring_full', 'tx_runt'];
  started: EngineOptions | undefined;
  startError: Error | undefined;
  addError: Error | undefined;
  macTable: NativeMac[] = [];
  aged: number[] = [];
  readonly added: NativePortOptions[] = [];
  readonly addedUplinks: NativeUplinkOptions[] = [];
  readonly uplinkList: Mutable<NativeUplink>[] = [];
  #ports: { port: Mutable<NativePort>; server: Server }[] = [];
  #onEvents: (events: EngineEvent[]) => void = () => undefined;

  lock(path: string): number {
    return this.#lock(openSync(path, 'a'));
  }

  lockDirectory(path: string): number {
    return this.#lock(openSync(path, 'r'));
  }

  unlock(fd: number): void {
    if (!locked.delete(fd)) throw withCode('EBADF', `descriptor ${fd} holds no lock`);
    closeSync(fd);
  }

  /** Open, so that no other file gets its number meanwhile. */
  #lock(fd: number): number {
    const { dev, ino } = fstatSync(fd);
    const file = `${dev}:${ino}`;
    if ([...locked.values()].includes(file)) {
      closeSync(fd);
      return -1;
    }
    locked.set(fd, file);
    return fd;
  }

  readonly logs: string[] = [];
  logTo(path: string): void {
    this.logs.push(path);
    closeSync(openSync(path, 'a'));
  }

  listenAgain(id: number): void {
    const found = this.#ports.find(({ port }) => port.id === id);
    if (found === undefined) throw withCode('ENOENT', `no port ${id}`);
    if (existsSync(found.port.socketPath)) throw withCode('EADDRINUSE', 'in use');
    found.server.close();
    found.server = createServer((socket) => socket.destroy()).listen(found.port.socketPath);
    found.server.unref();
  }

  start(options: EngineOptions, onEvents: (events: EngineEvent[]) => void): EngineInfo {
    if (this.startError !== undefined) throw this.startError;
    if (this.started !== undefined) throw new Error('started twice');
    this.started = options;
    this.#onEvents = onEvents;
    return { dpdkVersion: 'DPDK 0.0.0', instructionSet: 'x86-64-v2', hugepages: options.hugepages };
  }

  stop(): void {
    for (const { port } of [...this.#ports]) this.removePort(port.id);
  }

  addPort(options: NativePortOptions): number {
    if (this.addError !== undefined) throw this.addError;
    this.added.push(options);
    let id = 0;
    while (this.#ports.some(({ port }) => port.id === id)) id++;
    const { name, socketPath, queuePairs } = options;
    // Binds before it returns, as librte_vhost does.
    const server = createServer((socket) => socket.destroy()).listen(socketPath);
    server.unref();
    const drops = Object.fromEntries(this.dropReasons.map((reason) => [reason, 0n]));
    const counters = countersOf(drops);
    const lacking = { lack: 'no_front_end', lackText: 'nobody is connected to its socket' };
    const guest = { connected: false, ready: false, ...lacking, features: 0n, memoryBytes: 0n, queues: [], counters };
    this.#ports.push({ port: { id, name, socketPath, queuePairs, ...guest }, server });
    return id;
  }

  confined = 0;
  confine(): void {
    this.confined++;
  }

  readonly owners = new Map<number, NativeOwner>();
  own({ id, owner }: { readonly id: number; readonly owner: NativeOwner }): void {
    this.owners.set(id, owner);
  }

  removePort(id: number): void {
    const found = this.#ports.find(({ port }) => port.id === id);
    if (found === undefined) throw withCode('ENOENT', `no port ${id}`);
    this.#ports = this.#ports.filter((entry) => entry !== found);
    found.server.close();
    rmSync(found.port.socketPath, { force: true });
  }

  ports(): NativePort[] {
    return this.#ports.map(({ port }) => ({ ...port }));
  }

  addUplink(options: NativeUplinkOptions): number {
    if (this.addError !== undefined) throw this.addError;
    this.addedUplinks.push(options);
    const id = this.limits.firstUplinkId + this.uplinkList.length;
    const drops = Object.fromEntries(this.dropReasons.map((reason) => [reason, 0n]));
    this.uplinkList.push({
      ...{ id, name: options.name, device: options.device, driver: 'net_fake', state: 'up', mac: '02:00:00:00:01:00' },
      ...{ speedMbps: 0, mtu: 1500, workers: Array<number>(options.queues).fill(0), buffers: 100, buffersFree: 90 },
      ...{ pools: 0, poolsTaken: [], offloads: [], remark: '', zeroCopy: false, zeroCopied: 0n, zeroCopiedIn: 0n },
      deviceCounters: { rxMissed: 3n, rxErrors: 0n, rxNoBuffer: 0n, txErrors: 0n },
      counters: { ...countersOf(drops), txPackets: 5n, txBytes: 300n, rxPackets: 7n, rxBytes: 420n },
    });
    return id;
  }

  removeUplink(id: number): void {
    const at = this.uplinkList.findIndex((uplink) => uplink.id === id);
    if (at === -1) throw withCode('ENOENT', `no uplink ${id}`);
    this.uplinkList.splice(at, 1);
  }

  /** How often pools were looked after. */
  tended = 0;
  tendPools(): void {
    this.tended++;
  }

  drain(): void {
    this.drained++;
  }

  /** How often what disabled queues held was given back. */
  drained = 0;

  uplinks(): NativeUplink[] {
    return this.uplinkList.map((uplink) => ({ ...uplink }));
  }

  macs(): NativeMac[] {
    return this.macTable;
  }

  ageMacs(seconds: number): number {
    this.aged.push(seconds);
    return 0;
  }

  workers(): NativeWorker[] {
    return (this.started?.workers ?? []).map((cpu, id) => {
      return { id, cpu, tid: 4000 + id, queues: 1, cycles: 200n, busyCycles: 50n, packets: 7n, sleeps: 3n };
    });
  }

  rebalance(): number {
    return this.#ports.length;
  }

  emit(...events: EngineEvent[]): void {
    this.#onEvents(events);
  }

  /** Changes what the engine says of a port, without any event. */
  change(name: string, change: Partial<NativePort>): NativePort {
    const found = this.#ports.find(({ port }) => port.name === name);
    if (found === undefined) throw new Error(`no port ${name}`);
    return Object.assign(found.port, change);
  }

  /** A front end comes, with the event about it. */
  connect(name: string): void {
    this.emit({
      type: 'connected',
      port: this.change(name, { connected: true, ready: true, lack: 'nothing', lackText: '' }).id,
    });
  }

  disconnect(name: string): void {
    this.emit({ type: 'disconnected', port: this.change(name, { connected: false, ready: false }).id });
  }
}
