import type { Records } from '../../hostsetup/checks/check.js';
import { isFileKey, listSaved } from '../../libvirt/attach/saved-state.js';
import type { Recorded } from '../../libvirt/attach/saved-state.js';
import { Virsh } from '../../libvirt/virsh.js';
import type { CliContext } from '../shared/context.js';
import type { VmOptions } from '../vm/options.js';
import type { SwitchView } from '../vm/ports/port-use.js';
import { surveyUses } from '../vm/ports/port-uses.js';

/** What attach remembers of domains and files that are gone, and ports that it added and that no domain is on. */

/** Whether what it was kept for is gone; undefined where that cannot be told. */
async function isGone(
  { host }: CliContext,
  { key, saved }: Recorded,
  virsh: Virsh,
  uuids: readonly string[] | undefined,
): Promise<boolean | undefined> {
  if (isFileKey(key)) return (await host.stat(saved.origin).catch(() => undefined)) === undefined;
  // Another libvirt's domains are not this one's to miss.
  return uuids === undefined || saved.origin !== virsh.uri ? undefined : !uuids.includes(key);
}

export async function surveyRecords(context: CliContext, options: VmOptions, view: SwitchView): Promise<Records> {
  const virsh = new Virsh(context.host, options.connect);
  const records = await listSaved(context.host);
  const none = { stale: [], ports: [], uncertain: 0 };
  if (records.length === 0) return none;
  const uuids = await virsh.uuids().catch(() => undefined);
  const uses = uuids === undefined ? undefined : await surveyUses(context, options, view);
  const unused = (names: readonly string[]): string[] =>
    (view.ports ?? [])
      .filter(({ name, origin, state }) => names.includes(name) && origin !== 'config' && state === 'waiting')
      .filter(({ name, socket }) => uses?.some((use) => use.port === name || use.socket === socket) === false)
      .map(({ name }) => name);
  const gone = await Promise.all(records.map((record) => isGone(context, record, virsh, uuids)));
  const stale = records
    .filter((_, i) => gone[i] === true)
    .map(({ key, saved: { name, origin, ports } }) => ({
      key,
      title: isFileKey(key) ? `the file ${origin} (domain ${name})` : `the domain ${name} (${key})`,
      ports: unused(ports),
    }));
  const told = stale.flatMap(({ ports }) => ports);
  const rest = unused(records.filter((_, i) => gone[i] === false).flatMap(({ saved }) => saved.ports));
  const ports = rest.filter((name) => !told.includes(name));
  return { stale, ports: [...new Set(ports)], uncertain: gone.filter((one) => one === undefined).length };
}
