import { messageOf, printable } from '../common/errors.js';
import { portActions } from './config/port-diff.js';
import { buildApi, buildClaimApi } from './api/routes.js';
import { ApiSocket } from './api/api-sockets.js';
import { makeBridge } from './ports/cuse-bridge.js';
import type { Clock } from '../common/clock.js';
import { Descriptors } from './descriptors.js';
import { EventSink } from './events.js';
import { chooseAddresses } from './uplinks/iova-mode.js';
import { startEngine } from './engine.js';
import type { RunningEngine } from './engine.js';
import { GuestRecord } from './ports/guest-record.js';
import { takeRunDir } from './lock.js';
import { LogFile } from './log/log-file.js';
import { bridgeProgram } from '../common/package.js';
import type { PortRecord } from './ports/port-record.js';
import { PortTable } from './ports/port-table.js';
import { Repeats, shapeOf } from './log/repeat-limit.js';
import type { LogLine } from './log/repeat-limit.js';
import { request } from './client/http.js';
import { apiSocketPath, claimSocketPath, logPath } from './run-dir/paths.js';
import type { StatsList } from './model/schema.js';
import type { Settings } from './config/settings.js';
import { SocketRecord } from './run-dir/socket-record.js';
import type { NativeBinding } from './addon/native.js';
import { SwitchControl } from './api/control.js';
import { Unwind } from '../common/cleanup-stack.js';
import { runDirTender } from './run-dir/tender.js';
import { CounterWatch } from './ports/counter-watch.js';
import { UplinkTable } from './uplinks/uplink-table.js';
import type { Host } from '../host/host.js';

/**
 * The switch's life. Start: run directory and its lock, leftovers of a dead switch, the engine, the
 * ports of the configuration, the API. Stop is the same list backwards, also after a start that
 * failed half-way; whoever holds the lock owns everything in the run directory.
 */

export interface DaemonParts {
  readonly host: Host;
  readonly binding: NativeBinding;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly version: string;
  /** stderr is the log file of the run directory. */
  readonly logsToFile: boolean;
  /** One line of the log. */
  readonly write: (line: string) => void;
}

export interface Daemon {
  /** Resolves when everything is taken down. */
  readonly stopped: Promise<void>;
  /** Any number of times, at any time. */
  stop(): Promise<void>;
  /** A signal asks for it; without a log file nothing happens. */
  reopenLog(): Promise<void>;
  /** One line for the log. */
  log(line: string): void;
  /** What was counted so far. */
  stats(): StatsList;
}

const TICK_MS = 1000;

