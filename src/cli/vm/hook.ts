import { basename, dirname } from 'node:path';
import type { Command } from 'commander';
import { VhostHostError, hasCode, printable } from '../../common/errors.js';
import { startErrors } from '../../libvirt/checks/index.js';
import { gatherFacts } from '../../libvirt/checks/facts.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import type { Domain } from '../../libvirt/domain/domain.js';
import { nicTitle } from '../../libvirt/domain/nic.js';
import type { Nic } from '../../libvirt/domain/nic.js';
import { readProperty } from '../../libvirt/domain/properties.js';
import { REFUSE } from '../../libvirt/install/hook.js';
import { loadSaved, socketsOf } from '../../libvirt/attach/saved-state.js';
import { readWayBack } from '../../libvirt/attach/way-back.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import { describeError } from '../../common/output.js';
import type { Port } from '../../switch/model/schema.js';
import type { ClientOptions } from '../shared/client-command.js';
import { runDirOf } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { findFrontEnd } from '../switch/front-end-process.js';
import type { FrontEnd } from '../switch/front-end-process.js';
import { Verdict } from '../shared/exit-code.js';
import { NO_RIVALS } from './ports/port-choice.js';
import { addPorts, planPorts, viewSwitch } from './ports/switch-view.js';
import type { SwitchView } from './ports/port-use.js';
import { PORT_SOCKET } from './ports/port-use.js';

/** There also where libvirtd has a /dev of its own. */
const STDIN = '/proc/self/fd/0';

/** For a guest that has ended to leave its port. */
const LEAVING_MS = 3_000;
const POLL_MS = 50;

/** An interface of the guest that is on our switch, and which switch that is. */
interface Connection {
  readonly nic: Nic;
  readonly socket: string;
  readonly runDir: string;
}

/** Sockets that `vm attach` has given the domain, by its record. */
async function recordedSockets({ host }: CliContext, { uuid }: Domain): Promise<ReadonlySet<string>> {
  const saved = uuid === undefined ? undefined : await loadSaved(host, uuid).catch(() => undefined);
  return saved === undefined ? new Set() : socketsOf(saved);
}

/** The same, also those that its XML tells of where the record is gone: not all show by their path whose they are. */
async function attachedSockets(context: CliContext, doc: XmlDocument, domain: Domain): Promise<ReadonlySet<string>> {
  const told = socketsOf(readWayBack(doc) ?? { changes: [] });
  return new Set([...told, ...(await recordedSockets(context, domain))]);
}

/** A switch that does not let itself be asked is none to judge by: the guest is left to try. */
async function look(context: CliContext, runDir: string): Promise<SwitchView | undefined> {
  try {
    return await viewSwitch(context, { runDir }, false);
  } catch (error) {
    if (!hasCode(error, 'SWITCH_UNREACHABLE')) throw error;
    context.console.log(describeError(error).line);
    return undefined;
  }
}

async function connectionsOf(
  context: CliContext,
  doc: XmlDocument,
  domain: Domain,
  options: ClientOptions,
): Promise<Connection[]> {
  const attached = await attachedSockets(context, doc, domain);
  const usualDir = runDirOf(context, options);
  const usual = await look(context, usualDir);
  return domain.nics.flatMap((nic): Connection[] => {
    const { socket } = nic;
    if (socket === undefined) return [];
    if (usual?.ours(socket) === true) return [{ nic, socket, runDir: usualDir }];
    if (!attached.has(socket)) return [];
    // Attached to a switch in another run directory, unless the socket is in a place of the user's choice.
    return [{ nic, socket, runDir: PORT_SOCKET.test(basename(socket)) ? dirname(socket) : usualDir }];
  });
}

function noSwitch({ nic, runDir }: Connection, context: CliContext): VhostHostError {
  const elsewhere = runDir === runDirOf(context, {}) ? '' : ` --run-dir ${runDir}`;
  return new VhostHostError('SWITCH_NOT_RUNNING', `no switch is running in ${runDir} for ${nicTitle(nic)}`, {
    hint: `vhost-host start${elsewhere}`,
  });
}

