import type { Command } from 'commander';
import { VhostHostError, hasCode, printable } from '../../common/errors.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import { forgetSaved, isFileKey, listSaved, socketsOf } from '../../libvirt/attach/saved-state.js';
import type { Recorded } from '../../libvirt/attach/saved-state.js';
import { Virsh } from '../../libvirt/virsh.js';
import { readWayBack } from '../../libvirt/attach/way-back.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import { print } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { withVmOptions } from './options.js';
import type { VmOptions } from './options.js';
import { clearPorts, viewSwitch } from './ports/switch-view.js';
import { surveyUses } from './ports/port-uses.js';

/** Clears what attach remembers of a domain or file that is gone, and the ports that it had added for it. */

async function find(context: CliContext, wanted: string): Promise<Recorded> {
  const records = await listSaved(context.host);
  const found = records.filter(
    ({ key, saved }) => key === wanted || saved.name === wanted || (isFileKey(key) && saved.origin === wanted),
  );
  const [record, second] = found;
  if (record === undefined) {
    const known = records.map(({ key }) => key).join(', ');
    throw new VhostHostError('DOMAIN_UNKNOWN', `nothing is remembered of ${printable(wanted)}`, {
      hint: known === '' ? 'vhost-host vm list' : `one of ${known}`,
    });
  }
  if (second === undefined) return record;
  throw new VhostHostError('USAGE', `${printable(wanted)} is the name of ${found.length}`, {
    hint: `one of ${found.map(({ key }) => key).join(', ')}`,
  });
}

/** The domain or file as it stands; undefined where it is gone. */
async function present({ host }: CliContext, { key, saved }: Recorded): Promise<string | undefined> {
  if (isFileKey(key)) return await host.readOptional(saved.origin);
  try {
    return await new Virsh(host, saved.origin).dumpxml(key);
  } catch (error) {
    if (hasCode(error, 'DOMAIN_UNKNOWN')) return undefined;
    throw error;
  }
}

/** A file may be anything by now. */
function isAttached(text: string, { saved }: Recorded): boolean {
  try {
    const doc = XmlDocument.parse(text);
    const sockets = socketsOf(saved);
    const on = readDomain(doc).nics.some(({ socket }) => socket !== undefined && sockets.has(socket));
    return on || readWayBack(doc) !== undefined;
  } catch {
    return false;
  }
}

async function forget(context: CliContext, wanted: string, options: VmOptions): Promise<void> {
  const record = await find(context, wanted);
  const { key, saved } = record;
  const text = await present(context, record);
  if (text !== undefined && isAttached(text, record)) {
    const named = isFileKey(key) ? `--file ${saved.origin}` : saved.name;
    throw new VhostHostError('DOMAIN_UNFIT', `${printable(saved.name)} is there, and attached: its way back stays`, {
      hint: `vhost-host vm detach ${named}`,
    });
  }
  const view = await viewSwitch(context, options, true);
  const connect = options.connect ?? (isFileKey(key) ? undefined : saved.origin);
  const asked = connect === undefined ? options : { ...options, connect };
  const { removed, busy } = await clearPorts(
    context,
    options,
    saved.ports,
    await surveyUses(context, { ...asked, ...(isFileKey(key) ? { file: saved.origin } : {}) }, view),
  );
  await forgetSaved(context.host, key);
  print(context, options, { forgotten: key, domain: saved.name, portsRemoved: removed, portsLeft: busy }, () => [
    `what attach remembered of ${printable(saved.name)} is forgotten (${key})`,
    ...removed.map((name) => `port ${name} is removed`),
    ...busy.map((name) => `port ${name} still has a guest; afterwards: vhost-host ports rm ${name}`),
  ]);
}

export function addForget(vm: Command, context: CliContext): void {
  withVmOptions(
    vm.command('forget <record>').description('clear what attach remembers of a domain or file that is gone'),
  )
    .addHelpText(
      'after',
      '\nRECORD: a UUID, name or file, as vhost-host check names it. One that is there and attached is rejected.',
    )
    .action((wanted: string, _options: unknown, command: Command) =>
      forget(context, wanted, command.optsWithGlobals<VmOptions>()),
    );
}