export async function startDaemon(parts: DaemonParts): Promise<Daemon> {
  const { host, settings } = parts;
  const writeLog = (line: LogLine): void =>
    parts.write(line.verbatim ? line.text : `${new Date(host.now()).toISOString()} ${line.text}`);
  const repeats = new Repeats(parts.clock, writeLog);
  // What users and guests do makes lines too.
  const log = (text: string): void => repeats.add({ kind: shapeOf(text), line: { text, verbatim: false } });
  const unwind = new Unwind(log);
  unwind.push('the log', () => repeats.flush());
  try {
    const lock = await takeRunDir(parts, unwind);
    const logFile = parts.logsToFile ? await LogFile.of({ ...parts, log }) : undefined;
    const record = new SocketRecord(host, settings.runDir);
    await record.clearLeftovers(log);
    // Records and sockets of whoever has the directory by now stay.
    const whileOurs = async (work: () => Promise<void>): Promise<void> => ((await lock.isOurs()) ? work() : undefined);
    unwind.push('the port sockets', () => whileOurs(() => record.close()));
    const descriptors = await Descriptors.measure(host, log);
    const bridge = makeBridge(host, settings.runDir, bridgeProgram);
    unwind.push('the devices', () => bridge.retire());
    const isUplink = (name: string): boolean => uplinks.has(name);
    const ports: PortTable = new PortTable({ ...parts, record, bridge, descriptors, log, isUplink });
    const dma = await chooseAddresses(host, settings.uplinks);
    if (dma.reason !== undefined) log(`${dma.reason}: cards get physical addresses`);
    const uplinks: UplinkTable = new UplinkTable({
      ...parts,
      log,
      addresses: dma.addresses,
      isPort: (name) => ports.has(name),
      poolsFit: () =>
        settings.vlan === 'auto' &&
        ports.all().every(({ vlan, id }) => vlan === 'auto' && id < parts.binding.limits.poolTags),
      byCard: settings.vm2vm === 'hardware',
      connectedFrom: (least) => ports.all().find(({ id, connected }) => connected && id >= least),
    });
    const sink = new EventSink({ ports, uplinks, repeats, clock: parts.clock });
    confine(parts.binding, log);
    const engine = await startEngine({ ...parts, dma, descriptors }, (events) => sink.take(events));
    unwind.push('the engine', async () => {
      await Promise.all([ports.settled(), uplinks.settled()]);
      parts.binding.stop();
    });
    await addConfigured(settings, { ports, uplinks, log });
    const guests = new GuestRecord(host, settings.runDir, ports);
    await guests.restore(log);
    unwind.push('the record of guests', () => whileOurs(() => guests.save()));
    const stopper = makeStopper(unwind, log);
    const control = makeControl(parts, { ports, uplinks, sink, engine, log, stopSoon: () => void stopper.stop() });
    const apis = makeApis(parts, control, descriptors, unwind);
    // Another switch's log is its own to put aside.
    const tendLog = (): Promise<void> => whileOurs(async () => logFile?.tend());
    const tendRunDir = runDirTender({ lock, apis, ports, record, guests, tendLog, log });
    startTicking(parts, { ports, uplinks, sink, log, guests, repeats, tendLog, tendRunDir }, unwind);
    for (const api of apis) await api.open();
    await rehearse(claimSocketPath(settings.runDir));
    log(`switch ready in ${settings.runDir}: ${engine.dpdkVersion}, ${settings.workers.length} worker(s)`);
    const reopenLog = async (): Promise<void> => logFile?.reopen('a signal asked for it');
    return { ...stopper, log, reopenLog, stats: () => control.stats() };
  } catch (error) {
    await unwind.run();
    throw error;
  }
}

/** Before the engine, whose threads inherit it. A kernel that cannot is no reason to leave guests without a network. */
function confine(binding: NativeBinding, log: (line: string) => void): void {
  try {
    binding.confine();
  } catch (error) {
    log(`the kernel does not take from the switch what it does not need: ${printable(messageOf(error))}`);
  }
}

/** Uplinks first: guests find the network there. */
async function addConfigured(
  settings: Settings,
  { ports, uplinks, log }: Pick<Running, 'ports' | 'uplinks' | 'log'>,
): Promise<void> {
  for (const spec of settings.uplinks) {
    const { id, name, device } = await uplinks.add(spec, 'config');
    log(`uplink ${name} (${id}) on ${device}`);
  }
  for (const action of portActions([], settings.ports)) {
    if (action.kind === 'add') await ports.add(action.port, 'config');
    else await ports.remove(action.name);
  }
}

function makeStopper(unwind: Unwind, log: (line: string) => void): Pick<Daemon, 'stop' | 'stopped'> {
  let resolveStopped = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (resolveStopped = resolve));
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    log('switch stops');
    await unwind.run();
    resolveStopped();
  };
  return { stopped, stop: () => (stopping ??= stop()) };
}

interface Running {
  readonly ports: PortTable;
  readonly uplinks: UplinkTable;
  readonly sink: EventSink;
  readonly log: (line: string) => void;
}