/** Makes sure that the switch runs and has the port; one that was lost in a restart is added as attach would. */
async function provide(context: CliContext, doc: XmlDocument, domain: Domain, connection: Connection): Promise<void> {
  const { nic, socket, runDir } = connection;
  const view = await look(context, runDir);
  // In server mode it is QEMU that listens; the checks tell what comes of that.
  if (view === undefined || nic.mode === 'server') return;
  if (view.ports === undefined) throw noSwitch(connection, context);
  // Attach leaves them on only where the port was to have them.
  const offloads = readProperty(doc, nic.place, 'host-csum') !== 'off';
  await addPorts(context, { runDir }, planPorts(domain, [nic], { socket, offloads }, view, NO_RIVALS));
  await waitForPort(context, domain, connection);
}

/**
 * The one that a port has may be this guest's own from before, or somebody else's that is ending: then the switch is
 * about to hear of it. Throws where the port stays taken, at once where another guest has it.
 */
async function waitForPort(context: CliContext, domain: Domain, { nic, socket, runDir }: Connection): Promise<void> {
  const deadline = context.host.now() + LEAVING_MS;
  for (;;) {
    const port = (await look(context, runDir))?.ports?.find((candidate) => candidate.socket === socket);
    if (port === undefined || port.state === 'waiting') return;
    const holder = await findFrontEnd(context.host, socket);
    const other = holder !== undefined && holder.guest !== domain.name;
    if (other || context.host.now() >= deadline) throw await portTaken(context, domain, nic, port, holder);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function portTaken(
  context: CliContext,
  domain: Domain,
  nic: Nic,
  { name, socket }: Port,
  holder: FrontEnd | undefined,
): Promise<VhostHostError> {
  const who = holder?.title ?? 'a guest that does not show itself';
  const rightful = (await recordedSockets(context, domain)).has(socket) && holder?.guest !== undefined;
  return new VhostHostError('PORT_IN_USE', `port ${name} of ${nicTitle(nic)} has a guest already: ${who}`, {
    hint: `vhost-host vm attach ${rightful ? holder.guest : domain.name}, which gives it a port of its own`,
  });
}

async function check(context: CliContext, domain: Domain, connections: readonly Connection[]): Promise<void> {
  const { host } = context;
  const sockets = connections.map(({ socket }) => socket);
  const facts = await gatherFacts(host, domain, {
    running: false,
    ports: [],
    ours: (socket) => socket !== undefined && sockets.includes(socket),
    sharers: new Map(),
    realEmulator: undefined,
  });
  // Another switch's sockets are not ours to judge; and a user's own libvirt runs QEMU as that user, not qemu.conf's.
  const troubles = [...facts.sockets].filter(([socket]) => host.uid() === 0 && sockets.includes(socket));
  const [found] = startErrors(domain, { ...facts, sockets: new Map(troubles) });
  if (found !== undefined) throw new VhostHostError('DOMAIN_UNFIT', found.reason, { hint: found.fix });
}

/** Throws where the guest must not start; one that is not on our switch is none of our business. */
async function judge(context: CliContext, doc: XmlDocument, domain: Domain, options: ClientOptions): Promise<void> {
  const connections = await connectionsOf(context, doc, domain, options);
  if (connections.length === 0) return;
  for (const connection of connections) await provide(context, doc, domain, connection);
  await check(context, domain, connections);
}

/** With these the guest would wait in vain or be cut off; with any other failure, which is ours, it may well do. */
const REFUSALS = [
  'SWITCH_NOT_RUNNING',
  'PORT_EXISTS',
  'PORT_IN_USE',
  'PORT_LIMIT',
  'PORT_FAILED',
  'DOMAIN_UNFIT',
] as const;

/** libvirt is waiting for the answer, so it must not be called from here: virsh would wait for us. */
async function hook(context: CliContext, options: ClientOptions): Promise<void> {
  const doc = XmlDocument.parse(await context.host.read(STDIN));
  const domain = readDomain(doc);
  try {
    await judge(context, doc, domain, options);
  } catch (error) {
    if (!hasCode(error, ...REFUSALS)) throw error;
    const { line, hint } = describeError(error);
    const fix = hint === undefined ? '' : `; fix: ${hint}`;
    // One line: libvirt puts it behind words of its own, and into logs.
    context.console.log(`vhost-host: ${printable(domain.name)} is not started: ${line}${fix}`);
    context.console.print(REFUSE);
    throw new Verdict('error');
  }
}

/** Called by libvirt's hook (see `libvirt/install/hook.ts`), not by people. */
export function addHook(vm: Command, context: CliContext): void {
  vm.command('hook', { hidden: true })
    .description('tell whether the guest whose XML comes on standard input may start')
    .option('--run-dir <dir>', 'directory the switch runs in')
    .action((options: ClientOptions) => hook(context, options));
}
