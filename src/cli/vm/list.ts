import type { Command } from 'commander';
import { modeOf } from '../../libvirt/checks/facts.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import type { Domain } from '../../libvirt/domain/domain.js';
import { Virsh } from '../../libvirt/virsh.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import { print } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { NOTHING, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';
import { withVmOptions } from './options.js';
import type { VmOptions } from './options.js';
import { viewSwitch } from './ports/switch-view.js';
import type { SwitchView } from './ports/port-use.js';

interface NicRow {
  readonly index: number;
  readonly mac: string | null;
  readonly type: string;
  readonly source: string | null;
  /** How it gets at our switch; null where it does not. */
  readonly mode: 'native' | 'wrap' | null;
  readonly port: string | null;
}

interface DomainRow {
  readonly name: string;
  readonly uuid: string;
  readonly state: string;
  readonly nics: readonly NicRow[];
}

/** An interface as `list` and `show` tell of it. */
export function nicRow(domain: Domain, nic: Domain['nics'][number], view: SwitchView): NicRow {
  const { index, type } = nic;
  const port = view.ports?.find(({ socket }) => socket === nic.socket)?.name ?? null;
  const mode = modeOf(domain, nic, (socket) => view.ours(socket)) ?? null;
  return { index, mac: nic.mac ?? null, type, source: nic.source ?? null, mode, port };
}

const COLUMNS: readonly Column<DomainRow>[] = [
  { title: 'DOMAIN', cell: ({ name }) => name },
  { title: 'STATE', cell: ({ state }) => state, tone: ({ state }) => (state === 'running' ? 'good' : 'waiting') },
  {
    title: 'ON THE SWITCH',
    cell: ({ nics }) => `${nics.filter(({ mode }) => mode !== null).length} of ${nics.length}`,
  },
  { title: 'MODE', cell: ({ nics }) => [...new Set(nics.flatMap(({ mode }) => mode ?? []))].join(', ') || NOTHING },
  { title: 'PORTS', cell: ({ nics }) => nics.flatMap(({ port }) => port ?? []).join(' ') || NOTHING },
];

async function list(context: CliContext, options: VmOptions): Promise<void> {
  const virsh = new Virsh(context.host, options.connect);
  const names = await virsh.names();
  const view = await viewSwitch(context, options, true);
  const domains: DomainRow[] = [];
  for (const name of names) {
    const { uuid, state } = await virsh.state(name);
    const domain = readDomain(XmlDocument.parse(await virsh.dumpxml(uuid)));
    domains.push({ name, uuid, state, nics: domain.nics.map((nic) => nicRow(domain, nic, view)) });
  }
  print(context, options, { domains }, (_answer, look) =>
    domains.length === 0 ? ['no domains'] : tableLines(COLUMNS, domains, look),
  );
}

export function addVmList(vm: Command, context: CliContext): void {
  withVmOptions(vm.command('list').description('list the domains, and which are on the switch')).action(
    (_options: unknown, command: Command) => list(context, command.optsWithGlobals<VmOptions>()),
  );
}
