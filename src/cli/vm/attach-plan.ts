import { resolve } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import { planAttach } from '../../libvirt/attach/attach.js';
import type { Attached } from '../../libvirt/attach/attach.js';
import type { Draft, Note } from '../../libvirt/attach/change-list.js';
import { selectNics } from '../../libvirt/attach/select-nics.js';
import type { Mode } from '../../libvirt/attach/select-nics.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import type { Domain } from '../../libvirt/domain/domain.js';
import { nicTitle } from '../../libvirt/domain/nic.js';
import type { Nic } from '../../libvirt/domain/nic.js';
import { HOOK, NO_HOOK, isHook } from '../../libvirt/install/hook.js';
import type { HugepageChoice } from '../../libvirt/attach/memory-plan.js';
import { readPools } from '../../host/kernel/hugepages.js';
import { recall } from '../../libvirt/attach/recall.js';
import type { Recall } from '../../libvirt/attach/recall.js';
import { listSaved } from '../../libvirt/attach/saved-state.js';
import { Virsh } from '../../libvirt/virsh.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import type { CliContext } from '../shared/context.js';
import type { EditOptions } from './options.js';
import { checkFree, givesWay, sharerOf } from './ports/port-choice.js';
import { planPorts, viewSwitch } from './ports/switch-view.js';
import type { PlannedPort, PortSpec } from './ports/switch-view.js';
import type { Target } from './target.js';
import { rivalsOf, wrappedPlace } from './ports/port-uses.js';
import type { Rivals, SwitchView } from './ports/port-use.js';

/** What `vm attach` is about to do. */

/** The first libvirt with everything that native mode writes: reconnect (4.1) and memfd (4.10). */
const NATIVE_SINCE = [4, 10] as const;

export interface AttachOptions extends EditOptions, PortSpec {
  readonly mode?: Mode;
  readonly nic: string;
  readonly hugepages: HugepageChoice;
  readonly wrapper: string;
}

export interface Plan {
  readonly mode: Mode;
  readonly domain: Domain;
  readonly draft: Draft;
  readonly changes: Attached['changes'];
  readonly recalled: Recall;
  readonly ports: readonly PlannedPort[];
  /** Those of them that the running switch has not; none where no switch runs. */
  readonly missing: readonly PlannedPort[];
  /** All that attach has added for the domain, now and earlier. */
  readonly added: readonly string[];
  readonly notes: readonly Note[];
}

async function chooseMode(context: CliContext, options: AttachOptions): Promise<{ mode: Mode; notes: Note[] }> {
  if (options.mode !== undefined) return { mode: options.mode, notes: [] };
  const version = options.file === undefined ? await new Virsh(context.host, options.connect).version() : undefined;
  const [major, minor] = version ?? NATIVE_SINCE;
  if (major > NATIVE_SINCE[0] || (major === NATIVE_SINCE[0] && minor >= NATIVE_SINCE[1])) {
    return { mode: 'native', notes: [] };
  }
  const text = `libvirt ${major}.${minor} is too old for native mode (${NATIVE_SINCE.join('.')}): attached by qemu-wrap`;
  return { mode: 'wrap', notes: [{ level: 'info', text }] };
}

/** A define with an emulator that is not there would fail with less of a reason. */
async function checkWrapper(context: CliContext, options: AttachOptions): Promise<void> {
  if (options.file !== undefined || (await context.host.stat(options.wrapper)) !== undefined) return;
  throw new VhostHostError('EMULATOR_NOT_FOUND', `${options.wrapper} is not there: libvirt could start no guest`, {
    hint: 'sudo vhost-host libvirt setup',
  });
}

/** Of a file nobody knows on which host it will be used. */
async function hookNotes(context: CliContext, options: AttachOptions, mode: Mode): Promise<Note[]> {
  if (mode === 'wrap' || options.file !== undefined || isHook(await context.host.stat(HOOK))) return [];
  return [{ level: 'info', text: `${NO_HOOK}: sudo vhost-host libvirt setup` }];
}

function portNotes(ports: readonly PlannedPort[], view: SwitchView): Note[] {
  const info = (text: string): Note => ({ level: 'info', text });
  return ports.flatMap(({ port, socket, queues, existing }): Note[] => {
    if (view.ports === undefined) {
      const add = `vhost-host ports add ${port}${queues > 1 ? ` --queues ${queues}` : ''} --socket ${socket}`;
      return [info(`no switch runs in ${view.runDir}: before the guest starts, vhost-host start and ${add}`)];
    }
    if (existing?.origin === 'config') return [];
    if (existing?.origin === 'claim') {
      const text = `port ${port} goes when its present guest goes: then, vhost-host ports add ${port}`;
      return [{ level: 'warning', text }];
    }
    const file = view.config ?? 'its configuration file (vhost-host start --config FILE)';
    return [info(`for port ${port} to outlive a restart of the switch: {"name": "${port}"} in "ports" of ${file}`)];
  });
}

