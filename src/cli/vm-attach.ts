import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { VhostHostError } from '../errors.js';
import { planAttach } from '../libvirt/attach.js';
import type { Draft, Note } from '../libvirt/attach-change.js';
import { selectNics } from '../libvirt/attach-nics.js';
import type { Mode } from '../libvirt/attach-nics.js';
import { readDomain } from '../libvirt/domain.js';
import type { Domain } from '../libvirt/domain.js';
import { nicTitle } from '../libvirt/domain-nic.js';
import { WRAPPER } from '../libvirt/install-wrapper.js';
import { HOOK, NO_HOOK, isHook } from '../libvirt/hook-step.js';
import { HUGEPAGE_WISHES } from '../libvirt/memory-plan.js';
import type { HugepageChoice } from '../libvirt/memory-plan.js';
import { readPools } from '../hugepage-pools.js';
import { continueSaved, forgetSaved, loadSaved, storeSaved } from '../libvirt/saved.js';
import { Virsh } from '../libvirt/virsh.js';
import { XmlDocument } from '../libvirt/xml-document.js';
import type { CliContext } from './context.js';
import { print } from './client-command.js';
import { parseQueues } from './ports.js';
import { agree, changeObjects, printedOnly, putInPlace } from './vm-edit.js';
import { withEditOptions } from './vm-options.js';
import type { EditOptions } from './vm-options.js';
import { addPorts, planPorts, removePorts, viewSwitch } from './vm-switch.js';
import type { PlannedPort, PortWish, SwitchView } from './vm-switch.js';
import { openTarget } from './vm-target.js';
import type { Target } from './vm-target.js';

/** The first libvirt with everything that native mode writes: reconnect (4.1) and memfd (4.10). */
const NATIVE_SINCE = [4, 10] as const;

interface AttachOptions extends EditOptions, PortWish {
  readonly mode?: Mode;
  readonly nic: string;
  readonly hugepages: HugepageChoice;
  readonly wrapper: string;
}

interface Plan {
  readonly mode: Mode;
  readonly domain: Domain;
  readonly draft: Draft;
  readonly ports: readonly PlannedPort[];
  /** Those of them that the running switch has not; none where no switch runs. */
  readonly missing: readonly PlannedPort[];
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

async function plan(context: CliContext, target: Target, options: AttachOptions): Promise<Plan> {
  const { mode, notes } = await chooseMode(context, options);
  const doc = XmlDocument.parse(target.text);
  const domain = readDomain(doc);
  const view = await viewSwitch(context, options, mode === 'wrap' || printsOnly(options));
  const selected = selectNics(domain, options.nic, mode, (socket) => view.ours(socket));
  if (mode === 'wrap') await checkWrapper(context, options);
  const socket = options.socket === undefined ? {} : { socket: resolve(context.cwd, options.socket) };
  const ports = mode === 'native' ? planPorts(domain, selected.nics, { ...options, ...socket }, view) : [];
  const draft = planAttach(doc, domain, {
    mode,
    nics: selected.nics,
    ports: new Map(ports.map((port) => [port.nic.index, port])),
    queues: options.queues,
    offloads: options.offloads === true,
    hugepages: options.hugepages,
    wrapper: options.wrapper,
    pools: await readPools(context.host),
    running: target.running,
  });
  return {
    mode,
    domain,
    draft,
    ports,
    missing: view.ports === undefined ? [] : ports.filter(({ existing }) => existing === undefined),
    notes: [
      ...notes,
      ...selected.notes,
      ...draft.notes,
      ...portNotes(ports, view),
      ...(await hookNotes(context, options, mode)),
    ],
  };
}

function printsOnly({ printXml, printDiff }: AttachOptions): boolean {
  return printXml === true || printDiff === true;
}

/** What is remembered comes first, then the ports, then the domain: whatever stops it half-way can be taken back. */
async function carryOut(
  context: CliContext,
  target: Target,
  options: AttachOptions,
  { mode, domain, draft, missing }: Plan,
): Promise<void> {
  const { host } = context;
  const before = await loadSaved(host, target.key);
  const now = {
    version: 1 as const,
    name: domain.name,
    origin: target.origin,
    mode,
    original: target.text,
    left: null,
    changes: draft.changes,
    ports: missing.map(({ port }) => port),
  };
  const saved = continueSaved(before, now);
  await storeSaved(host, target.key, saved);
  let added: string[] = [];
  try {
    added = await addPorts(context, options, missing);
    const left = await putInPlace(target, draft.doc.text, draft.changes);
    await storeSaved(host, target.key, { ...saved, left });
  } catch (error) {
    await removePorts(context, options, added);
    if (before === undefined) await forgetSaved(host, target.key);
    else await storeSaved(host, target.key, before);
    throw error;
  }
}

function answerLines(target: Target, { mode, ports, draft }: Plan): string[] {
  const how = draft.changes.length === 0 ? 'is attached already, there is nothing to do' : `is attached (${mode})`;
  const nics = ports.map(({ nic, port, socket }) => `${nicTitle(nic)} is on port ${port}, ${socket}`);
  const waits = target.waits === undefined || draft.changes.length === 0 ? [] : [`not at work yet, ${target.waits}`];
  return [`${target.title} ${how}`, ...nics, ...waits];
}

async function attach(context: CliContext, name: string | undefined, options: AttachOptions): Promise<void> {
  const target = await openTarget(context, name, options);
  const planned = await plan(context, target, options);
  const { draft, ports, missing, mode, domain } = planned;
  if (printedOnly(context, options, target, draft.doc.text, planned.notes)) return;
  if (draft.changes.length > 0) {
    const shown = { changes: draft.changes, notes: planned.notes };
    await agree(context, options, target, draft.doc.text, shown, `attach ${target.title} like this?`);
    await carryOut(context, target, options, planned);
  } else if (missing.length > 0) {
    // The switch was restarted without the port: the domain is right, and its way out is not there.
    await addPorts(context, options, missing);
  }
  const answer = {
    domain: domain.name,
    mode,
    changed: draft.changes.length > 0,
    running: target.running,
    waits: target.waits ?? null,
    ports: ports.map(({ nic, port, socket, queues }) => ({
      nic: nic.index,
      mac: nic.mac ?? null,
      port,
      socket,
      queues,
    })),
    changes: changeObjects(draft.changes),
    notes: planned.notes,
  };
  print(context, options, answer, () => answerLines(target, planned));
}

export function addAttach(vm: Command, context: CliContext): void {
  withEditOptions(vm.command('attach [domain]').description('put a domain on the switch'))
    .addOption(
      new Option('--mode <mode>', 'by vhost-user, or by qemu-wrap (default: native where libvirt can)').choices([
        'native',
        'wrap',
      ]),
    )
    .option('--output <file>', 'with --file: where the result goes (default: back into the file)')
    .option('--nic <which>', 'interface: number from 0, MAC address, or all', 'all')
    .option('--queues <n>', 'queue pairs (default: as they are)', parseQueues)
    .option('--port <name>', "the port's name (default: DOMAIN-hostnetN, as qemu-wrap names it)")
    .option('--socket <path>', "the port's socket (default: in the run directory)")
    .option('--offloads', 'let the guest leave checksums and TCP segmentation to others')
    .addOption(
      new Option('--hugepages <size>', 'pages for memory that has none yet').choices(HUGEPAGE_WISHES).default('auto'),
    )
    .option('--wrapper <path>', 'qemu-wrap, in wrap mode', WRAPPER)
    .action((name: string | undefined, _options: unknown, command: Command) =>
      attach(context, name, command.optsWithGlobals<AttachOptions>()),
    );
}
