import type { Command } from 'commander';
import { VhostHostError, printable } from '../../common/errors.js';
import { planAttach } from '../../libvirt/attach/attach.js';
import { explainChanges } from '../../libvirt/attach/change-list.js';
import { selectNics } from '../../libvirt/attach/select-nics.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import type { Domain } from '../../libvirt/domain/domain.js';
import { readPools } from '../../host/kernel/hugepages.js';
import type { Look } from '../../common/output.js';
import { sizeText } from '../../common/bytes.js';
import { recall } from '../../libvirt/attach/recall.js';
import type { Recall } from '../../libvirt/attach/recall.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import { print } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { NOTHING, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';
import { WRAPPER } from '../../libvirt/install/wrapper.js';
import { nicRow } from './list.js';
import { withFileOption } from './options.js';
import type { VmOptions } from './options.js';
import { planPorts, viewSwitch } from './ports/switch-view.js';
import { openTarget } from './target.js';
import type { Target } from './target.js';
import { rivalsOf } from './ports/port-uses.js';
import type { SwitchView } from './ports/port-use.js';

interface Preview {
  readonly lines: readonly string[];
  /** Why attach would refuse. */
  readonly refusal: string | null;
}

/** What a plain `vm attach` would change. */
async function preview(
  context: CliContext,
  target: Target,
  doc: XmlDocument,
  domain: Domain,
  view: SwitchView,
  recalled: Recall,
  options: VmOptions,
): Promise<Preview> {
  try {
    const { nics, notes } = selectNics(domain, 'all', 'native', (socket) => view.ours(socket));
    const rivals = await rivalsOf(context, options, view, { domain, record: recalled.record, target });
    const ports = planPorts(domain, nics, {}, view, rivals);
    const { draft } = planAttach(doc, domain, {
      mode: 'native',
      nics,
      ports: new Map(ports.map((port) => [port.nic.index, port])),
      queues: undefined,
      offloads: false,
      hugepages: 'auto',
      wrapper: WRAPPER,
      pools: await readPools(context.host),
      running: target.running,
      earlier: recalled.remembered?.changes ?? [],
      added: [],
    });
    const said = [...notes, ...draft.notes].map(({ text }) => text);
    return { lines: [...explainChanges(draft.changes), ...said], refusal: null };
  } catch (error) {
    if (!(error instanceof VhostHostError)) throw error;
    return { lines: [], refusal: error.message };
  }
}

function backingText({ backing }: Domain): string {
  const pages = backing.hugepages?.map(({ pageSize, cells }) => {
    const size = pageSize === undefined ? 'the default size' : sizeText(pageSize);
    return `hugepages of ${size}${cells === undefined ? '' : ` for cell ${cells.join(',')}`}`;
  });
  const kind = pages?.join(', ') ?? backing.source ?? 'ordinary';
  return `${kind}, ${backing.access === 'shared' ? 'shared' : 'not shared'}`;
}

interface Shown {
  readonly domain: Domain;
  readonly target: Target;
  readonly recalled: Recall;
  readonly nics: readonly ShownNic[];
  readonly attach: Preview;
}

type ShownNic = ReturnType<typeof nicRow> & { readonly queues: number; readonly socket: string | null };

const COLUMNS: readonly Column<ShownNic>[] = [
  { title: 'NIC', cell: ({ index }) => String(index), right: true },
  { title: 'MAC', cell: ({ mac }) => mac ?? NOTHING },
  { title: 'TYPE', cell: ({ type }) => type },
  { title: 'MODE', cell: ({ mode }) => mode ?? NOTHING },
  { title: 'PORT', cell: ({ port }) => port ?? NOTHING },
  { title: 'QUEUES', cell: ({ queues }) => String(queues), right: true },
  { title: 'CONNECTED TO', cell: ({ source }) => source ?? NOTHING },
];

function previewLines({ refusal, lines }: Preview): string[] {
  if (refusal !== null) return [`vhost-host vm attach would refuse: ${refusal}`];
  if (lines.length === 0) return ['vhost-host vm attach would change nothing'];
  return ['vhost-host vm attach would do:', ...lines.map((line) => `  ${line}`)];
}

function showLines({ domain, target, recalled, nics, attach }: Shown, look: Look): string[] {
  const parts = domain.parts.map(({ title, bytes }) => `${title} ${sizeText(bytes)}`).join(', ');
  const { remembered } = recalled;
  const attached = remembered === undefined ? 'not by vm attach' : `${remembered.mode} mode; vm detach brings it back`;
  return [
    `domain    ${printable(domain.name)}, type ${printable(domain.type)}, ${target.running ? 'running' : 'not running'}`,
    `emulator  ${printable(domain.emulator ?? 'chosen by libvirt')}`,
    `memory    ${parts}; ${backingText(domain)}`,
    `attached  ${attached}`,
    '',
    ...tableLines(COLUMNS, nics, look),
    '',
    ...previewLines(attach),
  ];
}

function showObject({ domain, target, recalled, nics, attach }: Shown): object {
  const { access = null, source = null, hugepages = null } = domain.backing;
  return {
    domain: domain.name,
    uuid: domain.uuid ?? null,
    type: domain.type,
    running: target.running,
    emulator: domain.emulator ?? null,
    memory: { access, source, hugepages, parts: domain.parts.map(({ title, bytes }) => ({ title, bytes })) },
    nics,
    /** Whether detach has something to go back to. */
    remembered: recalled.remembered !== undefined,
    attach,
  };
}

async function show(context: CliContext, name: string | undefined, options: VmOptions): Promise<void> {
  const target = await openTarget(context, name, options);
  const doc = XmlDocument.parse(target.text);
  const domain = readDomain(doc);
  const view = await viewSwitch(context, options, true);
  const recalled = await recall(context.host, target, doc, domain);
  const shown: Shown = {
    domain,
    target,
    recalled,
    nics: domain.nics.map((nic) => ({ ...nicRow(domain, nic, view), queues: nic.queues, socket: nic.socket ?? null })),
    attach: await preview(context, target, doc, domain, view, recalled, options),
  };
  print(context, options, showObject(shown), (_answer, look) => showLines(shown, look));
}

export function addVmShow(vm: Command, context: CliContext): void {
  withFileOption(vm.command('show [domain]').description('show a domain, and what attach would change')).action(
    (name: string | undefined, _options: unknown, command: Command) =>
      show(context, name, command.optsWithGlobals<VmOptions>()),
  );
}
