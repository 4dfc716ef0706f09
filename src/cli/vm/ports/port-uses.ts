import { readDomain } from '../../../libvirt/domain/domain.js';
import type { Domain } from '../../../libvirt/domain/domain.js';
import { modeOf } from '../../../libvirt/checks/facts.js';
import type { Sharer } from '../../../libvirt/checks/facts.js';
import { nicTitle } from '../../../libvirt/domain/nic.js';
import type { Nic } from '../../../libvirt/domain/nic.js';
import { isFileKey, listSaved, sameDomain, socketsOf } from '../../../libvirt/attach/saved-state.js';
import type { Recorded } from '../../../libvirt/attach/saved-state.js';
import { Virsh } from '../../../libvirt/virsh.js';
import { XmlDocument } from '../../../libvirt/xml/document.js';
import { portSocketPath } from '../../../switch/run-dir/paths.js';
import { portName } from '../../../wrap/guest.js';
import type { CliContext } from '../../shared/context.js';
import { givesWay, sharerOf } from './port-choice.js';
import type { VmOptions } from '../options.js';
import type { Target } from '../target.js';
import type { PortUse, Rivals, SwitchView } from './port-use.js';
import { portOfSocket } from './port-use.js';

/** For so many virsh at once. */
const AT_ONCE = 8;

interface Whose {
  readonly domain: Domain;
  readonly record: Recorded | undefined;
  /** What gives it a port of its own. */
  readonly attach: string;
}

function placeOf(domain: Domain, nic: Nic, view: SwitchView): Pick<PortUse, 'port' | 'socket'> | undefined {
  if (nic.socket !== undefined) return { socket: nic.socket, port: portOfSocket(nic.socket, view) };
  return modeOf(domain, nic, (socket) => view.ours(socket)) === 'wrap' ? wrappedPlace(domain, nic, view) : undefined;
}

/** Where qemu-wrap finds the interface's port: by its address, else by the domain's name. */
export function wrappedPlace(domain: Domain, nic: Nic, view: SwitchView): Pick<PortUse, 'port' | 'socket'> {
  const own = view.ports?.find(({ mac }) => mac !== null && mac === nic.mac);
  const port = own?.name ?? portName(domain.name, nic.netdev);
  return { port, socket: own?.socket ?? portSocketPath(view.runDir, port) };
}

/** By number of the interface; those on no vhost-user socket left out. */
export function usesOf({ domain, record, attach }: Whose, view: SwitchView): ReadonlyMap<number, PortUse> {
  const given = record === undefined ? new Set<string>() : socketsOf(record.saved);
  const uses = domain.nics.flatMap((nic): [number, PortUse][] => {
    const place = placeOf(domain, nic, view);
    if (place === undefined) return [];
    const right = (given.has(place.socket) ? 2 : 0) + (place.port === portName(domain.name, nic.netdev) ? 1 : 0);
    const title = `${nicTitle(nic)} of domain ${domain.name}`;
    const wrapped = `vhost-host ports add ${place.port ?? 'NAME'}-2 --mac ${nic.mac ?? 'ADDRESS'}`;
    const fix = nic.socket === undefined ? wrapped : attach;
    return [[nic.index, { name: domain.name, uuid: domain.uuid, title, ...place, right, attach: fix }]];
  });
  return new Map(uses);
}

/** undefined where it cannot be read: it is looked at for the others' sake alone. */
function parse(text: string): Domain | undefined {
  try {
    return readDomain(XmlDocument.parse(text));
  } catch {
    return undefined;
  }
}

async function definedDomains(context: CliContext, { connect }: VmOptions): Promise<Domain[]> {
  const virsh = new Virsh(context.host, connect);
  const names = await virsh.names();
  const domains: Domain[] = [];
  for (let first = 0; first < names.length; first += AT_ONCE) {
    const some = names.slice(first, first + AT_ONCE);
    // One may have been undefined since it was listed.
    const texts = await Promise.all(some.map((name) => virsh.dumpxml(name).catch(() => '')));
    domains.push(...texts.flatMap((text) => parse(text) ?? []));
  }
  return domains;
}

/** Of a file libvirt may know nothing, or not be there; and a user whom it would ask for a password is left in peace. */
async function knownDomains(context: CliContext, options: VmOptions): Promise<Domain[]> {
  if (options.file === undefined) return await definedDomains(context, options);
  if (context.host.uid() !== 0 && options.connect === undefined) return [];
  return await definedDomains(context, options).catch(() => []);
}

/** All that is known on this host: what libvirt has defined, and files that attach has put on the switch. */
export async function surveyUses(context: CliContext, options: VmOptions, view: SwitchView): Promise<PortUse[]> {
  const records = await listSaved(context.host);
  const uses: PortUse[] = [];
  const domains = await knownDomains(context, options);
  for (const domain of domains) {
    const record = records.find(({ key }) => key === domain.uuid);
    uses.push(...usesOf({ domain, record, attach: `vhost-host vm attach ${domain.name}` }, view).values());
  }
  for (const record of records.filter(({ key }) => isFileKey(key))) {
    const path = record.saved.origin;
    const domain = parse((await context.host.readOptional(path).catch(() => undefined)) ?? '');
    // Defined since: then it is libvirt's word that counts.
    if (domain === undefined || domains.some((defined) => sameDomain(defined, domain))) continue;
    uses.push(...usesOf({ domain, record, attach: `vhost-host vm attach --file ${path}` }, view).values());
  }
  return uses;
}

/** For `vm check`: by number of an interface, who else is on its port. */
export function sharersOf(domain: Domain, rivals: Rivals, edit: string): ReadonlyMap<number, Sharer> {
  const sharers = domain.nics.flatMap((nic): [number, Sharer][] => {
    const [mine, other] = [rivals.own.get(nic.index), sharerOf(nic, rivals)];
    if (mine === undefined || other === undefined) return [];
    const what = mine.port === undefined ? mine.socket : `port ${mine.port}`;
    const attach = givesWay(nic, rivals) ? mine.attach : other.attach;
    const fix = mine.port === undefined ? `${edit}: give one of them a socket of its own` : attach;
    return [[nic.index, { what, who: other.title, fix }]];
  });
  return new Map(sharers);
}

/** What other domains are on. */
export function othersThan(domain: Domain, uses: readonly PortUse[]): PortUse[] {
  return uses.filter((use) => !sameDomain(use, domain));
}

/** Whom a domain has to share the switch with. */
export async function rivalsOf(
  context: CliContext,
  options: VmOptions,
  view: SwitchView,
  self: {
    readonly domain: Domain;
    readonly record: Recorded | undefined;
    readonly target: Pick<Target, 'running' | 'commands'>;
    /** Where they were looked at already. */
    readonly uses?: readonly PortUse[];
  },
): Promise<Rivals> {
  const { domain, record, target } = self;
  const others = othersThan(domain, self.uses ?? (await surveyUses(context, options, view)));
  return { others, own: usesOf({ domain, record, attach: target.commands.attach }, view), running: target.running };
}