function makeControl(
  { host, binding, settings, clock, version, logsToFile }: DaemonParts,
  { ports, uplinks, sink, engine, log, stopSoon }: Running & { engine: RunningEngine; stopSoon: () => void },
): SwitchControl {
  const facts = {
    version,
    pid: process.pid,
    runDir: settings.runDir,
    apiSocket: apiSocketPath(settings.runDir),
    log: logsToFile ? logPath(settings.runDir) : null,
    config: settings.configFile,
    startedAt: new Date(host.now()).toISOString(),
    dpdk: engine.dpdkVersion,
    hugepages: engine.hugepages,
    hugepagesReason: engine.hugepagesReason,
    poll: settings.poll,
    instructionSet: engine.instructionSet,
  };
  return new SwitchControl({ binding, clock, facts, ports, uplinks, sink, log, stopSoon });
}

/** Not open yet. */
function makeApis(
  { host, settings }: DaemonParts,
  control: SwitchControl,
  { clients }: Descriptors,
  unwind: Unwind,
): readonly ApiSocket[] {
  const { runDir, claimGid } = settings;
  const owner = { path: apiSocketPath(runDir), build: () => buildApi(control), gid: -1, clients };
  const claims = { path: claimSocketPath(runDir), build: () => buildClaimApi(control), gid: claimGid, clients };
  // The owner's last: it can ask for the end, which must find everything on the list.
  return [claims, owner].map((spec) => {
    const api = new ApiSocket(host, spec);
    unwind.push(`the API on ${spec.path}`, () => api.close());
    return api;
  });
}

/** V8 compiles what it runs for the first time, which is for this request that is refused, not for a guest's. */
async function rehearse(socket: string): Promise<void> {
  // Whatever is wrong is wrong for the first guest too, and told to that.
  await request(socket, 'POST', '/v1/ports/claim', {}).catch(() => undefined);
}

interface Tended {
  readonly guests: GuestRecord;
  readonly repeats: Repeats;
  readonly tendLog: () => Promise<void>;
  readonly tendRunDir: () => Promise<void>;
}

/** Counters that guests make grow, with why they do; each gets few lines, however fast it grows. */
const GROWING = [
  {
    counter: 'unlearned',
    told: (times: bigint, { macLimit }: PortRecord) =>
      `addresses were not learned ${times} times: it has its ${macLimit} (macLimit), or the table is full`,
  },
  {
    counter: 'interruptsApart',
    told: (times: bigint) =>
      `${times} interrupts were sent apart from the worker: waking its guest takes more than its share of a worker`,
  },
] as const;

function growthTeller(
  { binding, clock }: Pick<DaemonParts, 'binding' | 'clock'>,
  ports: PortTable,
  log: (line: string) => void,
): () => void {
  const watched = GROWING.map(({ counter, told }) => ({ watch: new CounterWatch(counter), told }));
  return () => {
    const all = binding.ports();
    for (const { watch, told } of watched) {
      for (const { id, times } of watch.look(all, clock.now())) {
        const port = ports.byId(id);
        if (port !== undefined) log(`port ${port.name} (${id}): ${told(times, port)}`);
      }
    }
  };
}

function startTicking(
  { binding, clock, settings }: DaemonParts,
  { ports, uplinks, sink, log, guests, repeats, tendLog, tendRunDir }: Running & Tended,
  unwind: Unwind,
): void {
  const tellGrowth = growthTeller({ binding, clock }, ports, log);
  const tick = async (): Promise<void> => {
    sink.tick();
    repeats.tick();
    await tendLog();
    await tendRunDir();
    ports.reconcile();
    await ports.tendDevices();
    await ports.expire();
    await uplinks.watch();
    await guests.save();
    binding.drain();
    binding.ageMacs(settings.macAgeing);
    tellGrowth();
  };
  let running: Promise<void> | undefined;
  const cancel = clock.every(TICK_MS, () => {
    running ??= tick()
      .catch((error: unknown) => log(`housekeeping failed: ${printable(messageOf(error))}`))
      .finally(() => (running = undefined));
  });
  // What is being made anew would outlive the end.
  unwind.push('the timer', async () => {
    cancel();
    await running;
  });
}