/** By qemu-wrap a domain gets the port of its name, or the one that is for its address: nobody else may be on it. */
function checkWrapped(domain: Domain, nics: readonly Nic[], view: SwitchView, rivals: Rivals): void {
  for (const nic of nics) {
    const { port, socket } = wrappedPlace(domain, nic, view);
    checkFree(port, socket, rivals);
  }
}

/**
 * Ports that end with the domain: those that attach adds or has added for it, and those that it had added for a domain
 * that is gone.
 */
async function addedPorts(
  { host }: CliContext,
  { remembered }: Recall,
  ports: readonly PlannedPort[],
  missing: readonly PlannedPort[],
  { others }: Rivals,
): Promise<string[]> {
  const recorded = new Set((await listSaved(host)).flatMap(({ saved }) => saved.ports));
  const taken = ports.filter(({ port, existing }) => existing?.origin === 'api' && recorded.has(port));
  const earlier = (remembered?.ports ?? []).filter((name) => !others.some(({ port }) => port === name));
  return [...new Set([...earlier, ...[...taken, ...missing].map(({ port }) => port)])];
}

/** An interface that shared its port with another, or shares it still. */
function sharingNotes(nics: readonly Nic[], rivals: Rivals, recalled: Recall): Note[] {
  return nics.flatMap((nic): Note[] => {
    const other = sharerOf(nic, rivals);
    if (other === undefined) return [];
    const what = other.port === undefined ? other.socket : `port ${other.port}`;
    const title = nicTitle(nic);
    if (!givesWay(nic, rivals)) {
      return [{ level: 'warning', text: `${what} of ${title} is also named by ${other.title}: ${other.attach}` }];
    }
    const known = recalled.remembered !== undefined;
    const back = known
      ? `vm detach brings ${title} back to what it was before it came to ${what}`
      : `nothing tells what ${title} was before: vm detach brings it back to ${what}`;
    return [{ level: known ? 'info' : 'warning', text: `${what} belongs to ${other.title}; ${back}` }];
  });
}

/** All that an attach would do; changes nothing. */
export async function plan(context: CliContext, target: Target, options: AttachOptions): Promise<Plan> {
  const { mode, notes } = await chooseMode(context, options);
  const doc = XmlDocument.parse(target.text);
  const domain = readDomain(doc);
  const view = await viewSwitch(context, options, mode === 'wrap' || printsOnly(options));
  const selected = selectNics(domain, options.nic, mode, (socket) => view.ours(socket));
  if (mode === 'wrap') await checkWrapper(context, options);
  const recalled = await recall(context.host, target, doc, domain);
  const rivals = await rivalsOf(context, options, view, { domain, record: recalled.record, target });
  if (mode === 'wrap') checkWrapped(domain, selected.nics, view, rivals);
  const socket = options.socket === undefined ? {} : { socket: resolve(context.cwd, options.socket) };
  const ports = mode === 'native' ? planPorts(domain, selected.nics, { ...options, ...socket }, view, rivals) : [];
  const missing = view.ports === undefined ? [] : ports.filter(({ existing }) => existing === undefined);
  const added = await addedPorts(context, recalled, ports, missing, rivals);
  const { draft, changes } = planAttach(doc, domain, {
    mode,
    nics: selected.nics,
    ports: new Map(ports.map((port) => [port.nic.index, port])),
    queues: options.queues,
    offloads: options.offloads === true,
    hugepages: options.hugepages,
    wrapper: options.wrapper,
    pools: await readPools(context.host),
    running: target.running,
    earlier: recalled.remembered?.changes ?? [],
    added,
  });
  return {
    mode,
    domain,
    draft,
    changes,
    recalled,
    ports,
    missing,
    added,
    notes: [
      ...notes,
      ...selected.notes,
      ...(mode === 'native' ? sharingNotes(selected.nics, rivals, recalled) : []),
      ...draft.notes,
      ...portNotes(ports, view),
      ...(await hookNotes(context, options, mode)),
    ],
  };
}

function printsOnly({ printXml, printDiff }: AttachOptions): boolean {
  return printXml === true || printDiff === true;
}
